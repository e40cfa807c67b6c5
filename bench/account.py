"""What the savings account of one request costs: `python bench/account.py`. Printed beside a plain pricing of the same call."""

import time
from collections.abc import Callable
from decimal import Decimal

from _harness import Figure, print_table, save
from farthing.core.account import Effect, Span
from farthing.core.usage import Rate, Usage
from farthing.measure.savings import Bill, HitAccounts, settle_account

CHEAP, DEAR = Rate(Decimal("0.15"), Decimal("0.6")), Rate(Decimal("2.5"), Decimal(10))
USAGE = Usage(800, 200)
ROUTED = Bill(CHEAP, USAGE, 240_000_000)
REUSED = Bill(CHEAP, USAGE, 0, Span(200, 50, 400))
LEVERS = [
    Effect("cache", avoids_call=True),
    Effect("route", rate=DEAR),
    Effect("diet", input_tokens=100),
    Effect("retrieve", input_tokens=900),
    Effect("batch", price_factor=Decimal("0.5")),
]
HITS = HitAccounts()


def _us(act: Callable[[], object], rounds: int = 20_000) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(rounds):
            act()
        best = min(best, time.perf_counter() - started)
    return best / rounds * 1e6


def main() -> None:
    figures = [
        Figure("one pricing of one call", _us(lambda: CHEAP.price(USAGE)), "us", None),
        Figure("account, no lever", _us(lambda: settle_account(ROUTED, ())), "us", None),
        Figure("account, one lever (route)", _us(lambda: settle_account(ROUTED, LEVERS[1:2])), "us", 20),
        Figure("account, hit with route, with range", _us(lambda: settle_account(REUSED, LEVERS[:2])), "us", 60),
        Figure("account, the same hit again", _us(lambda: HITS.settle("ans_1", REUSED, LEVERS[:2])), "us", 10),
        Figure("account, five levers, with range", _us(lambda: settle_account(REUSED, LEVERS), 1000), "us", 1000),
    ]
    save("account", figures, None)
    print_table("Savings account", figures)


if __name__ == "__main__":
    main()
