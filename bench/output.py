"""Output: what the lever costs a request, and how soon a loop is cut: `python bench/output.py`. No network, no model."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench._harness import Figure, print_table, save  # noqa: E402

from farthing.brain.output import StreamWatch, with_rule  # noqa: E402
from farthing.core.request import Dialect  # noqa: E402

LOOP = "I am sorry, I could not find an answer to that in the documents you gave me. "
HONEST = " ".join(f"Sentence {number} says something of its own about refund number {number * 7}." for number in range(4000))
MOST_TOKENS = 4096


def chunks(text: str, size: int = 4) -> list[bytes]:
    """As services stream: a token or so in every event."""
    head = '{"id":"chatcmpl-AbCdEf0123456789","object":"chat.completion.chunk","created":1764000000,"model":"gpt-4o-mini-2024-07-18",'
    rest = '"choices":[{"index":0,"delta":{"content":%s},"logprobs":null,"finish_reason":null}]}'
    return [f"data: {head}{rest % json.dumps(text[at : at + size])}\n\n".encode() for at in range(0, len(text), size)]


def watch() -> StreamWatch:
    return StreamWatch(Dialect.CHAT, limit=MOST_TOKENS, asked=lambda: "why", estimate=lambda size: size // 4, repeats="cut_repeats")


def tokens_before_cut(unit: str) -> int | None:
    """At four characters a token, of the 4,096 that the loop would have run to."""
    watching = watch()
    for number, piece in enumerate(chunks(HONEST[:2000] + unit * (16_384 // len(unit))), 1):
        if watching.feed(piece) is not None:
            return number
    return None


def best_us(act: Callable[[], object], per: int) -> float:
    best = float("inf")
    for _ in range(9):
        started = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - started)
    return best / per * 1e6


def figures() -> Iterator[Figure]:
    body = json.dumps({"model": "m", "messages": [{"role": "system", "content": "x" * 1000}, {"role": "user", "content": "y" * 1000}]}).encode()
    yield Figure(
        "length rule put into a body of 2 KB", best_us(lambda: [with_rule(Dialect.CHAT, body, "Be short.") for _ in range(1000)], 1000), "us", 20
    )
    pieces = chunks(HONEST)

    def pour() -> None:
        watching = watch()
        for piece in pieces:
            watching.feed(piece)

    yield Figure("watching a stream, per chunk", best_us(pour, len(pieces)), "us", 2)
    for name, unit in (("sentence", LOOP), ("line", "- check the settings\n"), ("paragraph of 600 characters", HONEST[5000:5600])):
        came = tokens_before_cut(unit)
        share = None if came is None else 100 * came / MOST_TOKENS
        yield Figure(f"loop of a {name}: written before it is cut", share, "%", 50, note="of an answer that runs to 4,096 tokens")


def main() -> None:
    found = list(figures())
    save("output", found, None)
    print_table("Output", found)


if __name__ == "__main__":
    main()
