"""The indexes of one process: made of the store when a collection is first asked, made anew when it has changed.

Guarantees: an index is made of one tenant's collection by a query that names both, and is kept under both; a change is seen by the next question.
Costs: 2.5 s for 100,000 chunks to make; one look at a number in the store for each question after that.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from farthing.brain.retrieve.base import Passage
from farthing.brain.retrieve.finder import Finder
from farthing.brain.retrieve.fold import fold
from farthing.brain.retrieve.index import Index
from farthing.brain.retrieve.rank import Ranker
from farthing.core.document import StoredChunk
from farthing.core.errors import NotFound

_MOST_INDEXES = 16


class Stock(Protocol):
    """What is asked of the store of documents."""

    def version(self, tenant: str, collection: str) -> int | None: ...

    def index_rows(self, tenant: str, collection: str) -> "Sequence[Row]": ...

    def chunks(self, tenant: str, collection: str, ids: Sequence[int]) -> Sequence[StoredChunk]: ...

    def close(self) -> None: ...


class Row(Protocol):
    """What an index in memory holds of a chunk."""

    @property
    def id(self) -> int: ...
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


class Library:
    """Finders by tenant and collection. May be used from several threads."""

    def __init__(self, stock: Stock, ranker: Ranker) -> None:
        self._stock, self._ranker = stock, ranker
        self._held: OrderedDict[tuple[str, str], tuple[int, Finder]] = OrderedDict()
        self._lock = threading.Lock()

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
            held = self._held.get(key)
            if held is None or held[0] != version:
                held = self._held[key] = (version, self._made(tenant, collection))
                while len(self._held) > _MOST_INDEXES:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return held[1]

    def close(self) -> None:
        self._stock.close()

    def _made(self, tenant: str, collection: str) -> Finder:
        rows = self._stock.index_rows(tenant, collection)
        shelf = CollectionShelf(self._stock, tenant, collection)
        ids = [row.id for row in rows]
        sequences = [np.frombuffer(row.terms, "<u4").astype(np.uint32) for row in rows]
        width = len(rows[0].vector) if rows else 1
        index = Index(ids, sequences, [row.vector for row in rows], width, fold(ids, sequences, shelf))
        return Finder(index, shelf, self._ranker)
