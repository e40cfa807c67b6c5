"""A limit from what was seen."""

from farthing.brain.output import learned_limit


def test_too_few_answers_teach_nothing() -> None:
    assert learned_limit([100] * 199, 0.5) is None


def test_all_but_one_in_a_hundred_stayed_within_and_there_is_a_margin() -> None:
    lengths = sorted([100] * 198 + [5000] * 2)
    learned = learned_limit(lengths, 0.5)
    assert learned is not None
    assert (learned.within, learned.limit, learned.answers) == (100, 150, 200)


def test_a_limit_that_bites_more_often_rises() -> None:
    learned = learned_limit(sorted([100] * 197 + [150] * 3), 0.5)
    assert learned is not None
    assert learned.limit == 225


def test_short_answers_keep_some_room() -> None:
    learned = learned_limit([1] * 200, 0.0)
    assert learned is not None
    assert learned.limit == 64
