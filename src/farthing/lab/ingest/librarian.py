"""What can be done with documents, for the command line and for admins over HTTP: one code for both.

Not for two threads at once. Raises `NotFound` for a collection that is not there, `ConfigError` where its vectors came from another embedder.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Protocol

import msgspec

from farthing.brain.ports import Fetch
from farthing.config import Config
from farthing.core.clock import Clock
from farthing.core.document import Collection, Document
from farthing.core.errors import ConfigError, NotFound
from farthing.lab.ingest.files import Wanted
from farthing.lab.ingest.run import Embeds, Ingest, Progress, Report
from farthing.lab.ingest.web import fetched
from farthing.stores.sqlite.documents import Documents

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from farthing.brain.retrieve.index import Question
    from farthing.brain.retrieve.library import Library


class Embedder(Embeds, Protocol):
    def embed_now(self, text: str) -> "NDArray[np.float32]": ...


class Counts(Protocol):
    def count(self, text: str, model: str) -> int: ...


class Hit(msgspec.Struct, frozen=True):
    """What would be sent of one chunk."""

    source: str
    heading: str
    text: str
    tokens: int


class Sought(msgspec.Struct, frozen=True):
    """What the search by words looked for, with its weight: how rare it is here, and for other words how much less they count."""

    words: str
    weight: float
    instead_of: str | None = None  # what the question says; None: it says this
    rule: str | None = None


class Search(msgspec.Struct, frozen=True):
    """What would be sent for a question."""

    excerpts: list[Hit]
    tokens: int
    sources: int
    top_20_tokens: int  # of the best 20 chunks whole
    suspicious: list[str]
    sought: list[Sought]
    least_tokens: int | None = None  # of what was found, where the budget holds none of it


class Librarian:
    def __init__(self, config: Config, documents: Documents, embedder: Embedder, clock: Clock, fetch: Fetch) -> None:
        self.documents = documents
        self._settings, self._embedder, self._clock, self._fetch = config.retrieve, embedder, clock, fetch
        self._library: Library | None = None
        self.stopping = False  # set from another thread: no further document is begun

    def close(self) -> None:
        self.documents.close()

    def collections(self, tenant: str | None) -> list[Collection]:
        return self.documents.collections(tenant)

    def listed(self, tenant: str, collection: str) -> list[Document]:
        self._known(tenant, collection)
        return self.documents.documents(tenant, collection)

    def add(self, tenant: str, collection: str, wanted: Sequence[Wanted], urls: Sequence[str] = ()) -> Report:
        coming = takewhile(lambda _: not self.stopping, chain(wanted, self.pages(urls)))
        return self.ingest(tenant, collection).take(coming, of=len(wanted) + len(urls))

    def pages(self, urls: Sequence[str]) -> Iterator[Wanted]:
        """Fetched one after the other, as they are asked for. Starts an event loop of its own: not for a thread that has one."""
        for url in urls:
            yield asyncio.run(fetched(url, self._fetch, self._settings, now_s=self._clock.monotonic()))

    def ingest(self, tenant: str, collection: str) -> Ingest:
        return Ingest(self.documents, self._embedder, self._settings, tenant=tenant, collection=collection)

    def remove(self, tenant: str, collection: str, names: Sequence[str] | None) -> int:
        """`None`: all of them. How many there were."""
        self._known(tenant, collection)
        return self.documents.remove(tenant, collection, names)

    def reindex(self, tenant: str, collection: str, progress: Progress | None = None, *, ingest: Ingest | None = None) -> Report:
        """Embed anew what the store holds, as after a change of embedder. Chunks stay as they were cut: other sizes need the documents again."""
        self._known(tenant, collection)
        held = next(one for one in self.documents.collections(tenant) if one.name == collection)
        if held.chunking != self._settings.chunking:
            raise ConfigError(
                f"Collection '{collection}' was cut in {held.chunking}, and `retrieve` says {self._settings.chunking}: that needs the documents "
                f"themselves. Add them again: 'farthing docs reindex PATH --collection {collection} --tenant {tenant}'."
            )
        ingest = ingest or self.ingest(tenant, collection)
        listed = self.documents.documents(tenant, collection)
        if held.embedder != self._embedder.id:  # until all is done no question is compared with vectors of two kinds; run again, it goes through
            self.documents.restamp(tenant, collection, embedder=f"{self._embedder.id} in part")
        for done, document in enumerate(listed):
            if progress:
                progress(document.name, done, len(listed))
            ingest.embed_anew(document)
        self.documents.restamp(tenant, collection, embedder=self._embedder.id)
        return ingest.report

    def search(
        self, tenant: str, collection: str, question: str, *, tokens: Counts, budget_tokens: int | None = None, model: str = "gpt-4o"
    ) -> Search:
        from farthing.brain.retrieve.base import Found
        from farthing.brain.retrieve.library import Library
        from farthing.brain.retrieve.rank import shipped as ranker

        self._known(tenant, collection)
        made_with = self.documents.embedder(tenant, collection)
        if made_with != self._embedder.id:
            raise ConfigError(
                f"Collection '{collection}' was embedded with {made_with}, and questions are with {self._embedder.id}. "
                f"Run 'farthing docs reindex --collection {collection} --tenant {tenant}'."
            )
        self._library = self._library or Library(self.documents, ranker(), self._settings)
        finder = self._library.finder(tenant, collection)
        vector = self._embedder.embed_now(question)
        budget = budget_tokens or self._settings.budget_tokens
        ranked = finder.rank(question, vector)
        found = Found((), 0, 0) if ranked is None else finder.sent(ranked, budget_tokens=budget, count=lambda text: tokens.count(text, model))
        hits = [Hit(one.passage.source, one.passage.heading, one.text, one.tokens) for one in found.excerpts]
        sought = [] if ranked is None else _sought(ranked.question)
        return Search(hits, found.tokens, len(found.sources), found.usual_tokens, list(found.flagged), sought, found.least_tokens)

    def _known(self, tenant: str, collection: str) -> None:
        if self.documents.version(tenant, collection) is None:
            names = ", ".join(one.name for one in self.documents.collections(tenant)) or "none"
            raise NotFound(f"Tenant '{tenant}' has no collection '{collection}'; it has: {names}.")


def _sought(question: "Question") -> list[Sought]:
    from farthing.brain.reading.words import terms
    from farthing.brain.retrieve.lexical import code

    weights = dict(zip(question.terms.tolist(), question.weights.tolist(), strict=True))
    own = [Sought(term, round(weights[code(term)], 2)) for term in dict.fromkeys(terms(question.text))]
    return own + [Sought(one.one.also, round(float(one.weights.sum()), 2), one.one.said, one.one.rule) for one in question.extra]
