"""The documents of a store, ready to be asked. Loads numpy, and the embedder with the first question: only where an endpoint names a collection."""

import os

from farthing.brain.ports import Tokens
from farthing.brain.retrieve.lever import Retriever
from farthing.brain.retrieve.library import Library
from farthing.brain.retrieve.rank import shipped as ranker
from farthing.brain.retrieve.talk import shipped as small_talk
from farthing.config import Config
from farthing.core.clock import SystemClock
from farthing.lab.ingest.librarian import Librarian
from farthing.models.embed import shipped
from farthing.models.fetch import Fetcher
from farthing.models.rerank import choose_reranker
from farthing.stores.sqlite.documents import Documents


def open_retriever(config: Config, tokens: Tokens) -> Retriever:
    """One connection for the event loop, one for the thread that searches."""
    clock = SystemClock()
    reranker = choose_reranker(config, os.environ, Fetcher(clock), clock)
    return Retriever(Library(Documents(config.store), ranker()), Documents(config.store), shipped(), tokens, small_talk(), reranker=reranker)


def open_librarian(config: Config) -> Librarian:
    """With a connection of its own."""
    clock = SystemClock()
    return Librarian(config, Documents(config.store), shipped(), clock, Fetcher(clock))
