"""Multi-row SQL. One statement per sixteen ledger rows: each step of a statement drops and retakes the GIL, so few of them.

Statements are cached by their number of rows, both the text here and its compiled form in the driver (16 rows: about 60 KB).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TypeVar

from farthing.core.ledger import LedgerRow

_T = TypeVar("_T")
_COLUMNS = LedgerRow.__struct_fields__
_ROWS_AT_ONCE = 16
_SMALL_AT_ONCE = 64

IntentRow = tuple[str, int, int, str]  # request_id, part, slot, intent as JSON


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    if len(items) <= size:
        if items:
            yield items
        return
    for start in range(0, len(items), size):
        yield items[start : start + size]


@cache
def marks(columns: int, rows: int = 1) -> str:
    """Placeholders: `(?,?),(?,?)`."""
    return ",".join(["(" + ",".join("?" * columns) + ")"] * rows)


@cache
def _insert_requests(rows: int) -> str:
    return f"INSERT OR IGNORE INTO requests ({','.join(_COLUMNS)}) VALUES {marks(len(_COLUMNS), rows)}"


def insert_requests(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> int:
    """How many were new; a request that is in the book already is left as it is."""
    inserted = 0
    for chunk in chunks(rows, _ROWS_AT_ONCE):
        inserted += connection.execute(_insert_requests(len(chunk)), list(chain.from_iterable(chunk))).rowcount
    return inserted


def insert_intents(connection: sqlite3.Connection, rows: Sequence[IntentRow]) -> None:
    for chunk in chunks(rows, _SMALL_AT_ONCE):
        connection.execute(f"INSERT INTO intents VALUES {marks(4, len(chunk))}", list(chain.from_iterable(chunk)))


def delete_intents(connection: sqlite3.Connection, request_ids: Sequence[str]) -> None:
    for chunk in chunks(request_ids, _SMALL_AT_ONCE):
        connection.execute(f"DELETE FROM intents WHERE request_id IN {marks(len(chunk))}", chunk)


def known_requests(connection: sqlite3.Connection, request_ids: Sequence[str]) -> set[str]:
    """Those that are in the book already."""
    return _present(connection, "requests", request_ids)


def open_requests(connection: sqlite3.Connection, request_ids: Sequence[str]) -> set[str]:
    """Those that have an intent."""
    return _present(connection, "intents", request_ids)


def _present(connection: sqlite3.Connection, table: str, request_ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for chunk in chunks(request_ids, _SMALL_AT_ONCE):
        found.update(row[0] for row in connection.execute(f"SELECT request_id FROM {table} WHERE request_id IN {marks(len(chunk))}", chunk))
    return found
