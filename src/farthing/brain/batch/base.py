"""What became of an item, and what its runner does next. Pure."""

from typing import Literal

import msgspec

from farthing.core.errors import BudgetExceeded, FarthingError, NotAuthenticated, PriceUnknown, RateLimited, Unavailable, Upstream, UpstreamRefused

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
BUDGET_PAUSE_S = 600.0  # a budget that is spent is looked at again so often
SHORT_PAUSE_S = 1.0

_PASSING = frozenset({408, 409, 425, 429})


class Served(msgspec.Struct, frozen=True):
    """One walk of an item through the journey. `error` is `None` when its answer is in the store."""

    request_id: str
    error: FarthingError | None = None
    body: bytes = b""  # the error in the words of the item's dialect
    service: str | None = None
    latency_s: float | None = None
    output_tokens: int | None = None


class Next(msgspec.Struct, frozen=True):
    """`fail`: the item ends with this error. `later`: after `wait_s`. `pause`: its whole batch waits. `again`: at once, nothing was tried."""

    do: Literal["done", "fail", "later", "pause", "again"]
    wait_s: float = 0.0
    counts: bool = False  # as an attempt


def next_step(served: Served, attempts: int, most: int, draw: float) -> Next:
    """What follows. `attempts` so far, this one not counted; `draw` in [0, 1) spreads what was refused together."""
    error = served.error
    if error is None:
        return Next("done")
    if isinstance(error, PriceUnknown | NotAuthenticated):
        return Next("fail")
    if isinstance(error, RateLimited):
        return Next("pause", max(SHORT_PAUSE_S / 10, error.retry_after_s or SHORT_PAUSE_S))
    if isinstance(error, BudgetExceeded):
        return Next("pause", BUDGET_PAUSE_S)
    if isinstance(error, Unavailable):
        return Next("again", error.retry_after_s or SHORT_PAUSE_S)
    if isinstance(error, Upstream) and _may_pass(error):
        if attempts + 1 >= most:
            return Next("fail")
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempts) * (0.5 + 0.5 * draw)
        return Next("later", max(pause_s, error.retry_after_s or 0.0), counts=True)
    return Next("fail")


def _may_pass(error: Upstream) -> bool:
    if isinstance(error, UpstreamRefused):
        return error.status >= 500 or error.status in _PASSING
    return error.retry is not False
