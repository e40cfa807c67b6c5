"""Where the semantic cache's lessons outlive a restart, and how workers share them. `brain.lessons.Shelf` on SQLite.

Guarantees: `keep` never waits and may be dropped under load; a row is whole or absent; a drop is durable when `drop` returns, wins over every lesson
made before it that still waits to be written, and reaches every worker through `since`.
"""

import contextlib
import sqlite3

import msgspec

from farthing.stores.sqlite.book import Book

_MOST_AT_ONCE = 512
_DROPS_KEPT_S = 3600.0


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


class Forgotten(msgspec.Struct, frozen=True, gc=False):
    """One tombstone."""

    kind: str
    value: str


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What happened since a cursor: lessons by number, and drops. Apply drops first."""

    drops: tuple[Forgotten, ...]
    lessons: tuple[tuple[int, Lesson], ...]
    cursor: tuple[int, int]


class SemanticStore:
    """Lessons in the book's file. Writes go through the book's writer; reads are synchronous, and an unreadable file reads as empty."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._clock = book.clock
        self._connection = book.reader()

    def keep(
        self,
        entry_id: str,
        tenant: str | None,
        endpoint: str | None,
        created_at: float,
        expires_at: float,
        embedder: str,
        vector: bytes,
        lesson: bytes,
    ) -> bool:
        """Write a lesson, soon; `False`: dropped, because much is waiting."""
        row = Lesson(entry_id, tenant, endpoint, created_at, expires_at, embedder, vector, lesson)
        return self._book.run_later(lambda connection: self._insert(connection, row))

    def _insert(self, connection: sqlite3.Connection, lesson: Lesson) -> int:
        newer = connection.execute("SELECT 1 FROM semantic_drops WHERE dropped_at >= ? LIMIT 1", (lesson.created_at,)).fetchone()
        if newer is not None:
            return 0  # something was dropped meanwhile, and this answer may rest on it
        return connection.execute(_INSERT, msgspec.structs.astuple(lesson)).rowcount

    async def drop(self, kind: str, value: str, entry_ids: tuple[str, ...]) -> int:
        """Delete the lessons of these answers (`all`: of every answer), and tell other workers. Raises `StoreUnavailable`."""
        now = self._clock.now()

        def job(connection: sqlite3.Connection) -> int:
            deleted = 0
            if kind == "all":
                deleted = connection.execute("DELETE FROM semantic_keys").rowcount
            elif kind in ("tenant", "endpoint"):
                deleted = connection.execute(f"DELETE FROM semantic_keys WHERE {kind} = ?", (value,)).rowcount
            for entry_id in entry_ids:
                deleted += connection.execute("DELETE FROM semantic_keys WHERE entry_id = ?", (entry_id,)).rowcount
            connection.execute("DELETE FROM semantic_drops WHERE dropped_at < ?", (now - _DROPS_KEPT_S,))
            connection.execute("DELETE FROM semantic_keys WHERE expires_at < ?", (now,))
            connection.execute("INSERT INTO semantic_drops (kind, value, dropped_at) VALUES (?,?,?)", (kind, value, now))
            return deleted

        return await self._book.run(job)

    def cursor(self) -> tuple[int, int]:
        """Where `since` starts for someone who loads from (0, drops)."""
        with contextlib.suppress(sqlite3.Error):
            found = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'semantic_drops'").fetchone()
            return (found[0] if found else 0), 0
        return 0, 0

    def since(self, cursor: tuple[int, int]) -> Changes:
        """Drops and lessons of all workers since `cursor`, this one's included; at most 512 of each at a time."""
        drops, lessons = cursor
        with contextlib.suppress(sqlite3.Error):
            gone = self._connection.execute(
                "SELECT id, kind, value FROM semantic_drops WHERE id > ? ORDER BY id LIMIT ?", (drops, _MOST_AT_ONCE)
            ).fetchall()
            found = self._connection.execute(_SELECT, (lessons, self._clock.now(), _MOST_AT_ONCE)).fetchall()
            return Changes(
                tuple(Forgotten(kind, value) for _, kind, value in gone),
                tuple((number, Lesson(*values)) for number, *values in found),
                (gone[-1][0] if gone else drops, found[-1][0] if found else lessons),
            )
        return Changes((), (), cursor)

    def entry_of(self, request_id: str) -> str | None:
        """The answer that this request was served by meaning; `None` where it was not."""
        with contextlib.suppress(sqlite3.Error):
            row = self._connection.execute("SELECT cache_entry FROM requests WHERE request_id = ? AND cache = 'semantic'", (request_id,)).fetchone()
            return row[0] if row else None
        return None


_COLUMNS = "entry_id, tenant, endpoint, created_at, expires_at, embedder, vector, lesson"
_INSERT = f"INSERT INTO semantic_keys ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?)"
_SELECT = f"SELECT id, {_COLUMNS} FROM semantic_keys WHERE id > ? AND expires_at > ? ORDER BY id LIMIT ?"
