"""Which sentences stay: by words where there are enough, by the caller's order where that is plainly one, up to the last character."""

import pytest

from farthing.brain.diet.lossy.extract import extract, order_faith, split

FILLING = "Rivers carry sand to the sea and leave it there for the wind to move about again. "


@pytest.mark.parametrize(
    ("scores", "words", "faith"),
    [
        ([5, 4, 3, 2, 1], 4, 1.0),
        ([5, 4, 3, 2, 1], 2, 1.5),
        ([5, 4, 3, 2, 1], 6, 0.5),
        ([5, 4, 3, 2, 1], 9, 0.0),
        ([1, 2, 3, 4, 5], 4, 0.0),
        ([2, 5, 1, 3, 4], 4, 0.0),
        ([1, 1, 1], 4, 0.0),
        ([3], 4, 0.0),
        ([], 4, 0.0),
    ],
)
def test_an_order_is_believed_where_words_confirm_it_and_are_few(scores: list[float], words: int, faith: float) -> None:
    assert order_faith(scores, words) == pytest.approx(faith)


def test_where_the_order_is_believed_the_first_passage_stays_whole() -> None:
    """The answer shares no word with the question; a later passage says the question's words again and again."""
    first = f"Marie Curie was born in Warsaw. {FILLING}It happened in a house of the old town. {FILLING}"
    later = [f"Curie is a name. {FILLING}{FILLING}", f"Of a town. {FILLING}{FILLING}", f"Nothing of it. {FILLING}{FILLING}"]
    whole = "\n\n".join([first, *later])
    assert "old town" in extract([whole], "Where was Curie born?", len(first) // 4 + 5, 4.0)[0]


def test_where_the_question_says_much_its_words_decide() -> None:
    asked = "In which year did the engineer of the northern harbour bridge publish the memoir about steel?"
    first = f"The northern harbour bridge has an engineer. {FILLING}{FILLING}{FILLING}"
    second = f"{FILLING}The engineer would publish the memoir about steel in the year 1911. {FILLING}"
    made = extract([f"{first}\n\n{second}"], asked, 40, 4.0)[0]
    assert "1911" in made
    assert FILLING.strip() not in made


@pytest.mark.parametrize("budget", range(20, 200, 7))
def test_the_budget_is_full_and_not_passed(budget: int) -> None:
    """What is left out would not have fitted, alone and with all that parts it from the rest."""
    whole = "\n\n".join(f"Passage {number} is about the harbour. It has {number} boats of wood. The rest is sand." for number in range(12))
    made = extract([whole], "How many boats are in the harbour?", budget, 4.0)[0]
    assert len(made) <= 4 * budget
    shortest = min(one.end - one.start for one in split([whole]))
    assert len(made) > 4 * budget - 2 * shortest - 20


def test_texts_of_which_nothing_stays_say_so_within_the_budget() -> None:
    texts = ["The harbour has four boats.", *["Sand moves about " * 12] * 3]
    made = extract(texts, "How many boats?", 40, 4.0)
    assert made[0] == texts[0]
    assert made[1:] == ["[nothing here about the question]"] * 3
    assert len("\n".join(made)) <= 160


@pytest.mark.parametrize("budget", range(40, 150, 11))
def test_a_second_helping_of_several_texts_changes_nothing(budget: int) -> None:
    texts = [f"Harbour {number} has boats. " * 3 + FILLING * 2 for number in range(4)]
    made = extract(texts, "How many boats are in the harbour?", budget, 4.0)
    assert len("\n".join(made)) <= 4 * budget
    assert extract(made, "How many boats are in the harbour?", budget, 4.0) == made
