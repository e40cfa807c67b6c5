"""What documents give two names, a row for each document and pair: gone with the document, replaced with its next version."""

import sqlite3
from collections.abc import Sequence

from farthing.core.document import Wording
from farthing.stores.sqlite.transaction import patiently

_AT_ONCE = 500


def replace(connection: sqlite3.Connection, collection: int, document: int | None, found: Sequence[Wording]) -> None:
    """In place of what the document had; within the caller's transaction."""
    connection.execute("DELETE FROM wordings WHERE document = ?", (document,))
    rows = [(collection, document, one.kind, one.short, one.long) for one in found]
    connection.executemany("INSERT INTO wordings (collection, document, kind, short, long) VALUES (?,?,?,?,?)", rows)


def of(connection: sqlite3.Connection, tenant: str, collection: str, documents: Sequence[int]) -> list[tuple[int, Wording]]:
    """Of these documents of the tenant's collection, in the order in which they were found."""
    found: list[tuple[int, Wording]] = []
    for start in range(0, len(documents), _AT_ONCE):
        some = tuple(documents[start : start + _AT_ONCE])
        sql = f"""SELECT document, kind, short, long FROM wordings
        WHERE collection = (SELECT id FROM collections WHERE tenant = ? AND name = ?) AND document IN ({",".join("?" * len(some))}) ORDER BY rowid"""
        found += [(row[0], Wording(*row[1:])) for row in patiently(connection, sql, (tenant, collection, *some))]
    return found
