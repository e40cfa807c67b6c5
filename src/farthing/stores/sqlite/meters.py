"""Meters: what has been used and what is held, per subject, kind and window.

A group of operations is judged in memory, in arrival order, while the write lock is held, and the result written back in one statement. So
verdicts are exact under any concurrency, in any number of processes. What one process read stays valid until another writes (SQLite's
`data_version` tells), so a single worker does not read its meters again. About 0.5 us per hold.

Meters are purged a good while after their window ended: a wall clock that jumps ahead by a day and back must find them.
"""

import sqlite3
from collections.abc import Iterable

from farthing.stores.sqlite.rows import chunks, marks
from farthing.stores.tally import Meter, Tally

_MOST_REMEMBERED = 20_000
_LARGEST = 2**63 - 1


class Meters(Tally):
    """The meters as one connection knows them. Call `refresh` at the start of every transaction, `forget` after a failed one."""

    def __init__(self) -> None:
        super().__init__()
        self._version = -1

    def refresh(self, connection: sqlite3.Connection, names: Iterable[str], now: float) -> None:
        """Read those of `names` that this process does not know for sure."""
        self.at(now)
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
