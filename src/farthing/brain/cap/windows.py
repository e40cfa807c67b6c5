"""Windows that limits count in: minutes of the monotonic clock, days and months of UTC.

A wrong wall clock cannot move a rate; a day ends when everybody agrees that it does.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

MINUTE_S = 60.0
DAY_S = 86_400


def minute(monotonic: float) -> tuple[int, float]:
    """Index of the minute and the monotonic second at which it ends."""
    index = int(monotonic // MINUTE_S)
    return index, (index + 1) * MINUTE_S


def day(now: float) -> tuple[str, float]:
    """UTC date and the unix second at which it ends."""
    return _day(int(now // DAY_S))


def month(now: float) -> tuple[str, float]:
    """UTC month and the unix second at which it ends."""
    return _month(int(now // DAY_S))


@lru_cache(maxsize=8)
def _day(index: int) -> tuple[str, float]:
    start = datetime.fromtimestamp(index * DAY_S, UTC)
    return start.strftime("%Y-%m-%d"), float((index + 1) * DAY_S)


@lru_cache(maxsize=8)
def _month(index: int) -> tuple[str, float]:
    start = datetime.fromtimestamp(index * DAY_S, UTC).replace(day=1)
    following = (start + timedelta(days=32)).replace(day=1)
    return start.strftime("%Y-%m"), following.timestamp()
