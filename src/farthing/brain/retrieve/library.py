"""The indexes of one process: made of the store when a collection is first asked, brought up to date in place when it has changed.

Guarantees: an index is made of one tenant's collection by a query that names both, and is kept under both; a change, of this process or
another, is seen by the next question.
Costs: 4 s for 100,000 chunks to make; one look at a number in the store for each question after that; 15 ms after a change of one document
(bench/retrieve.py).
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from farthing.brain.retrieve.base import Passage
from farthing.brain.retrieve.expand import Wordings, expander_of
from farthing.brain.retrieve.finder import Finder
from farthing.brain.retrieve.index import Index
from farthing.brain.retrieve.rank import Ranker
from farthing.config import Retrieve
from farthing.core.document import StoredChunk, Wording
from farthing.core.errors import NotFound

_MOST_INDEXES = 16


class Stock(Protocol):
    """What is asked of the store of documents."""

    def version(self, tenant: str, collection: str) -> int | None: ...

    def standing(self, tenant: str, collection: str) -> Mapping[int, tuple[int, int]]:
        """Version and number of chunks of each document that has any, by its id."""
        ...

    def index_rows(self, tenant: str, collection: str, documents: Sequence[int] | None = None) -> "Sequence[Row]":
        """In the order of their ids; `None`: of all documents."""
        ...

    def chunks(self, tenant: str, collection: str, ids: Sequence[int]) -> Sequence[StoredChunk]: ...

    def wordings(self, tenant: str, collection: str, documents: Sequence[int]) -> Sequence[tuple[int, Wording]]:
        """What these documents give two names."""
        ...

    def close(self) -> None: ...


class Row(Protocol):
    """What an index in memory holds of a chunk."""

    @property
    def id(self) -> int: ...
    @property
    def document(self) -> int: ...
    @property
    def terms(self) -> bytes: ...
    @property
    def vector(self) -> bytes: ...


class CollectionShelf:
    """The texts of one tenant's collection."""

    def __init__(self, stock: Stock, tenant: str, collection: str) -> None:
        self._stock, self._tenant, self._collection = stock, tenant, collection

    def passages(self, ids: list[int]) -> dict[int, Passage]:
        return {
            chunk.id: Passage(chunk.id, chunk.document, chunk.version, chunk.place, chunk.heading, chunk.text, chunk.spans, chunk.sentences)
            for chunk in self._stock.chunks(self._tenant, self._collection, ids)
        }


class Kept:
    """One collection in memory: its index, and which chunks each document has in it."""

    def __init__(self, stock: Stock, tenant: str, collection: str, ranker: Ranker) -> None:
        self._stock, self._tenant, self._collection = stock, tenant, collection
        self._shelf = CollectionShelf(stock, tenant, collection)
        self._ranker = ranker
        self._standing: dict[int, tuple[int, int]] = {}
        self._chunks: dict[int, list[int]] = {}
        self._index: Index | None = None
        self._wordings = Wordings()
        self._settings: Retrieve | None = None
        self.version = -1
        self.finder = Finder(Index(self._shelf, 0), self._shelf, ranker)

    def bring_up(self, version: int) -> None:
        """To what the store holds. `version` was read before the rest: what changes meanwhile is seen with the next question."""
        if version == self.version:
            return
        now = dict(self._stock.standing(self._tenant, self._collection))
        fresh = [document for document, state in now.items() if self._standing.get(document) != state]
        gone = [document for document in self._standing if document not in now or self._standing[document] != now[document]]
        self._drop([chunk for document in gone for chunk in self._chunks.pop(document, ())])
        self._add(self._stock.index_rows(self._tenant, self._collection, fresh if self._standing else None) if fresh else ())
        self._learn(fresh, gone)
        self._standing, self.version = now, version

    def expand_as(self, settings: Retrieve) -> None:
        """By the rules of this configuration."""
        if settings is not self._settings or self.finder.expander.wordings is not self._wordings:
            self.finder.expander, self._settings = expander_of(settings, self._collection, self._wordings), settings

    def _learn(self, fresh: Sequence[int], gone: Sequence[int]) -> None:
        found: dict[int, list[Wording]] = {document: [] for document in gone}
        for document, wording in self._stock.wordings(self._tenant, self._collection, fresh) if fresh else ():
            found.setdefault(document, []).append(wording)
        for document, some in found.items():
            self._wordings.put(document, some)

    def _drop(self, chunks: Sequence[int]) -> None:
        if self._index is not None and chunks:
            self._index.drop(chunks)

    def _add(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if self._index is None:
            self._index = Index(self._shelf, len(rows[0].vector))
            self.finder = Finder(self._index, self._shelf, self._ranker)
        for row in rows:
            self._chunks.setdefault(row.document, []).append(row.id)
        sequences = [np.frombuffer(row.terms, "<u4").astype(np.uint32) for row in rows]
        self._index.add([row.id for row in rows], sequences, [row.vector for row in rows])


class Library:
    """Finders by tenant and collection. Not for two threads at once, once a finder is in use."""

    def __init__(self, stock: Stock, ranker: Ranker, settings: Retrieve | None = None) -> None:
        self._stock, self._ranker, self._settings = stock, ranker, settings or Retrieve()
        self._held: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._lock = threading.Lock()

    def adopt(self, settings: Retrieve) -> None:
        """Another configuration, from the next question on."""
        self._settings = settings

    def finder(self, tenant: str, collection: str) -> Finder:
        """Raises `NotFound` when the tenant has no such collection."""
        with self._lock:
            version = self._stock.version(tenant, collection)
            if version is None:
                raise NotFound(
                    f"Tenant '{tenant}' has no collection '{collection}'. "
                    f"'farthing docs add PATH --collection {collection} --tenant {tenant}' makes it."
                )
            key = (tenant, collection)
            # Taken out first: one that fails halfway is made anew by the next question.
            kept = self._held.pop(key, None) or Kept(self._stock, tenant, collection, self._ranker)
            kept.bring_up(version)
            kept.expand_as(self._settings)
            self._held[key] = kept
            while len(self._held) > _MOST_INDEXES:
                self._held.popitem(last=False)
            return kept.finder

    def close(self) -> None:
        self._stock.close()
