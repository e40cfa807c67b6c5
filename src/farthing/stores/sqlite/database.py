"""Open the SQLite file: pragmas, permissions, schema; and turn SQLite's errors into ours.

Every connection: WAL, `synchronous` NORMAL (survives kill -9) or FULL (survives power loss), autocommit. The file is created readable by its
owner only: it holds hashed keys and, if configured, prompts.
"""

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from farthing import config
from farthing.core.errors import ConfigError, StoreUnavailable
from farthing.stores.sqlite.migrations import migrate
from farthing.stores.sqlite.transaction import patiently, primary_code, transaction

_CACHED_STATEMENTS = 256
# Backstop only: the checkpointer keeps the log far below this many pages.
_AUTOCHECKPOINT_PAGES = 50_000

_ADVICE = {
    "SQLITE_FULL": "Free space on its disk; it heals by itself",
    "SQLITE_READONLY": "Make the file and its folder writable for this user",
    "SQLITE_BUSY": "Another process holds its lock; stop long transactions on it",
    "SQLITE_CORRUPT": "Restore it from a backup (`PRAGMA integrity_check` says what is broken)",
    "SQLITE_NOTADB": "Point `store.path` at a Farthing store, or at a file that does not exist yet",
}


def prepare(store: config.Store) -> None:
    """Create the file if absent and bring its schema up to date. Safe in several processes at once. Raises `ConfigError`."""
    path = Path(store.path)
    try:
        if not path.exists():
            # Only ever a new file: closing a descriptor drops all POSIX locks of this process on its file, SQLite's among them. The next
            # command to leave would then believe itself alone and delete the write-ahead log under the running gateway.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ConfigError(f"The store '{path}' cannot be opened: {error.strerror}. Set `store.path` to a file in a writable folder.") from error
    try:
        connection = connect(store)
        try:
            migrate(connection, str(path))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ConfigError(f"The store '{path}' cannot be used: {error}. {_advice(error)}.") from error


def connect(store: config.Store) -> sqlite3.Connection:
    """A connection that any one thread at a time may use. Raises `sqlite3.Error`."""
    # The driver looks up three protocols for every None and bool it binds, 0.2-0.3 us each; an exact adapter answers at the first look-up.
    sqlite3.register_adapter(type(None), _NOTHING.get)
    sqlite3.register_adapter(bool, int)
    connection = sqlite3.connect(store.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=_CACHED_STATEMENTS)
    try:
        patiently(connection, "PRAGMA journal_mode=WAL")
        patiently(connection, f"PRAGMA synchronous={'FULL' if store.durability == 'power' else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_AUTOCHECKPOINT_PAGES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def is_broken(error: sqlite3.Error) -> bool:
    """Whether a fresh connection may do better than this one."""
    return primary_code(error) not in ("SQLITE_FULL", "SQLITE_BUSY")


def unavailable(store: config.Store, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"The store '{store.path}' cannot be written: {error}. {_advice(error)}. Nothing was booked.", retry_after_s=1.0)


@contextmanager
def reading(store: config.Store) -> Generator[None]:
    """SQLite's errors as ours. Raises `StoreUnavailable`."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"The store '{store.path}' cannot be read: {error}.", retry_after_s=1.0) from error


@contextmanager
def writing(store: config.Store, connection: sqlite3.Connection) -> Generator[Callable[..., sqlite3.Cursor]]:
    """One transaction; gives what executes in it. Raises `StoreUnavailable`, and then nothing was written."""
    try:
        with transaction(connection):
            yield connection.execute
    except sqlite3.Error as error:
        raise unavailable(store, error) from error


def _advice(error: Exception) -> str:
    return _ADVICE.get(primary_code(error), "Check its disk and its permissions")


_NOTHING: dict[None, None] = {}
