"""Caps: CPU of quote, holds, releases and headers.

python bench/cap.py
"""

import time
import timeit
from collections.abc import Callable
from decimal import Decimal

from farthing.brain.cap import Envelope, holds, orphans, quote, ratelimit_headers, releases
from farthing.config import Caps, Config, Endpoint, Limits
from farthing.core.exchange import Signals, Target
from farthing.core.ledger import Reserved
from farthing.core.request import Dialect, Inbound, KeyLimits, Peek, Principal, Turn
from farthing.core.usage import Rate

NOW, MONOTONIC = 1_700_000_000.0, 12_345.6


def show(name: str, call: Callable[[], object]) -> None:
    best = min(timeit.repeat(call, timer=time.process_time, number=20_000, repeat=5)) / 20_000
    print(f"cap {name:52}{best * 1e6:6.2f} us")


def main() -> None:
    key = KeyLimits(requests_per_minute=6000, tokens_per_minute=10**9, daily_usd=100.0)
    principal = Principal("k_01", "acme", limits=key)
    inbound = Inbound("req_1", Dialect.CHAT, b"{}", Peek("m", (Turn("user", "Hi"),)), principal, 0.0, 0.0, tenant="acme", user_hash="u1")
    bare = Inbound("req_1", Dialect.CHAT, b"{}", inbound.peek, Principal("k_01", "acme"), 0.0, 0.0)
    signals, target = Signals("qa", 0.2, "low", False, "en", 80, 300), Target("openai", "m")
    rate = Rate(Decimal("0.15"), Decimal("0.60"))
    plain, quoted = Config(), quote(inbound, signals, target, rate, max_output_tokens=256)
    everything = Config(
        limits=Limits(tenant={"*": KeyLimits(requests_per_minute=10**6, concurrent=99, monthly_usd=9.0)}, user=KeyLimits(daily_usd=1.0)),
        endpoints={"default": Endpoint(caps=Caps(max_calls_per_run=4, max_usd_per_run=1.0))},
    )
    held = holds(inbound, quoted, plain, now=NOW, monotonic=MONOTONIC)
    show("quote", lambda: quote(inbound, signals, target, rate, max_output_tokens=256))
    show("holds, nothing limited", lambda: holds(bare, quoted, plain, now=NOW, monotonic=MONOTONIC))
    show("holds, key with requests, tokens and a daily budget", lambda: holds(inbound, quoted, plain, now=NOW, monotonic=MONOTONIC))
    show("holds, every limit there is", lambda: holds(inbound, quoted, everything, now=NOW, monotonic=MONOTONIC))
    show("releases of three holds", lambda: releases(held, tokens_used=300, cost_picousd=1, calls=1))
    show("orphans of three holds", lambda: orphans(held))
    show("rate-limit headers", lambda: ratelimit_headers(held, Reserved((1, 2, 3)), MONOTONIC))
    show("envelope", lambda: Envelope(inbound, plain))


if __name__ == "__main__":
    main()
