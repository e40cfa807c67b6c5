"""What is watched in a stream, whatever pieces it comes in."""

import json

import pytest

from farthing.brain.output import StreamWatch
from farthing.core.request import Dialect

LOOP = "I cannot find that in the documents. "


def events(text: str, size: int = 12) -> list[bytes]:
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    return [b"data: " + json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"content": part}}]}).encode() + b"\n\n" for part in parts]


def watch(limit: int | None = None, asked: str = "why", repeats: str | None = "endpoints.faq.output.cut_repeats") -> StreamWatch:
    return StreamWatch(Dialect.CHAT, limit=limit, asked=lambda: asked, estimate=lambda size: size // 4, repeats=repeats)


def run(watching: StreamWatch, pieces: list[bytes]) -> tuple[str | None, int]:
    """The reason, and how many pieces had come by then."""
    for number, piece in enumerate(pieces, 1):
        if (reason := watching.feed(piece)) is not None:
            return reason, number
    return None, len(pieces)


def test_a_loop_is_cut_long_before_its_end() -> None:
    pieces = events(LOOP * 1000)
    reason, came = run(watch(), pieces)
    assert reason is not None
    assert "repeats itself" in reason
    assert "endpoints.faq.output.cut_repeats" in reason
    assert came < len(pieces) / 5


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_however_it_is_cut_into_pieces(size: int) -> None:
    stream = b"".join(events(LOOP * 300))
    reason, _ = run(watch(), [stream[at : at + size] for at in range(0, len(stream), size)])
    assert reason is not None


@pytest.mark.parametrize("asked", [f"Write '{LOOP.strip()}' 500 times", "i CANNOT  find that in the documents."])
def test_what_the_user_wrote_is_no_loop(asked: str) -> None:
    assert run(watch(asked=asked), events(LOOP * 300))[0] is None


def test_switched_off_it_sees_nothing() -> None:
    assert run(watch(repeats=None), events(LOOP * 300))[0] is None


def test_a_code_block_gets_more_room() -> None:
    assert run(watch(), events("```python\n" + "    wait_for(the_server)\n" * 180 + "```\n"))[0] is None


def test_an_upstream_that_ignores_the_limit_is_stopped() -> None:
    words = " ".join(f"word{number}" for number in range(4000))
    reason, came = run(watch(limit=500), events(words))
    assert reason == "the model wrote on past its limit of 500 tokens"
    assert came < 700
    assert run(watch(limit=20_000), events(words))[0] is None
