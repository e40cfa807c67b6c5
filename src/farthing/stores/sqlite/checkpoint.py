"""Moves committed pages from the write-ahead log into the database file, in a thread and on a connection of its own.

Its fsyncs are the slow part of SQLite (milliseconds on a disk); here no request waits for them. Only when the log keeps growing because writers
never pause does it make them wait once, for the last few pages.
"""

import contextlib
import sqlite3
import threading

from farthing import config
from farthing.stores.sqlite import database

_EVERY_S = 1.0
_LONG_LOG_PAGES = 8192
_WAIT_FOR_WRITERS_MS = 100


class Checkpointer:
    def __init__(self, store: config.Store) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="farthing-checkpoint", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            # A sick disk is the writer's to report; here the next round tries again.
            with contextlib.suppress(sqlite3.Error), contextlib.closing(database.connect(self._store)) as connection:
                connection.execute(f"PRAGMA busy_timeout={_WAIT_FOR_WRITERS_MS}")
                while not self._stop.wait(_EVERY_S):
                    checkpoint(connection)


def checkpoint(connection: sqlite3.Connection) -> None:
    """One round. Never blocks writers, unless the log is long and they leave no gap."""
    _, log_pages, moved_pages = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if log_pages > _LONG_LOG_PAGES and moved_pages < log_pages:
        connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
