"""Apply `stores/migrations/NNNN_name.sql` in order, each store once; `PRAGMA user_version` remembers how far it is.

All pending ones run in one transaction behind the write lock, so several processes may start at once. A store from a newer Farthing is
refused, never guessed at.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from farthing.core.errors import ConfigError
from farthing.stores.sqlite.transaction import patiently, transaction

_FOLDER = Path(__file__).parent.parent / "migrations"


def migrate(connection: sqlite3.Connection, path: str, folder: Path = _FOLDER) -> None:
    """Bring the schema to the newest version. Raises `ConfigError` on a newer one, `sqlite3.Error` when it cannot."""
    steps = {int(file.name[:4]): file for file in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))}
    if _version(connection) == max(steps):
        return
    with transaction(connection):
        have = _version(connection)
        if have > max(steps):
            raise ConfigError(
                f"The store '{path}' has schema {have}; this Farthing knows {max(steps)}. Upgrade Farthing, or set `store.path` to another file."
            )
        for number in range(have + 1, max(steps) + 1):
            for statement in _statements(steps[number].read_text()):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")


def _version(connection: sqlite3.Connection) -> int:
    return int(patiently(connection, "PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
