"""Where the semantic cache's lessons outlive a restart, and how workers share them. `brain.lessons.Shelf` on SQLite.

Guarantees: `keep` never waits and may be dropped under load; a row is whole or absent. What the cache is told to forget goes by `AnswerStore.forget`,
for all lanes in one transaction; a tombstone wins over every lesson that still waits to be written.
"""

import contextlib
import sqlite3

import msgspec

from farthing.core.forgetting import Drop, Facts
from farthing.stores.sqlite import drops
from farthing.stores.sqlite.book import Book

_MOST_AT_ONCE = 512
COLUMNS = "entry_id, tenant, endpoint, created_at, expires_at, embedder, vector, lesson"


class Lesson(msgspec.Struct, frozen=True, gc=False):
    """One row; `lesson` is the cache's own bytes, `vector` half-precision numbers."""

    entry_id: str
    tenant: str | None
    endpoint: str | None
    created_at: float
    expires_at: float
    embedder: str
    vector: bytes
    lesson: bytes


class Calibration(msgspec.Struct, frozen=True, gc=False):
    """Labels for every namespace of a tenant's endpoint (empty: of all); `labels` is the cache's own bytes."""

    tenant: str
    endpoint: str
    embedder: str
    created_at: float
    labels: bytes


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What happened since a cursor: apply drops, then lessons by number, then calibrations."""

    drops: tuple[Drop, ...]
    lessons: tuple[tuple[int, Lesson], ...]
    calibrations: tuple[Calibration, ...]
    cursor: tuple[int, int, int]


class SemanticStore:
    """Lessons in the book's file. Writes go through the book's writer; reads are synchronous, and an unreadable file reads as empty."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._clock = book.clock
        self._connection = book.reader()

    def keep(self, facts: Facts, expires_at: float, embedder: str, vector: bytes, lesson: bytes) -> bool:
        """Write a lesson, soon; `False`: dropped, because much is waiting."""
        row = Lesson(facts.entry_id, facts.tenant, facts.endpoint, facts.created_at, expires_at, embedder, vector, lesson)
        return self._book.run_later(lambda connection: put(connection, row, facts))

    async def forget(self, drop: Drop) -> int:
        """Forget in every lane; how many rows that were. Raises `StoreUnavailable`."""
        return await self._book.run(lambda connection: drops.forget(connection, drop))

    def evict(self, entry_ids: tuple[str, ...]) -> bool:
        """Lessons of answers that are worth least are not loaded again."""

        def job(connection: sqlite3.Connection) -> int:
            connection.executemany("DELETE FROM semantic_keys WHERE entry_id = ?", [(entry_id,) for entry_id in entry_ids])
            connection.execute("DELETE FROM semantic_keys WHERE expires_at < ?", (self._clock.now(),))
            return len(entry_ids)

        return self._book.run_later(job)

    def cursor(self) -> tuple[int, int, int]:
        """Where `since` starts for someone who loads everything."""
        with contextlib.suppress(sqlite3.Error):
            return drops.cursor(self._connection), 0, 0
        return 0, 0, 0

    def since(self, cursor: tuple[int, int, int]) -> Changes:
        """Drops, lessons and calibrations of all workers since `cursor`, this one's included; at most 512 of each at a time."""
        gone_to, lessons, calibrations = cursor
        with contextlib.suppress(sqlite3.Error):
            gone = drops.since(self._connection, gone_to, _MOST_AT_ONCE)
            found = self._connection.execute(_SELECT, (lessons, self._clock.now(), _MOST_AT_ONCE)).fetchall()
            brought = self._connection.execute(_CALIBRATIONS, (calibrations, _MOST_AT_ONCE)).fetchall()
            return Changes(
                tuple(drop for _, drop in gone),
                tuple((number, Lesson(*values)) for number, *values in found),
                tuple(Calibration(*values) for _, *values in brought),
                (gone[-1][0] if gone else gone_to, found[-1][0] if found else lessons, brought[-1][0] if brought else calibrations),
            )
        return Changes((), (), (), cursor)


def put(connection: sqlite3.Connection, lesson: Lesson, facts: Facts) -> int:
    """Write it unless something that its answer rests on was dropped meanwhile; within the caller's transaction."""
    if not drops.outlived(connection, facts):
        return 0
    drops.mark(connection, facts)
    return connection.execute(f"INSERT INTO semantic_keys ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?)", msgspec.structs.astuple(lesson)).rowcount


_SELECT = f"SELECT id, {COLUMNS} FROM semantic_keys WHERE id > ? AND expires_at > ? ORDER BY id LIMIT ?"
_CALIBRATIONS = "SELECT id, tenant, endpoint, embedder, created_at, labels FROM semantic_calibrations WHERE id > ? ORDER BY id LIMIT ?"
