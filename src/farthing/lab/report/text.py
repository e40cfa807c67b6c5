"""How figures are written in the terminal. `-` is unknown."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from farthing.core.money import format_usd
from farthing.lab.report.figures import Money, Report

UNKNOWN = "-"
_DIGITS = 4


def usd(amount: Decimal | None, digits: int = 6) -> str:
    """USD to so many digits after the point; `-` when unknown."""
    return UNKNOWN if amount is None else format_usd(round(amount, digits))


def short_usd(amount: Decimal | None) -> str:
    """USD to four digits that say something: 0.001235, 1.235, 12.35, 123,457."""
    if amount is None:
        return UNKNOWN
    if not amount:
        return "0"
    places = min(max(_DIGITS - 1 - amount.adjusted(), 0), 12)
    return f"{round(amount, max(places, 2 if abs(amount) < 10_000 else 0)):,f}"


def interval(money: Money | None) -> str:
    """Low to high; `-` where too few runs are behind it."""
    if money is None or money.low_usd is None or money.high_usd is None:
        return UNKNOWN
    return f"{short_usd(money.low_usd)} .. {short_usd(money.high_usd)}"


def percent(ratio: float | None, digits: int = 1) -> str:
    return UNKNOWN if ratio is None else f"{ratio:.{digits}%}"


def score(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def score_interval(low: float | None, high: float | None) -> str:
    return UNKNOWN if low is None or high is None else f"{low:.3f} .. {high:.3f}"


def percent_interval(low: float | None, high: float | None) -> str:
    return UNKNOWN if low is None or high is None else f"{low:.1%} .. {high:.1%}"


def milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f}" if value >= 10 else f"{value:.3f}"


def ratio(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def short_count(value: int) -> str:
    """12,345 or 170.7M."""
    for least, letter in ((10**9, "B"), (10**6, "M")):
        if value >= least:
            return f"{value / least:,.1f}{letter}"
    return f"{value:,}"


def shares(counts: Mapping[str, int], of: int) -> str:
    return "  ".join(f"{name} {many / of:.1%}" for name, many in counts.items())


def window(report: Report) -> str:
    bounds = [f"{word} {_moment(edge)}" for word, edge in (("from", report.since), ("before", report.until)) if edge is not None]
    return " ".join(bounds) or "all of it"


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
