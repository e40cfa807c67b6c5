"""The savings account of one request: what each lever was worth, so that the parts add up to the whole.

The levers that acted are the players of a cooperative game; the worth of a set of them is the baseline's price minus the price that the
request would have had with only those acting. Each lever gets its Shapley value (L. S. Shapley, A Value for n-Person Games, 1953): its mean
contribution over all orders in which the levers could have been switched on. So no order matters, and nothing is counted twice.

Guarantees: prices come from rates and token counts; the parts sum to baseline - cost to the picodollar; a lever may show a loss; a part that
rests on an output nobody wrote carries a range. Pure.
Costs: 5 us with one lever, 12 us with two, doubling with each more (bench/account.py).
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from math import factorial

import msgspec

from farthing.core.account import SAVERS, Account, Effect, Saver, Span
from farthing.core.money import to_picousd
from farthing.core.usage import Rate, Usage

_ONE = Decimal(1)
_NONE = Decimal(0)

Pick = Callable[[Span], int]


class Bill(msgspec.Struct, frozen=True, gc=False):
    """The one call that answers a request: as it was made, or as it would have been where an answer was reused.

    `output` replaces the usage's output tokens where nobody wrote that answer. `cost_picousd` is all that was really paid, every call counted.
    """

    rate: Rate
    usage: Usage
    cost_picousd: int
    output: Span | None = None


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What the request would have cost without any lever, and the account of the difference."""

    baseline_picousd: int
    account: Account


def settle_account(bill: Bill, effects: Sequence[Effect], extra: dict[str, int] | None = None) -> Settled:
    """Split baseline minus cost over the levers that acted. `extra` is passed on into the account."""
    levers, acts = _players(effects)
    baseline, saved = _split(bill, levers, acts, _likely)
    low: dict[Saver, int] = {}
    high: dict[Saver, int] = {}
    if bill.output is not None or any(effect.output_tokens is not None for effect in effects):
        _, least = _split(bill, levers, acts, _low)
        _, most = _split(bill, levers, acts, _high)
        for lever, part in saved.items():
            bounds = (part, least[lever], most[lever])
            low[lever], high[lever] = min(bounds), max(bounds)
    return Settled(baseline, Account(saved=saved, low=low, high=high, extra=extra or {}))


def _players(effects: Sequence[Effect]) -> tuple[list[Saver], list[tuple[int, Effect]]]:
    """The levers in the order of accounts, and each effect with the bit of its lever."""
    acted = {effect.lever for effect in effects}
    levers: list[Saver] = [lever for lever in SAVERS if lever in acted]
    bits = {lever: 1 << place for place, lever in enumerate(levers)}
    return levers, sorted(((bits[effect.lever], effect) for effect in effects), key=lambda act: act[0])


def _split(bill: Bill, levers: Sequence[Saver], acts: Sequence[tuple[int, Effect]], pick: Pick) -> tuple[int, dict[Saver, int]]:
    """The baseline, and each lever's part of what was saved."""
    count = len(levers)
    full = (1 << count) - 1
    prices = [_price(bill, acts, mask, pick) for mask in range(1 << count)]
    # What no lever caused and none avoided (a failed call that was billed) would have been paid either way.
    other = bill.cost_picousd - prices[full]
    if count == 1:
        return prices[0] + other, {levers[0]: prices[0] - prices[1]}
    return prices[0] + other, dict(zip(levers, _shapley(prices, count), strict=True))


def _price(bill: Bill, acts: Sequence[tuple[int, Effect]], mask: int, pick: Pick) -> int:
    """Picodollars with only the levers of `mask` acting."""
    usage = bill.usage
    inputs, cached = usage.input_tokens, usage.cached_tokens or 0
    outputs = usage.output_tokens if bill.output is None else pick(bill.output)
    written = usage.cache_write_tokens or 0
    rate: Rate | None = None
    factor, overhead = _ONE, _NONE
    avoided = False
    more: list[tuple[int, int]] = []
    for bit, effect in acts:
        if mask & bit:
            avoided = avoided or effect.avoids_call
            overhead += effect.overhead_usd
            if effect.price_factor is not None:
                factor *= effect.price_factor
            continue
        inputs += effect.input_tokens
        cached -= effect.cached_tokens
        written -= effect.written_tokens
        outputs += 0 if effect.output_tokens is None else pick(effect.output_tokens)
        more += effect.calls_avoided
        if rate is None:
            # The baseline's model comes before the unquantized one: levers are in the order of accounts.
            rate = effect.rate
    if avoided:
        return to_picousd(overhead)
    rate = rate or bill.rate
    written = max(0, written)
    call = rate.price(Usage(inputs, outputs, max(0, min(cached, inputs - written)), written))
    for more_in, more_out in more:
        call += rate.price(Usage(more_in, more_out))
    return to_picousd(call * factor + overhead)


def _shapley(prices: Sequence[int], count: int) -> list[int]:
    """Whole parts that sum to `prices[0] - prices[-1]`; what rounding leaves goes to the largest remainders, ties to the first lever."""
    weights, whole = _weights(count)
    sums = [0] * count
    for mask in range(1 << count):
        here = prices[mask]
        weight = weights[mask.bit_count()]
        for place in range(count):
            if not mask >> place & 1:
                sums[place] += weight * (here - prices[mask | 1 << place])
    parts = [total // whole for total in sums]
    left = prices[0] - prices[-1] - sum(parts)
    for place in sorted(range(count), key=lambda place: -(sums[place] % whole))[:left]:
        parts[place] += 1
    return parts


@lru_cache(maxsize=16)
def _weights(count: int) -> tuple[list[int], int]:
    """How many of the `count!` orders put a lever right after a given set of k others, by k; and `count!`."""
    return [factorial(size) * factorial(count - size - 1) for size in range(count)] + [0], factorial(count)


def _likely(span: Span) -> int:
    return span.tokens


def _low(span: Span) -> int:
    return span.low


def _high(span: Span) -> int:
    return span.high


class HitAccounts:
    """Accounts of reused answers, kept by entry: the same answer served again saves the same, as long as prices and ranges stand."""

    _MOST = 1024

    def __init__(self) -> None:
        self._known: dict[str, tuple[Bill, list[Effect], Settled]] = {}

    def settle(self, entry: str | None, bill: Bill, effects: list[Effect]) -> Settled:
        """`settle_account`, worked out once for an entry."""
        known = None if entry is None else self._known.get(entry)
        if known is not None and known[0] == bill and known[1] == effects:
            return known[2]
        settled = settle_account(bill, effects)
        if entry is not None:
            if len(self._known) >= self._MOST:
                del self._known[next(iter(self._known))]
            self._known[entry] = (bill, effects, settled)
        return settled
