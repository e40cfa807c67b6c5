"""Prompt cache: what the step costs a request, and what the sum decides on streams of known habits: `python bench/prefix.py`. No network, no model.

The streams are made up: requests of one endpoint a second apart; a share of them begins like an earlier one, a share goes on with a conversation.
The bill is list prices of the two providers' rates below; "kept" is the bill where every prefix that the rule marks is written and read as priced.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench._harness import Figure, print_table, save  # noqa: E402

from farthing.brain.prefix import Prefixes, writing_pays  # noqa: E402
from farthing.core.request import Dialect  # noqa: E402
from farthing.core.usage import Rate, Usage  # noqa: E402
from farthing.wire.breakpoints import with_breakpoints  # noqa: E402
from farthing.wire.links import chain  # noqa: E402

CLAUDE = Rate(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75"))
TTL_S = 300.0
HEAD = "You answer for a shop. " + "Refunds are given within thirty days of purchase. " * 150


def body(head: str, turns: int, words: str = "Where is my order AB-12345? ") -> bytes:
    said = [{"role": ("user", "assistant")[place % 2], "content": words * 4} for place in range(turns)]
    return json.dumps({"model": "m", "system": head, "messages": said}).encode()


def best_us(act: Callable[[], object], times: int = 200) -> float:
    best = float("inf")
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(times):
            act()
        best = min(best, time.perf_counter() - started)
    return best / times * 1e6


def stream(alike: float, requests: int, seed: int) -> Iterator[str]:
    """Heads of requests: the common one for a share `alike` of them, one of their own for the rest."""
    draw = random.Random(seed)
    for number in range(requests):
        yield HEAD if draw.random() < alike else f"{number} {HEAD}"


def bill(alike: float, requests: int) -> tuple[Decimal, Decimal, Decimal]:
    """Without marks, with the rule, and with a mark on every request."""
    prefixes, plain, ruled, always = Prefixes(TTL_S), Decimal(0), Decimal(0), Decimal(0)
    kept: dict[str, set[str]] = {"ruled": set(), "always": set()}
    for number, head in enumerate(stream(alike, requests, 7)):
        links = chain(Dialect.MESSAGES, body(head, 1))
        assert links is not None
        tokens = links.links[-1].size // 4
        head_tokens = links.head.size // 4

        def price(name: str, marked: bool, head: str = head, tokens: int = tokens, head_tokens: int = head_tokens) -> Decimal:
            if not marked:
                return CLAUDE.price(Usage(tokens, 0))
            read = head in kept[name]
            kept[name].add(head)
            return CLAUDE.price(Usage(tokens, 0, head_tokens if read else 0, 0 if read else head_tokens))

        plain += CLAUDE.price(Usage(tokens, 0))
        ruled += price("ruled", writing_pays(CLAUDE, prefixes.heads("e"), least_seen=20))
        always += price("always", True)
        prefixes.sent("m", "e", links, float(number))
    return plain, ruled, always


def figures(requests: int) -> Iterator[Figure]:
    small, large = body("Be brief. " * 60, 5), body(HEAD * 3, 40, "More words of a long conversation. ")
    for name, one, goal in ((f"{len(small) / 1000:.0f} KB", small, 100), (f"{len(large) / 1000:.0f} KB, 40 messages", large, 1000)):
        yield Figure(f"links of a body of {name}", best_us(lambda one=one: chain(Dialect.MESSAGES, one)), "us", goal)
        yield Figure(f"breakpoints set in it, {name}", best_us(lambda one=one: with_breakpoints(one, head=True, talk=True)), "us", goal)
    for share in (0.0, 0.1, 0.3, 0.6, 0.95):
        plain, ruled, always = bill(share, requests)
        note = f"a mark on every request: {100 * float(1 - always / plain):+.1f} %"
        yield Figure(f"input bill, {share:.0%} of heads come again: saved by the rule", 100 * float(1 - ruled / plain), "%", None, note=note)


def main() -> None:
    small = "--small" in sys.argv
    found = list(figures(60 if small else 400))
    save("prefix", found, None)
    print_table("Prompt cache", found)


if __name__ == "__main__":
    main()
