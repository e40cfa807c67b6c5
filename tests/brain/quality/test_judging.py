"""What the judge reads, and how its words are taken."""

import json

import pytest

from farthing.brain.quality.judging import MOST_CHARS, Reading, prompt, read, verdict
from tests.brain.requests import make_peek


def test_the_judge_reads_the_request_and_both_answers_without_names() -> None:
    text = prompt("req_1", make_peek(("system", "Be kind."), ("user", "Who?")), "first words", "other words")
    assert "system: Be kind.\n\nuser: Who?" in text
    assert text.index("first words") < text.index("other words")
    assert "model" not in text
    assert "expensive" not in text


def test_marks_cannot_be_forged_by_who_wrote_the_answers() -> None:
    first, second = (prompt(name, make_peek(("user", "x")), "a", "b") for name in ("req_1", "req_2"))
    marks = [next(line.split(" ")[0] for line in text.splitlines() if line.endswith(" request")) for text in (first, second)]
    assert marks[0] != marks[1]


def test_long_texts_keep_their_ends() -> None:
    text = prompt("req_1", make_peek(("user", "q")), "start" + "x" * 100_000 + "end", "b")
    assert len(text) < 3 * MOST_CHARS
    assert "start" in text
    assert "end\n" in text
    assert "characters left out" in text


@pytest.mark.parametrize(
    ("text", "grades"),
    [
        ('{"A": 7, "B": 9}', (7, 9)),
        ('Thinking {aloud} first: {"A": 1, "B": 2} no: ```json\n{"A": 8.5, "B": "3"}\n```', (8.5, 3)),
        ('{"A": 11, "B": 2}', None),
        ('{"A": -1, "B": 2}', None),
        ('{"A": NaN, "B": 2}', None),
        ('{"A": 1}', None),
        ("A is better", None),
        ("", None),
        ("{" * 5000, None),
    ],
)
def test_grades_are_read_or_refused(text: str, grades: tuple[float, float] | None) -> None:
    found = read(text)
    assert (None if found is None else (found.A, found.B)) == grades


@pytest.mark.parametrize(
    ("first", "second", "label", "score", "reference"),
    [
        ((9, 5), (5, 9), "win", 0.9, 0.5),
        ((4, 8), (8, 6), "loss", 0.5, 0.8),
        ((8, 6), (8, 6), "tie", 0.7, 0.7),  # whoever comes first wins: that is the order speaking
        ((8, 8), (8, 6), "tie", 0.75, 0.75),
        ((7, 7), (7, 7), "tie", 0.7, 0.7),
    ],
)
def test_two_readings_make_one_verdict(first: tuple[float, float], second: tuple[float, float], label: str, score: float, reference: float) -> None:
    found = verdict(Reading(*first), Reading(*second))
    assert (found.label, found.score, found.reference_score) == (label, pytest.approx(score), pytest.approx(reference))


def test_the_task_is_the_same_bytes_every_time() -> None:
    one, two = (prompt("req_1", make_peek(("user", json.dumps({"a": "{b}"}))), "{x}", "%s") for _ in range(2))
    assert one == two
