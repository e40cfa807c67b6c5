"""Take SQLite's write lock and give it back, with patience of our own.

SQLite's busy handler sleeps 1-100 ms between tries, but a group commits in 0.2 ms: look again sooner. Some statements, such as the switch to
WAL, fail at once without asking that handler at all. So every connection has it off and waits here, up to `LOCK_TIMEOUT_S`: writers in `begin`,
readers in `patiently`, because a process that recovers the log or is the last to close shuts them out for a moment.
"""

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager

LOCK_TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.000_1
_LONGEST_PAUSE_S = 0.002


def patiently(connection: sqlite3.Connection, sql: str, values: tuple[object, ...] = (), *, timeout_s: float = LOCK_TIMEOUT_S) -> sqlite3.Cursor:
    """Run a statement that another connection may be in the way of. Raises SQLITE_BUSY when it still is after `timeout_s`."""
    waited_s, pause_s = 0.0, _FIRST_PAUSE_S
    while True:
        try:
            return connection.execute(sql, values)
        except sqlite3.OperationalError as error:
            if primary_code(error) != "SQLITE_BUSY" or waited_s >= timeout_s:
                raise
        time.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def begin(connection: sqlite3.Connection, timeout_s: float = LOCK_TIMEOUT_S) -> None:
    patiently(connection, "BEGIN IMMEDIATE", timeout_s=timeout_s)


def roll_back(connection: sqlite3.Connection) -> None:
    """End a failed transaction; SQLite may have ended it already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """All statements within, or none."""
    begin(connection)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        roll_back(connection)


def primary_code(error: BaseException) -> str:
    """SQLITE_IOERR for SQLITE_IOERR_WRITE; empty for an error that is not SQLite's."""
    name: str = getattr(error, "sqlite_errorname", "")
    return "_".join(name.split("_")[:2])
