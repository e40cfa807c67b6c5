"""Meters: what has been used and what is held, per subject, kind and window.

A group of operations is judged in memory, in arrival order, while the write lock is held, and the result written back in one statement. So
verdicts are exact under any concurrency, in any number of processes. What one process read stays valid until another writes (SQLite's
`data_version` tells), so a single worker does not read its meters again. About 0.5 us per hold.

Meters are purged a good while after their window ended: a wall clock that jumps ahead by a day and back must find them.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from farthing.core.ledger import Hold, Refusal, Release, Reserved
from farthing.stores.sqlite.rows import chunks, marks

_MINUTE_KEPT_S = 600.0
_KEPT_S = 2 * 86_400.0
_MOST_REMEMBERED = 20_000
_LARGEST = 2**63 - 1


class Meter(msgspec.Struct, gc=False):
    used: int
    held: int
    window_ends: float | None
    expires_at: float


class Meters:
    """The meters as one connection knows them. Call `refresh` at the start of every transaction, `forget` after a failed one."""

    def __init__(self) -> None:
        self._known: dict[str, Meter] = {}
        self._changed: dict[str, Meter] = {}
        self._version = -1
        self._now = 0.0

    def refresh(self, connection: sqlite3.Connection, names: Iterable[str], now: float) -> None:
        """Read those of `names` that this process does not know for sure."""
        self._now = now
        version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or len(self._known) > _MOST_REMEMBERED:
            self._known.clear()
            self._version = version
        known = self._known
        missing = list({name for name in names if name not in known})
        for chunk in chunks(missing, 64):
            found = connection.execute(f"SELECT meter, used, held, window_ends, expires_at FROM meters WHERE meter IN {marks(len(chunk))}", chunk)
            for name, used, held, window_ends, expires_at in found.fetchall():
                known[name] = Meter(used, held, window_ends, expires_at)

    def forget(self) -> None:
        self._known.clear()
        self._changed.clear()

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
        known, changed = self._known, self._changed
        for release in releases:
            name = release.meter
            meter = known.get(name) or self._new(name)
            held = meter.held - release.held
            meter.held = held if held > 0 else 0
            meter.used += release.used
            changed[name] = meter

    def write(self, connection: sqlite3.Connection) -> None:
        """Store what changed since the last `write`."""
        changed = list(self._changed.items())
        for chunk in chunks(changed, 64):
            values: list[object] = []
            for name, meter in chunk:
                values += (name, meter.used if meter.used < _LARGEST else _LARGEST, meter.held, meter.window_ends, meter.expires_at)
            connection.execute(f"REPLACE INTO meters (meter, used, held, window_ends, expires_at) VALUES {marks(5, len(chunk))}", values)
        self._changed.clear()

    def purge(self, connection: sqlite3.Connection, now: float) -> None:
        """Delete the meters of windows long ended. Those with something held stay until it is released."""
        connection.execute("DELETE FROM meters WHERE expires_at < ? AND held <= 0", (now,))
        self._known.clear()

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
