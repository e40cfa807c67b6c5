"""Documents in the gateway's file: written by commands, read by gateways that run meanwhile.

Guarantees: a document is replaced whole or not at all, so a reader never sees half of one, and whoever stops a long ingest loses at most the
document at hand; every statement names the tenant and the collection; what a change makes stale is in `document_changes`, and gone from the
cache, in the same transaction.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from farthing import config
from farthing.core.clock import Clock, SystemClock
from farthing.core.document import Chunk, Collection, Document, StoredChunk, Wording
from farthing.core.errors import ConfigError
from farthing.core.forgetting import Drop
from farthing.stores.sqlite import database, drops, wordings
from farthing.stores.sqlite.transaction import patiently

_CHUNK = "place, digest, heading, text, spans, terms, vector, sentences"
_DOCUMENT = "c.tenant, c.name, d.name, d.version, d.digest, d.size_bytes, d.chunks, d.added_at"
_FROM = "documents d JOIN collections c ON c.id = d.collection WHERE d.removed_at IS NULL AND c.tenant = ?"
_AT_ONCE = 500
_STALE_S = 3600.0  # for as long as tombstones are kept: a version that is gone does not come back
_COMMIT_S = 1.0  # readers see the collection as it was until the change is committed

_NAME = re.compile(r"[\w.-]{1,64}")  # a source is collection/document@version

Spans = tuple[tuple[int, int], ...]
_spans = msgspec.json.Decoder(Spans).decode
_encode = msgspec.json.encode


class IndexRow(msgspec.Struct, frozen=True, gc=False):
    """What an index in memory holds of a chunk."""

    id: int
    document: int
    terms: bytes
    vector: bytes


class Documents:
    """One connection's view of all collections. Not for two threads at once."""

    def __init__(self, store: config.Store, *, clock: Clock | None = None) -> None:
        self._store, self._clock = store, clock or SystemClock()
        database.prepare(store)
        self._connection = database.connect(store)

    def close(self) -> None:
        self._connection.close()

    def collections(self, tenant: str | None = None) -> list[Collection]:
        """All of one tenant, or of everybody."""
        sql = """SELECT c.tenant, c.name, c.embedder, c.chunking, c.version, count(d.id), coalesce(sum(d.chunks), 0)
        FROM collections c LEFT JOIN documents d ON d.collection = c.id AND d.removed_at IS NULL
        WHERE ?1 IS NULL OR c.tenant = ?1 GROUP BY c.id ORDER BY c.tenant, c.name"""
        with database.reading(self._store):
            return [Collection(*row) for row in patiently(self._connection, sql, (tenant,))]

    def version(self, tenant: str, collection: str) -> int | None:
        """Rises with every change; `None`: there is no such collection."""
        with database.reading(self._store):
            found = patiently(self._connection, "SELECT version FROM collections WHERE tenant = ? AND name = ?", (tenant, collection)).fetchone()
        return None if found is None else found[0]

    def embedder(self, tenant: str, collection: str) -> str | None:
        """What its vectors came from; `None`: there is no such collection."""
        with database.reading(self._store):
            found = patiently(self._connection, "SELECT embedder FROM collections WHERE tenant = ? AND name = ?", (tenant, collection)).fetchone()
        return None if found is None else found[0]

    def documents(self, tenant: str, collection: str | None = None) -> list[Document]:
        sql, values = f"SELECT {_DOCUMENT} FROM {_FROM}", [tenant]
        if collection is not None:
            sql, values = f"{sql} AND c.name = ?", [tenant, collection]
        with database.reading(self._store):
            return [Document(*row) for row in patiently(self._connection, f"{sql} ORDER BY c.name, d.name", tuple(values))]

    def document(self, tenant: str, collection: str, name: str) -> Document | None:
        with database.reading(self._store):
            row = patiently(self._connection, f"SELECT {_DOCUMENT} FROM {_FROM} AND c.name = ? AND d.name = ?", (tenant, collection, name)).fetchone()
        return None if row is None else Document(*row)

    def known_chunks(self, tenant: str, collection: str, name: str) -> dict[bytes, Chunk]:
        """The chunks of a document as it stands, by digest."""
        sql = f"""SELECT {_CHUNK} FROM chunks WHERE document = (
            SELECT d.id FROM {_FROM} AND c.name = ? AND d.name = ?)"""
        with database.reading(self._store):
            rows = patiently(self._connection, sql, (tenant, collection, name)).fetchall()
        return {row[1]: _chunk(row) for row in rows}

    def open_collection(self, tenant: str, name: str, *, embedder: str, chunking: str) -> None:
        """Make it where it is not there. Raises `ConfigError` for a name that none can have, and where its vectors came from another embedder."""
        if not _NAME.fullmatch(name):
            raise ConfigError(f"'{name}' cannot name a collection: letters, digits, '.', '_' and '-', 64 at most.")
        with database.writing(self._store, self._connection):
            self._connection.execute(
                "INSERT OR IGNORE INTO collections (tenant, name, embedder, chunking, version, created_at) VALUES (?,?,?,?,0,?)",
                (tenant, name, embedder, chunking, self._clock.now()),
            )
            have = self._connection.execute("SELECT embedder, chunking FROM collections WHERE tenant = ? AND name = ?", (tenant, name)).fetchone()
        if tuple(have) != (embedder, chunking):
            raise ConfigError(
                f"Collection '{name}' of tenant '{tenant}' was made with embedder {have[0]} and chunks of {have[1]}; now it is {embedder} and "
                f"{chunking}. Run 'farthing docs reindex PATH --collection {name} --tenant {tenant}', or set `retrieve` back."
            )

    def put(
        self, tenant: str, collection: str, name: str, *, digest: bytes, size_bytes: int, chunks: Sequence[Chunk], named: Sequence[Wording] = ()
    ) -> Document:
        """A document's new version, in place of what stood there."""
        now = self._clock.now()
        with database.writing(self._store, self._connection) as run:
            (home,) = run("SELECT id FROM collections WHERE tenant = ? AND name = ?", (tenant, collection)).fetchone()
            before = run("SELECT id, version, removed_at FROM documents WHERE collection = ? AND name = ?", (home, name)).fetchone()
            if before is None:
                version = 1
                sql = "INSERT INTO documents (collection, name, version, digest, size_bytes, chunks, added_at) VALUES (?,?,1,?,?,?,?)"
                document = run(sql, (home, name, digest, size_bytes, len(chunks), now)).lastrowid
            else:
                document, version = before[0], before[1] + 1
                self._stale(tenant, f"{collection}/{name}@{before[1]}", now)
                run("DELETE FROM chunks WHERE document = ?", (document,))
                sql = "UPDATE documents SET version = ?, digest = ?, size_bytes = ?, chunks = ?, added_at = ?, removed_at = NULL WHERE id = ?"
                run(sql, (version, digest, size_bytes, len(chunks), now, document))
            self._connection.executemany(
                f"INSERT INTO chunks (collection, document, {_CHUNK}) VALUES (?,?,?,?,?,?,?,?,?,?)",
                [(home, document, c.place, c.digest, c.heading, c.text, _encode(c.spans).decode(), c.terms, c.vector, c.sentences) for c in chunks],
            )
            wordings.replace(self._connection, home, document, named)
            run("UPDATE collections SET version = version + 1 WHERE id = ?", (home,))
            # What was not found before may be now.
            drops.forget(self._connection, Drop("unfounded", collection, tenant, self._clock.now() + _COMMIT_S), now=now)
        return Document(tenant, collection, name, version, digest, size_bytes, len(chunks), now)

    def remove(self, tenant: str, collection: str, names: Sequence[str] | None = None) -> int:
        """Take documents out; `None`: all of the collection. How many there were."""
        now, wanted = self._clock.now(), None if names is None else set(names)
        gone = [document for document in self.documents(tenant, collection) if wanted is None or document.name in wanted]
        with database.writing(self._store, self._connection) as run:
            for document in gone:
                where = "(SELECT d.id FROM documents d JOIN collections c ON c.id = d.collection WHERE c.tenant = ? AND c.name = ? AND d.name = ?)"
                key = (tenant, collection, document.name)
                run(f"DELETE FROM chunks WHERE document = {where}", key)
                run(f"DELETE FROM wordings WHERE document = {where}", key)
                run(f"UPDATE documents SET removed_at = ?, chunks = 0 WHERE id = {where}", (now, *key))
                self._stale(tenant, document.source, now)
            if gone:
                run("UPDATE collections SET version = version + 1 WHERE tenant = ? AND name = ?", (tenant, collection))
        return len(gone)

    def adopt(self, tenant: str, collection: str, *, embedder: str, chunking: str) -> None:
        """The collection goes on with another embedder or other chunks: every document counts as changed until it is put anew.

        Vectors of another embedder are dropped at once, so that a run that is stopped leaves none that are compared with questions of the new one.
        """
        with database.writing(self._store, self._connection) as run:
            found = run("SELECT id, embedder FROM collections WHERE tenant = ? AND name = ?", (tenant, collection)).fetchone()
            if found is None:
                return
            if found[1] != embedder:
                run("DELETE FROM chunks WHERE collection = ?", (found[0],))
                run("UPDATE documents SET chunks = 0 WHERE collection = ?", (found[0],))
            run("UPDATE documents SET digest = x'' WHERE collection = ?", (found[0],))
            run("UPDATE collections SET embedder = ?, chunking = ?, version = version + 1 WHERE id = ?", (embedder, chunking, found[0]))

    def restamp(self, tenant: str, collection: str, *, embedder: str) -> None:
        """What the vectors of the collection come from, whoever made them."""
        with database.writing(self._store, self._connection) as run:
            run("UPDATE collections SET embedder = ?, version = version + 1 WHERE tenant = ? AND name = ?", (embedder, tenant, collection))

    def standing(self, tenant: str, collection: str) -> dict[int, tuple[int, int]]:
        """Version and number of chunks of each document that has any, by its id."""
        with database.reading(self._store):
            sql = f"SELECT d.id, d.version, d.chunks FROM {_FROM} AND c.name = ? AND d.chunks > 0"
            return {row[0]: (row[1], row[2]) for row in patiently(self._connection, sql, (tenant, collection))}

    def index_rows(self, tenant: str, collection: str, documents: Sequence[int] | None = None) -> list[IndexRow]:
        """What an index is made of, of all documents or of some, in the order of their ids."""
        sql = """SELECT id, document, terms, vector FROM chunks
        WHERE collection = (SELECT id FROM collections WHERE tenant = ? AND name = ?)"""
        if documents is None:
            return self._index_rows(f"{sql} ORDER BY id", (tenant, collection))
        found: list[IndexRow] = []
        for start in range(0, len(documents), _AT_ONCE):
            some = tuple(documents[start : start + _AT_ONCE])
            found += self._index_rows(f"{sql} AND document IN ({','.join('?' * len(some))})", (tenant, collection, *some))
        return sorted(found, key=lambda row: row.id)

    def _index_rows(self, sql: str, values: tuple[object, ...]) -> list[IndexRow]:
        with database.reading(self._store):
            return [IndexRow(*row) for row in patiently(self._connection, sql, values)]

    def chunks(self, tenant: str, collection: str, ids: Sequence[int]) -> list[StoredChunk]:
        """The chunks of these ids that are this tenant's and this collection's."""
        found: list[StoredChunk] = []
        with database.reading(self._store):
            for start in range(0, len(ids), _AT_ONCE):
                some = tuple(ids[start : start + _AT_ONCE])
                sql = f"""SELECT k.id, c.name || '/' || d.name, d.version, k.place, k.heading, k.text, k.spans, k.sentences
                FROM chunks k JOIN documents d ON d.id = k.document JOIN collections c ON c.id = k.collection
                WHERE c.tenant = ? AND c.name = ? AND k.id IN ({",".join("?" * len(some))})"""
                rows = patiently(self._connection, sql, (tenant, collection, *some)).fetchall()
                found += [_stored(row) for row in rows]
        return found

    def wordings(self, tenant: str, collection: str, documents: Sequence[int]) -> list[tuple[int, Wording]]:
        """What these documents give two names, with the id of the document."""
        with database.reading(self._store):
            return wordings.of(self._connection, tenant, collection, documents)

    def changes(self, after: int, tenant: str | None = None) -> list[tuple[int, str, str]]:
        """Number, tenant and source of what went stale after that number, in order."""
        sql = "SELECT id, tenant, source FROM document_changes WHERE id > ?1 AND (?2 IS NULL OR tenant = ?2) ORDER BY id"
        with database.reading(self._store):
            return patiently(self._connection, sql, (after, tenant)).fetchall()

    def _stale(self, tenant: str, source: str, now: float) -> None:
        """Answers that rest on it are forgotten with the change itself."""
        self._connection.execute("INSERT INTO document_changes (tenant, source, changed_at) VALUES (?,?,?)", (tenant, source, now))
        drops.forget(self._connection, Drop("source", source, tenant, now + _STALE_S), now=now)


def _chunk(row: tuple[Any, ...]) -> Chunk:
    place, digest, heading, text, spans, terms, vector, sentences = row
    return Chunk(place, digest, heading, text, _spans(spans), terms, vector, sentences)


def _stored(row: tuple[Any, ...]) -> StoredChunk:
    number, document, version, place, heading, text, spans, sentences = row
    return StoredChunk(number, document, version, place, heading, text, _spans(spans), sentences)
