"""Where the cache's answers outlive a restart, and how workers share them.

Guarantees: `keep` never waits and may be dropped under load (`False`); a row is whole or absent; `forget` is durable when it returns, in every lane,
wins over every answer whose request came before it, wherever that still waits to be written, and reaches every worker through `since`. An
answer that was replaced or forgotten does not any more.
Off: `cache.enabled = false`.
"""

import contextlib
import sqlite3

import msgspec

from farthing.core.forgetting import Drop, Facts
from farthing.stores.sqlite import drops
from farthing.stores.sqlite.book import Book

_MOST_AT_ONCE = 256
_MOST_BYTES = 268_435_456
COLUMNS = "key, tenant, endpoint, entry_id, created_at, expires_at, meta, body"


class StoredAnswer(msgspec.Struct, frozen=True, gc=False):
    """One answer; `body` and `meta` are the cache's own, times are unix seconds."""

    key: bytes
    tenant: str
    endpoint: str
    entry_id: str
    created_at: float
    expires_at: float
    meta: bytes
    body: bytes


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What happened since a cursor: apply `dropped`, then `added`. Pass `cursor` to the next call."""

    dropped: tuple[Drop, ...]
    added: tuple[StoredAnswer, ...]
    cursor: tuple[int, int]


class AnswerStore:
    """Answers in the book's file; the oldest go when they are more than `max_bytes`. Writes go through the book's writer; reads are synchronous."""

    def __init__(self, book: Book, *, max_bytes: int = _MOST_BYTES) -> None:
        self._book = book
        self._clock = book.clock
        self._max_bytes = max_bytes
        self._connection = book.reader()
        self._since_trim_bytes = max_bytes  # the first answer trims what the last run left

    def cursor(self) -> tuple[int, int]:
        """Where `since` starts for someone who calls `load` right after."""
        with contextlib.suppress(sqlite3.Error):
            return drops.cursor(self._connection), self._last_entry()
        return 0, 0

    def load(self, limit_bytes: int) -> list[StoredAnswer]:
        """The newest live answers that fit, oldest first. Empty when the file cannot be read: a cache that starts cold is no error."""
        loaded: list[StoredAnswer] = []
        size = 0
        with contextlib.suppress(sqlite3.Error), contextlib.closing(self._connection.cursor()) as rows:
            for row in rows.execute(f"SELECT {COLUMNS} FROM cache_entries WHERE expires_at > ? ORDER BY id DESC", (self._clock.now(),)):
                answer = StoredAnswer(*row)
                size += _size(answer)
                if size > limit_bytes:
                    break
                loaded.append(answer)
        loaded.reverse()
        return loaded

    def since(self, cursor: tuple[int, int]) -> Changes:
        """Drops and additions of all workers since `cursor`, this one's included; at most 256 of each at a time."""
        dropped, entries = cursor
        with contextlib.suppress(sqlite3.Error):
            gone = drops.since(self._connection, dropped, _MOST_AT_ONCE)
            added = self._connection.execute(
                f"SELECT id, {COLUMNS} FROM cache_entries WHERE id > ? ORDER BY id LIMIT ?", (entries, _MOST_AT_ONCE)
            ).fetchall()
            return Changes(
                tuple(drop for _, drop in gone),
                tuple(StoredAnswer(*values) for _, *values in added),
                (gone[-1][0] if gone else dropped, added[-1][0] if added else entries),
            )
        return Changes((), (), cursor)

    def keep(self, key: bytes, facts: Facts, expires_at: float, meta: bytes, body: bytes) -> bool:
        """Write an answer, soon; `False`: dropped, because much is waiting."""
        answer = StoredAnswer(key, facts.tenant, facts.endpoint, facts.entry_id, facts.created_at, expires_at, meta, body)
        accepted = self._book.run_later(lambda connection: put(connection, answer, facts))
        self._since_trim_bytes += _size(answer) if accepted else 0
        if self._since_trim_bytes > self._max_bytes // 4 and self._book.run_later(self._trim):
            self._since_trim_bytes = 0
        return accepted

    async def forget(self, drop: Drop) -> int:
        """Forget in every lane, here at once and in every worker at its next look; how many rows that were. Raises `StoreUnavailable`."""
        return await self._book.run(lambda connection: drops.forget(connection, drop))

    def entry_of(self, request_id: str) -> tuple[str | None, str | None]:
        """How the cache answered this request, and the answer that it was served, where it was."""
        with contextlib.suppress(sqlite3.Error):
            row = self._connection.execute("SELECT cache, cache_entry FROM requests WHERE request_id = ?", (request_id,)).fetchone()
            return (None, None) if row is None else (row[0], row[1])
        return None, None

    def _trim(self, connection: sqlite3.Connection) -> int:
        connection.execute("DELETE FROM cache_entries WHERE expires_at < ?", (self._clock.now(),))
        gone = connection.execute(_TRIM, (self._max_bytes,)).rowcount
        drops.sweep_marks(connection)
        return gone

    def _last_entry(self) -> int:
        found = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'cache_entries'").fetchone()
        return found[0] if found else 0


def put(connection: sqlite3.Connection, answer: StoredAnswer, facts: Facts) -> int:
    """Write it unless something that it rests on was dropped meanwhile; within the caller's transaction."""
    if not drops.outlived(connection, facts):
        return 0
    drops.mark(connection, facts)
    return connection.execute(f"REPLACE INTO cache_entries ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?)", msgspec.structs.astuple(answer)).rowcount


def _size(answer: StoredAnswer) -> int:
    return len(answer.body) + len(answer.meta)


_TRIM = """
DELETE FROM cache_entries WHERE id IN (
    SELECT id FROM (SELECT id, sum(length(body) + length(meta)) OVER (ORDER BY id DESC) AS newer_bytes FROM cache_entries)
    WHERE newer_bytes > ?
)"""
