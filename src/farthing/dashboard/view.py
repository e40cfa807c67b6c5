"""The window and the filters of a look at the dashboard, read off a query string."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from farthing.core.errors import InvalidRequest
from farthing.stores.sqlite.rollups.tally import DAY, HOUR, KEPT_S, LEVELS, MINUTE, start_of

RANGES = {"1h": HOUR, "6h": 6 * HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "365d": 365 * DAY}
DEFAULT_RANGE = "7d"
_LONGEST_S = {MINUTE: 6 * HOUR, HOUR: 8 * DAY}
_MOST_POINTS = 200
_MOST_DAYS = 3_660
_STEPS = {MINUTE: (MINUTE, 5 * MINUTE), HOUR: (HOUR,), DAY: (DAY, 7 * DAY, 28 * DAY)}
_LONGEST_NAME = 200


class View(msgspec.Struct, frozen=True):
    """From `since` to before `until`, whole buckets of `level` seconds; series have a point every `step` seconds. '' filters nothing."""

    since: int
    until: int
    level: int
    step: int
    now: float
    tenant: str = ""
    endpoint: str = ""
    tier: str = ""

    @property
    def buckets(self) -> range:
        return range(self.since, self.until, self.level)

    @property
    def points(self) -> range:
        return range(self.since // self.step * self.step, self.until, self.step)


def read_view(query: Mapping[str, str], now: float, *, only_tenant: str | None = None) -> View:
    """`range`, or `since` and `until` (unix seconds or ISO 8601, UTC); `tenant`, `endpoint`, `tier`. Raises `InvalidRequest`.

    `only_tenant`: all that this reader may see.
    """
    since, until = _window(query, now)
    level = _level(since, until, now)
    first, last = start_of(since, level), start_of(until - 1e-6, level) + level
    if (last - first) // level > _MOST_DAYS:
        raise InvalidRequest(f"That is more than {_MOST_DAYS} days. Ask for less.", param="since")
    step = next((step for step in _STEPS[level] if (last - first) / step <= _MOST_POINTS), _STEPS[level][-1])
    names = {name: query.get(name, "")[:_LONGEST_NAME] for name in ("tenant", "endpoint", "tier")}
    if only_tenant is not None:
        names["tenant"] = only_tenant
    return View(first, last, level, step, now, **names)


def _window(query: Mapping[str, str], now: float) -> tuple[float, float]:
    if not query.get("since"):
        name = query.get("range") or DEFAULT_RANGE
        if name not in RANGES:
            raise InvalidRequest(f"There is no range '{name[:40]}'. Choose from {', '.join(RANGES)}, or give since and until.", param="range")
        return now - RANGES[name], now
    since = _moment(query["since"], "since")
    until = _moment(query["until"], "until") if query.get("until") else now
    if not since < until:
        raise InvalidRequest("The window ends before it begins: 'until' must be later than 'since'.", param="until")
    return since, until


def _moment(text: str, name: str) -> float:
    try:
        moment = float(text)
    except ValueError:
        try:
            read = datetime.fromisoformat(text)
            moment = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError) as error:
            raise InvalidRequest(f"'{text[:40]}' is no time. Write unix seconds or 2026-11-22T14:00.", param=name) from error
    if not 0 <= moment < 32_503_680_000:
        raise InvalidRequest(f"'{text[:40]}' is no time of ours.", param=name)
    return moment


def _level(since: float, until: float, now: float) -> int:
    """The finest buckets that are still kept for the whole window, and few enough."""
    for level in LEVELS:
        if level == DAY or (until - since <= _LONGEST_S[level] and since >= now - KEPT_S[level] + level):
            return level
    return DAY
