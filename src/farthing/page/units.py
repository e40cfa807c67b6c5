"""Numbers as people read them: the same words in a table as on the axis of a chart (`static/charts.js` has the twin)."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

Unit = Literal["usd", "ms", "percent", "count", "tokens", "number"]  # percent: a share from 0 to 1
Number = int | float | Decimal

UNKNOWN = "unknown"
_MINUS = "\u2212"


def show(value: Number | None, unit: Unit) -> str:
    """`None` and what is not finite are unknown, never zero."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return _SHOW[unit](float(value)).replace("-", _MINUS)


def _usd(value: float) -> str:
    size = abs(value)
    sign = "-" if value < 0 else ""
    if size == 0:
        return "$0"
    if size >= 0.995:
        return f"{sign}${size:,.{0 if size >= 99_999.5 else 2}f}"
    text = _significant(size)
    return f"{sign}${text}0" if len(text) == len("0.5") else f"{sign}${text}"


def _milliseconds(value: float) -> str:
    size = abs(value)
    if size >= 59_950:
        return f"{_significant(value / 60_000)} min"
    return f"{_significant(value / 1000)} s" if size >= 999.5 else f"{_significant(value)} ms"


def _percent(value: float) -> str:
    return f"{_significant(value * 100)} %"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1_000_000 else _short(value)


def _short(value: float) -> str:
    for least, step, letter in ((1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{_significant(value / step)}{letter}"
    return _significant(value, 4 if abs(value) >= 1000 else 3)


def _significant(value: float, digits: int = 3) -> str:
    """Three digits that say something, without an exponent: 0.000123, 4.56, 1,230."""
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    text = f"{rounded:,.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_SHOW: dict[Unit, Callable[[float], str]] = {
    "usd": _usd,
    "ms": _milliseconds,
    "percent": _percent,
    "count": _count,
    "tokens": _short,
    "number": _significant,
}
