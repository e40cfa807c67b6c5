"""What an answer comes down to, in the many ways that models say it."""

import pytest

from farthing.brain.route.cascade import answers


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ('{"reasoning": "2 + 2 = 4", "answer": "4"}', "4"),
        ('```json\n{"reasoning": "so", "answer": 1,200}\n```', "1200"),
        ("So the total is $1,250.00. The answer is $1,250.", "1250"),
        ("The closest one is 605 watts. The answer is (I).", "i"),
        ("Therefore \\boxed{\\dfrac{3}{4}}.", "\\frac{3}{4}"),
        ("Paris", "paris"),
        ("B", "b"),
        ("We add 3 and 4 and then, having considered everything at great length, we have 7", "7"),
        ("", ""),
    ],
)
def test_the_final_answer_is_found(text: str, final: str) -> None:
    assert answers.final_answer(text)[0] == final


def test_answers_agree_across_wordings() -> None:
    assert answers.agreement('{"answer": "18"}', "She earns 9 * 2 = 18. The answer is $18.00")[0] == 1.0
    assert answers.agreement("The answer is (A).", "The answer is (B).")[0] == 0.0
    assert answers.agreement("", "")[0] == 0.0


def test_a_row_has_a_value_for_every_name_and_sees_what_went_wrong() -> None:
    names = answers.NAMES
    row = answers.features("What is it?", answers.Read("I'm sorry, I cannot say.", complete=False, format_ok=False, logprobs=(-0.1, -2.0)))
    found = dict(zip(names, row, strict=True))
    assert (found["refusals"] > 0, found["cut"], found["format_failed"], found["least_logprob"]) == (True, 1.0, 1.0, -2.0)
    assert len(answers.agreement("a", "b")) == len(answers.AGREEMENT_NAMES)
