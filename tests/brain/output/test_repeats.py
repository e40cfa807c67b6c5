"""Loops are seen; what repeats for a reason is not taken for one."""

import json
import random

import pytest

from farthing.brain.output.repeats import loop_unit


def end_of(text: str) -> bytes:
    """As a stream carries it: inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()[-16_384:]


HONEST = "The refund is paid within thirty days. It goes back to the card that was used, and a letter confirms it.\n"

LOOPS = {
    "a sentence": "I am sorry, I cannot find that in the documents. " * 60,
    "after a good beginning": HONEST * 2 + "Please let me know if you need anything else. " * 60,
    "a paragraph": (" ".join(f"word{n}" for n in range(60)) + "\n\n") * 12,
    "one word": "very " * 1000,
    "another script": "申し訳ございませんが、回答できません。" * 60,
    "lines": "- check the settings\n" * 250,
}

HONEST_TEXTS = {
    "prose": " ".join(random.Random(5).choices(HONEST.split(), k=3000)),
    "a poem with a refrain": "".join(f"Verse {n} of the long road home,\nRow, row, row your boat,\nGently down the stream.\n\n" for n in range(60)),
    "a song that chants": "Na na na na, hey hey, goodbye! " * 20,
    "a table of equal rows": "| name | price | stock |\n|---|---|---|\n" + "| - | - | - |\n" * 200,
    "a form to fill in": "Name: ______________________\n" * 60,
    "zeros": "[" + "0, " * 1500 + "0]",
    "a rule": "-" * 3500,
    "an indented list": "\n".join(f"    {n}. item" for n in range(900)),
    "a counted list": "".join(f"Step {n}: check the settings and restart the service.\n" for n in range(300)),
    "spaces": " " * 3500,
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_are_seen(name: str) -> None:
    found = loop_unit(end_of(LOOPS[name]), in_code=False)
    assert found is not None
    assert found[1] >= 8


@pytest.mark.parametrize("name", HONEST_TEXTS)
def test_what_repeats_for_a_reason_is_left_alone(name: str) -> None:
    text = HONEST_TEXTS[name]
    for stop in range(500, len(text), 500):
        assert loop_unit(end_of(text[:stop]), in_code=False) is None, stop


def test_code_gets_more_room() -> None:
    code = "    assert client.get(url).status == 200\n" * 60
    assert loop_unit(end_of(code), in_code=True) is None
    assert loop_unit(end_of(code * 5), in_code=True) is not None


def test_bytes_of_any_kind_are_no_error() -> None:
    random_bytes = random.Random(7).randbytes(16_384)
    assert loop_unit(random_bytes, in_code=False) is None
    assert loop_unit(b"", in_code=False) is None
    assert loop_unit(b"\\u00e9" * 1500, in_code=False) is None  # escapes hold no words that we can read: more room
