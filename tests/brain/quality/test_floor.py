"""Down, trial, up again: the life of a lever under its floor."""

from farthing.brain.quality.floor import learn, phase_at
from farthing.config import Quality
from farthing.core.judgement import Stance, Turn

RULES = Quality(judge="judge", cool_down_s=100.0, trial_share=0.1)
BAD, GOOD = (0.2, 1.0), (1.0, 0.9)


def feed(stance: Stance, pair: tuple[float, float], times: int, now: float) -> tuple[Stance, list[Turn]]:
    turned: list[Turn] = []
    for _ in range(times):
        stance, turns = learn(stance, "faq", "route", pair, 0.97, RULES, now)
        turned += turns
    return stance, turned


def test_it_goes_down_once_and_says_why() -> None:
    stance, turned = feed(Stance(), BAD, 200, 1000.0)
    assert [(turn.phase, turn.endpoint, turn.lever, turn.at) for turn in turned] == [("down", "faq", "route", 1000.0)]
    assert "0.200 of the expensive tier's" in turned[0].reason
    assert "floor of 0.97" in turned[0].reason
    assert (stance.phase, stance.until, stance.samples) == ("down", 1100.0, 0)


def test_answers_from_before_teach_nothing_while_it_is_down() -> None:
    down, _ = feed(Stance(), BAD, 200, 1000.0)
    assert feed(down, GOOD, 50, 1099.0) == (down, [])


def test_after_the_cool_down_it_is_tried_and_comes_back() -> None:
    down, _ = feed(Stance(), BAD, 200, 1000.0)
    assert (phase_at(down, 1099.9), phase_at(down, 1100.0)) == ("down", "trial")
    stance, turned = feed(down, GOOD, 300, 1100.0)
    assert [turn.phase for turn in turned] == ["trial", "on"]
    assert phase_at(stance, 1100.0) == "on"


def test_a_trial_that_fails_doubles_the_cool_down_up_to_a_day() -> None:
    stance, now, lengths = Stance(), 0.0, []
    for _ in range(12):
        stance, _ = feed(stance, BAD, 200, now)
        lengths.append(stance.until - now)
        now = stance.until
    assert lengths[:3] == [100.0, 200.0, 400.0]
    assert lengths[-1] == 86_400.0


def test_once_it_was_up_for_good_the_first_length_counts_again() -> None:
    stance, _ = feed(Stance(), BAD, 200, 0.0)
    stance, _ = feed(stance, BAD, 200, 100.0)
    stance, _ = feed(stance, GOOD, 300, 300.0)
    stance, _ = feed(stance, BAD, 200, 400.0)
    assert (stance.phase, stance.until) == ("down", 500.0)
