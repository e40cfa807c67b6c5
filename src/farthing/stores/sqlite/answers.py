"""Where the exact cache's answers outlive a restart, and how workers share them.

Guarantees: `keep` never waits and may be dropped under load (`False`); `delete` is durable when it returns, wins over every answer made before it,
wherever that still waits to be written, and reaches every worker through `since`. An answer that was replaced or deleted does not any more.
Off: `cache.enabled = false`.
"""

import contextlib
import sqlite3

import msgspec

from farthing.stores.sqlite.book import Book

_MOST_AT_ONCE = 256
_MOST_BYTES = 268_435_456
_DROPS_KEPT_S = 3600.0
_COLUMNS = "key, tenant, entry_id, created_at, expires_at, body, meta"


class StoredAnswer(msgspec.Struct, frozen=True, gc=False):
    """One answer; `body` and `meta` are the cache's own, times are unix seconds."""

    key: bytes
    tenant: str
    entry_id: str
    created_at: float
    expires_at: float
    body: bytes
    meta: bytes


class Dropped(msgspec.Struct, frozen=True, gc=False):
    """A deletion: of one key, of one tenant, or of everything when both are `None`."""

    key: bytes | None
    tenant: str | None


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What happened since a cursor: apply `dropped`, then `added`. Pass `cursor` to the next call."""

    dropped: tuple[Dropped, ...]
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
            return self._last("cache_drops"), self._last("cache_entries")
        return 0, 0

    def load(self, limit_bytes: int) -> list[StoredAnswer]:
        """The newest live answers that fit, oldest first. Empty when the file cannot be read: a cache that starts cold is no error."""
        loaded: list[StoredAnswer] = []
        size = 0
        with contextlib.suppress(sqlite3.Error), contextlib.closing(self._connection.cursor()) as rows:
            for row in rows.execute(f"SELECT {_COLUMNS} FROM cache_entries WHERE expires_at > ? ORDER BY id DESC", (self._clock.now(),)):
                answer = StoredAnswer(*row)
                size += _size(answer)
                if size > limit_bytes:
                    break
                loaded.append(answer)
        loaded.reverse()
        return loaded

    def since(self, cursor: tuple[int, int]) -> Changes:
        """Deletions and additions of all workers since `cursor`, this one's included; at most 256 of each at a time."""
        drops, entries = cursor
        with contextlib.suppress(sqlite3.Error):
            dropped = self._connection.execute(
                "SELECT id, key, tenant FROM cache_drops WHERE id > ? ORDER BY id LIMIT ?", (drops, _MOST_AT_ONCE)
            ).fetchall()
            added = self._connection.execute(
                f"SELECT id, {_COLUMNS} FROM cache_entries WHERE id > ? ORDER BY id LIMIT ?", (entries, _MOST_AT_ONCE)
            ).fetchall()
            return Changes(
                tuple(Dropped(key, tenant) for _, key, tenant in dropped),
                tuple(StoredAnswer(*values) for _, *values in added),
                (dropped[-1][0] if dropped else drops, added[-1][0] if added else entries),
            )
        return Changes((), (), cursor)

    def keep(self, key: bytes, tenant: str, entry_id: str, created_at: float, expires_at: float, body: bytes, meta: bytes) -> bool:
        """Write an answer, soon; `False`: dropped, because much is waiting."""
        answer = StoredAnswer(key, tenant, entry_id, created_at, expires_at, body, meta)
        accepted = self._book.run_later(lambda connection: self._insert(connection, answer))
        self._since_trim_bytes += _size(answer) if accepted else 0
        if self._since_trim_bytes > self._max_bytes // 4 and self._book.run_later(self._trim):
            self._since_trim_bytes = 0
        return accepted

    async def delete(self, *, key: bytes | None = None, tenant: str | None = None) -> int:
        """Delete one key's answer, a tenant's, or all; how many there were. Raises `StoreUnavailable`."""
        condition, values = _which(key, tenant)
        now = self._clock.now()

        def job(connection: sqlite3.Connection) -> int:
            deleted = connection.execute(f"DELETE FROM cache_entries WHERE {condition}", values).rowcount
            connection.execute("INSERT INTO cache_drops (key, tenant, dropped_at) VALUES (?,?,?)", (key, tenant, now))
            return deleted

        return await self._book.run(job)

    def _insert(self, connection: sqlite3.Connection, answer: StoredAnswer) -> int:
        scope = (answer.created_at, self._clock.now(), answer.key, answer.tenant)
        return connection.execute(_PUT, (*msgspec.structs.astuple(answer), *scope)).rowcount

    def _trim(self, connection: sqlite3.Connection) -> int:
        now = self._clock.now()
        connection.execute("DELETE FROM cache_drops WHERE dropped_at < ?", (now - _DROPS_KEPT_S,))
        connection.execute("DELETE FROM cache_entries WHERE expires_at < ?", (now,))
        return connection.execute(_TRIM, (self._max_bytes,)).rowcount

    def _last(self, table: str) -> int:
        found = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return found[0] if found else 0


def _which(key: bytes | None, tenant: str | None) -> tuple[str, tuple[bytes | str, ...]]:
    if key is not None:
        return "key = ?", (key,)
    if tenant is not None:
        return "tenant = ?", (tenant,)
    return "1", ()


def _size(answer: StoredAnswer) -> int:
    return len(answer.body) + len(answer.meta)


_PUT = f"""
REPLACE INTO cache_entries ({_COLUMNS}) SELECT ?,?,?,?,?,?,?
WHERE NOT EXISTS (
    SELECT 1 FROM cache_drops WHERE dropped_at > ? AND dropped_at <= ? AND (key = ? OR tenant = ? OR (key IS NULL AND tenant IS NULL))
)"""
_TRIM = """
DELETE FROM cache_entries WHERE id IN (
    SELECT id FROM (SELECT id, sum(length(body) + length(meta)) OVER (ORDER BY id DESC) AS newer_bytes FROM cache_entries)
    WHERE newer_bytes > ?
)"""
