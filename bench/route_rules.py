"""Routing by rules: CPU per decision.

python bench/route_rules.py
"""

import time
import timeit
from functools import partial

from farthing.brain.route import Router
from farthing.config import Config
from farthing.core.exchange import Signals, Target
from farthing.core.request import Dialect, Inbound, Peek, Principal, Turn

CHEAP, EXPENSIVE = (Target("a", "mini", "cheap"), Target("b", "nano", "cheap")), (Target("a", "large", "expensive"),)


class Catalog:
    baseline = EXPENSIVE[0]

    def resolve(self, name: str) -> Target:
        return Target("a", name)

    def tier(self, name: str) -> tuple[Target, ...]:
        return CHEAP if name == "cheap" else EXPENSIVE


def inbound(model: str, *, session: str | None = None, allowed: tuple[str, ...] | None = None) -> Inbound:
    peek = Peek(model, (Turn("user", "Hi"),), has_tools=session is not None)
    principal = Principal("k_01", "acme", allowed_models=allowed)
    return Inbound("req_1", Dialect.CHAT, b"{}", peek, principal, 0.0, 0.0, session=session)


def main() -> None:
    router = Router(Config(), Catalog())
    short = Signals("qa", 0.2, "low", False, "en", 80, 300)
    long = Signals("qa", 0.2, "low", False, "en", 800, 3000)
    cases = [
        ("a real name", inbound("gpt-4o-mini"), short),
        ("farthing/auto, last rule", inbound("farthing/auto"), short),
        ("farthing/auto, no rule", inbound("farthing/auto"), long),
        ("farthing/auto, session", inbound("farthing/auto", session="s"), long),
        ("farthing/auto, allowed models", inbound("farthing/auto", allowed=("m*", "n*")), short),
    ]
    for name, request, signals in cases:
        call = partial(router.route, request, signals, now=1.0, healthy=lambda _target: True)
        best = min(timeit.repeat(call, timer=time.process_time, number=20_000, repeat=5)) / 20_000
        print(f"route {name:32}{best * 1e6:6.1f} us")


if __name__ == "__main__":
    main()
