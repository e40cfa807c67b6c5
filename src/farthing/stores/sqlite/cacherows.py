"""The cache's rows, read: by commands over a connection of theirs, by the dashboard over its own."""

import sqlite3
from collections.abc import Generator, Sequence
from typing import Any

import msgspec

from farthing.stores.sqlite import answers as kept
from farthing.stores.sqlite import semantic
from farthing.stores.sqlite.answers import StoredAnswer
from farthing.stores.sqlite.rows import marks
from farthing.stores.sqlite.semantic import Lesson
from farthing.stores.sqlite.transaction import patiently


class Use(msgspec.Struct, frozen=True):
    """What the ledger says of one entry."""

    hits: int
    last_at: float | None
    disputes: int


def answers(connection: sqlite3.Connection, now: float, tenant: str | None = None, entry_id: str | None = None) -> Generator[StoredAnswer]:
    """Live answers of the exact and the normalised lane, oldest first."""
    yield from (StoredAnswer(*row) for row in _rows(connection, "cache_entries", kept.COLUMNS, now, tenant, entry_id))


def lessons(connection: sqlite3.Connection, now: float, tenant: str | None = None, entry_id: str | None = None) -> Generator[Lesson]:
    """Live lessons of the semantic lane, oldest first."""
    yield from (Lesson(*row) for row in _rows(connection, "semantic_keys", semantic.COLUMNS, now, tenant, entry_id))


def _rows(
    connection: sqlite3.Connection, table: str, columns: str, now: float, tenant: str | None, entry_id: str | None
) -> Generator[tuple[Any, ...]]:
    condition, values = "expires_at > ?", [now]
    for name, value in (("tenant", tenant), ("entry_id", entry_id)):
        if value is not None:
            condition, values = f"{condition} AND {name} = ?", [*values, value]
    yield from patiently(connection, f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY id", tuple(values))


def uses(connection: sqlite3.Connection, entry_ids: Sequence[str] | None = None) -> dict[str, Use]:
    """How often each entry was served, and how often disputed, as the ledger remembers."""
    which = "" if entry_ids is None else f"AND cache_entry IN {marks(max(1, len(entry_ids)))}"
    found = patiently(connection, _USES.format(which), tuple(entry_ids or ())).fetchall()
    return {entry_id: Use(hits, last_at, disputes) for entry_id, hits, last_at, disputes in found}


_USES = """SELECT cache_entry, count(*), max(received_at), coalesce(sum(EXISTS (
    SELECT 1 FROM judgements j WHERE j.request_id = requests.request_id AND j.source = 'feedback' AND (j.label = 'wrong_hit' OR j.score < 0.5)
)), 0) FROM requests WHERE cache_entry IS NOT NULL {} GROUP BY cache_entry"""
