"""Sums of picodollars as rates with their intervals."""

from decimal import Decimal, localcontext

from farthing.core.money import PICO
from farthing.lab.report.figures import Money, Rates
from farthing.lab.statistics import Estimate

_SMALLEST = Decimal(1) / PICO
_DIGITS = 60  # sums of any size stay exact


def usd(picousd: int) -> Decimal:
    """Exactly."""
    with localcontext() as context:
        context.prec = _DIGITS
        return Decimal(picousd) / PICO


def rates(picousd: int, counted: int, estimate: Estimate | None) -> Rates | None:
    """What 1K, 100K and 1M come to, of a sum over `counted`; `estimate` is picodollars for one."""
    found = [money(picousd, counted, many, estimate) for many in (1_000, 100_000, 1_000_000)]
    per_1k, per_100k, per_1m = found
    return None if per_1k is None or per_100k is None or per_1m is None else Rates(per_1k, per_100k, per_1m)


def money(picousd: int, counted: int, many: int, estimate: Estimate | None) -> Money | None:
    """What `many` come to, to the picodollar."""
    if not counted:
        return None
    with localcontext() as context:
        context.prec = _DIGITS
        each = (Decimal(picousd) * many / PICO / counted).quantize(_SMALLEST)
        low, high = (None, None) if estimate is None else (_edge(edge, many) for edge in (estimate.low, estimate.high))
    return Money(each, low, high)


def _edge(picousd: float | None, many: int) -> Decimal | None:
    return None if picousd is None else (Decimal(picousd) * many / PICO).quantize(_SMALLEST)
