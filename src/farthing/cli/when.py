"""Instants and lifetimes as people type them: `24h`, `7d`, `2026-11-22`, `2026-11-22T10:00`."""

import re
from datetime import UTC, datetime

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> float | None:
    """A length of time; `None` when it is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    return float(match[1]) * _UNITS_S[match[2]] if match else None


def instant(text: str, now: float) -> float | None:
    """Unix seconds: that long ago, or that date (UTC unless it says otherwise); `None` when it is neither."""
    ago = seconds(text)
    if ago is not None:
        return now - ago
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
