"""The cache's rows for commands: read, dropped, exported and imported without a gateway, seen by those that run within a second.

Guarantees: every statement that is given a tenant touches that tenant's rows alone; `import_all` writes everything or nothing.
"""

from collections.abc import Generator, Iterable, Sequence

from farthing import config
from farthing.core.clock import Clock, SystemClock
from farthing.core.forgetting import Drop, Facts
from farthing.stores.sqlite import answers, cacherows, database, drops, semantic
from farthing.stores.sqlite.answers import StoredAnswer
from farthing.stores.sqlite.cacherows import Use
from farthing.stores.sqlite.semantic import Lesson
from farthing.stores.sqlite.transaction import patiently

Row = tuple[StoredAnswer | Lesson, Facts]


class CacheFile:
    """One connection's view of the cache. Not for two threads at once."""

    def __init__(self, store: config.Store, *, clock: Clock | None = None) -> None:
        self._store, self._clock = store, clock or SystemClock()
        database.prepare(store)
        self._connection = database.connect(store)

    def close(self) -> None:
        self._connection.close()

    def answers(self, tenant: str | None = None, *, entry_id: str | None = None) -> Generator[StoredAnswer]:
        """Live answers of the exact and the normalised lane, oldest first."""
        with database.reading(self._store):
            yield from cacherows.answers(self._connection, self._clock.now(), tenant, entry_id)

    def lessons(self, tenant: str | None = None, *, entry_id: str | None = None) -> Generator[Lesson]:
        """Live lessons of the semantic lane, oldest first."""
        with database.reading(self._store):
            yield from cacherows.lessons(self._connection, self._clock.now(), tenant, entry_id)

    def uses(self, entry_ids: Sequence[str] | None = None) -> dict[str, Use]:
        """How often each entry was served, and how often disputed, as the ledger remembers."""
        with database.reading(self._store):
            return cacherows.uses(self._connection, entry_ids)

    def drop_counts(self) -> dict[str, int]:
        """Tombstones of the last hour, by kind."""
        with database.reading(self._store):
            return dict(patiently(self._connection, "SELECT kind, count(*) FROM cache_drops GROUP BY kind ORDER BY kind").fetchall())

    def forget(self, drop: Drop) -> int:
        """Delete what it names in every lane, and tell the workers that run; how many answers that were."""
        with database.writing(self._store, self._connection):
            before = self._entries()
            drops.forget(self._connection, drop)
            drops.sweep_marks(self._connection)
            return before - self._entries()

    def _entries(self) -> int:
        sql = "SELECT count(*) FROM (SELECT entry_id FROM cache_entries UNION SELECT entry_id FROM semantic_keys)"
        return int(self._connection.execute(sql).fetchone()[0])

    def put_calibration(self, tenant: str, endpoint: str, embedder: str, labels: bytes) -> None:
        """In place of the one that stood there."""
        with database.writing(self._store, self._connection) as run:
            sql = "REPLACE INTO semantic_calibrations (tenant, endpoint, embedder, created_at, labels) VALUES (?,?,?,?,?)"
            run(sql, (tenant, endpoint, embedder, self._clock.now(), labels))

    def calibrations(self, tenant: str | None = None) -> list[tuple[str, str, str, float, int]]:
        """Tenant, endpoint, embedder, when, and bytes of labels."""
        sql = "SELECT tenant, endpoint, embedder, created_at, length(labels) FROM semantic_calibrations WHERE ?1 IS NULL OR tenant = ?1 ORDER BY 1, 2"
        with database.reading(self._store):
            return patiently(self._connection, sql, (tenant,)).fetchall()

    def import_all(self, rows: Iterable[Row]) -> tuple[int, int]:
        """Written, and left out: what is here already, was dropped since, or rests on documents that have changed. Everything or nothing."""
        written = left_out = 0
        with database.writing(self._store, self._connection):
            for row, facts in rows:
                if self._known(row) or self._outdated(facts):
                    left_out += 1
                    continue
                done = answers.put(self._connection, row, facts) if isinstance(row, StoredAnswer) else semantic.put(self._connection, row, facts)
                written, left_out = written + done, left_out + (not done)
        return written, left_out

    def _known(self, row: StoredAnswer | Lesson) -> bool:
        if isinstance(row, StoredAnswer):
            sql, values = "SELECT 1 FROM cache_entries WHERE key = ? AND created_at >= ?", (row.key, row.created_at)
        else:
            sql, values = "SELECT 1 FROM semantic_keys WHERE entry_id = ? AND lesson = ?", (row.entry_id, row.lesson)
        return self._connection.execute(sql, values).fetchone() is not None

    def _outdated(self, facts: Facts) -> bool:
        """True where a document that it rests on is here, in another version, or was taken out."""
        sql = """SELECT d.version, d.removed_at FROM documents d JOIN collections c ON c.id = d.collection
        WHERE c.tenant = ? AND c.name || '/' || d.name = ?"""
        for source in facts.sources:
            name, _, version = source.rpartition("@")
            found = self._connection.execute(sql, (facts.tenant, name)).fetchone()
            if found is not None and (str(found[0]) != version or found[1] is not None):
                return True
        return False
