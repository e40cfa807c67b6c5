"""What has been used and what is held, meter by meter, in memory: the verdicts of every account, durable or not.

Guarantees: all holds of a request or none; a verdict depends on the holds and releases before it and on nothing else. About 0.5 us per hold.
"""

from collections.abc import Sequence

import msgspec

from farthing.core.ledger import Hold, Refusal, Release, Reserved

_MINUTE_KEPT_S = 600.0
_KEPT_S = 2 * 86_400.0


class Meter(msgspec.Struct, gc=False):
    used: int
    held: int
    window_ends: float | None
    expires_at: float


class Tally:
    """The meters as one process knows them. `now` is unix time: it decides when a meter may be forgotten, never a verdict."""

    def __init__(self) -> None:
        self._known: dict[str, Meter] = {}
        self._changed: dict[str, Meter] = {}
        self._now = 0.0

    def hold(self, holds: Sequence[Hold], *, spend: bool) -> Reserved | Refusal:
        """All of them, or none and the first that did not fit. `spend`: book as used at once."""
        known, changed, left = self._known, self._changed, list[int]()
        for i, hold in enumerate(holds):
            name, amount = hold.meter, hold.amount
            meter = known.get(name) or self._new(name)
            after = meter.used + meter.held + amount
            if after > hold.limit:
                refusal = Refusal(hold, meter.used, meter.held)
                self._take_back(holds[:i], spend)
                return refusal
            if spend:
                meter.used += amount
            else:
                meter.held += amount
            if meter.window_ends is None or meter.window_ends != hold.window_ends:
                meter.window_ends, meter.expires_at = hold.window_ends, self._expiry(hold)
            changed[name] = meter
            left.append(hold.limit - after)
        return Reserved(tuple(left))

    def release(self, releases: Sequence[Release]) -> None:
        """Give back what was held, book what was used."""
        known, changed = self._known, self._changed
        for release in releases:
            name = release.meter
            meter = known.get(name) or self._new(name)
            held = meter.held - release.held
            meter.held = held if held > 0 else 0
            meter.used += release.used
            changed[name] = meter

    def at(self, now: float) -> None:
        """The time from here on."""
        self._now = now

    def drop_ended(self) -> None:
        """Forget the meters of windows long ended, for those who keep them nowhere else. Those with something held stay until it is released."""
        self._known = {name: meter for name, meter in self._known.items() if meter.expires_at >= self._now or meter.held > 0}
        self._changed.clear()

    def _new(self, name: str) -> Meter:
        meter = self._known[name] = Meter(0, 0, None, self._now + _KEPT_S)
        return meter

    def _take_back(self, holds: Sequence[Hold], spend: bool) -> None:
        for hold in holds:
            meter = self._known[hold.meter]
            if spend:
                meter.used -= hold.amount
            else:
                meter.held -= hold.amount

    def _expiry(self, hold: Hold) -> float:
        if hold.window == "minute":
            return self._now + _MINUTE_KEPT_S
        if hold.window in ("day", "month") and hold.window_ends is not None:
            return hold.window_ends + _KEPT_S
        return self._now + _KEPT_S
