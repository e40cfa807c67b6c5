"""Finding for the journey: one thread of its own, so that the event loop goes on while a collection is searched."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import msgspec

from farthing.brain.ports import Embedder, Reranker, Tokens
from farthing.brain.retrieve.base import Found
from farthing.brain.retrieve.finder import Finder, Ranked
from farthing.brain.retrieve.library import Library, Stock
from farthing.brain.retrieve.talk import UNLIKE, SmallTalk
from farthing.config import Retrieve
from farthing.core.errors import NotFound, Unavailable, Upstream

_RERANKED = 20
Told = TypeVar("Told")


class Stocked(Stock, Protocol):
    """The store of documents, and what its vectors came from."""

    def embedder(self, tenant: str, collection: str) -> str | None: ...


class Retriever:
    """Collections behind one door. `states` is the store as the event loop reads it, the library's own connection belongs to the thread."""

    def __init__(
        self, library: Library, states: Stocked, embedder: Embedder, tokens: Tokens, talk: SmallTalk, *, reranker: Reranker | None = None
    ) -> None:
        self.reranker = reranker
        self._library, self._states, self._embedder, self._tokens, self._talk = library, states, embedder, tokens, talk
        self._thread = ThreadPoolExecutor(1, "farthing-retrieve")

    def adopt(self, settings: Retrieve) -> None:
        """Another configuration, from the next question on."""
        self._library.adopt(settings)

    def state(self, tenant: str, collection: str) -> str:
        """A word that changes with every change of the collection; answers made under another word may be stale."""
        return f"{collection}@{self._states.version(tenant, collection) or 0}"

    async def find(self, tenant: str, collection: str, question: str, *, budget_tokens: int, model: str, hosted: bool = False) -> Found:
        """What is worth sending; nothing for small talk that nothing in the collection is like. `hosted`: a reranker may be asked, and paid.

        Raises `NotFound` for a collection that the tenant does not have, `Unavailable` where its vectors came from another embedder.
        """
        made_with = self._states.embedder(tenant, collection)
        if made_with is None:
            raise NotFound(
                f"Tenant '{tenant}' has no collection '{collection}', which this endpoint answers from. Add documents with 'farthing docs add PATH "
                f"--collection {collection} --tenant {tenant}', or correct `endpoints.<name>.collection`."
            )
        if made_with != self._embedder.id:
            raise Unavailable(
                f"Collection '{collection}' was embedded with {made_with}, and questions are with {self._embedder.id}. "
                f"Run 'farthing docs reindex PATH --collection {collection} --tenant {tenant}'."
            )
        vector = await self._embedder.embed(question)
        chatting = self._talk.embedder == self._embedder.id and self._talk.heard(vector)

        def count(text: str) -> int:
            return self._tokens.count(text, model)

        def search() -> tuple[Finder, Ranked | None] | None:
            finder = self._library.finder(tenant, collection)
            return None if chatting and finder.nearest(vector) < UNLIKE else (finder, finder.rank(question, vector))

        searched = await self._in_thread(search)
        if searched is None:
            return Found((), 0, 0, small_talk=True)
        finder, ranked = searched
        if ranked is None:
            return Found((), 0, 0)
        reranked_s, error = None, None
        if hosted:
            ranked, reranked_s, error = await self._reranked(question, ranked)
        found = await self._in_thread(lambda: finder.sent(ranked, budget_tokens=budget_tokens, count=count))
        return msgspec.structs.replace(found, reranked_s=reranked_s, rerank_error=error)

    async def _reranked(self, question: str, ranked: Ranked) -> tuple[Ranked, float | None, str | None]:
        """By the hosted reranker, where there is one and it answers; with the seconds that it took, and the code of its failure."""
        if self.reranker is None:
            return ranked, None, None
        texts = [f"{passage.heading}\n{passage.text}" for passage, _ in ranked.best(_RERANKED)]
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            scores = await self.reranker.scores(question, texts)
        except Upstream as error:
            return ranked, clock() - began_s, error.code
        return ranked.reranked(scores), clock() - began_s, None

    async def _in_thread(self, act: "Callable[[], Told]") -> "Told":
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._library.close()
        self._states.close()
