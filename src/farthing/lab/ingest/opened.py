"""The documents of a store, ready to be asked. Loads numpy, and the embedder with the first question: only where an endpoint names a collection."""

import os
from difflib import get_close_matches

from farthing.brain.ports import Tokens
from farthing.brain.retrieve.lever import Retriever
from farthing.brain.retrieve.library import Library
from farthing.brain.retrieve.rank import shipped as ranker
from farthing.brain.retrieve.talk import shipped as small_talk
from farthing.config import Config
from farthing.core.clock import SystemClock
from farthing.core.errors import ConfigError
from farthing.lab.ingest.librarian import Librarian
from farthing.models.embed import shipped
from farthing.models.fetch import Fetcher
from farthing.models.rerank import choose_reranker
from farthing.stores.sqlite.documents import Documents


def open_retriever(config: Config, tokens: Tokens) -> Retriever:
    """One connection for the event loop, one for the thread that searches."""
    clock = SystemClock()
    reranker = choose_reranker(config, os.environ, Fetcher(clock), clock)
    return Retriever(
        Library(Documents(config.store), ranker(), config.retrieve), Documents(config.store), shipped(), tokens, small_talk(), reranker=reranker
    )


def open_librarian(config: Config) -> Librarian:
    """With a connection of its own."""
    clock = SystemClock()
    return Librarian(config, Documents(config.store), shipped(), clock, Fetcher(clock))


def check_collections(config: Config) -> None:
    """Raises `ConfigError` for a collection that nobody has while there are others: a name that was mistyped. In an empty store it may still come."""
    wanted = {f"endpoints.{name}.collection": endpoint.collection for name, endpoint in config.endpoints.items() if endpoint.collection}
    for name, flow in config.flows.items():
        wanted |= {f"flows.{name}.steps.{step}.collection": table.collection for step, table in flow.steps.items() if table.collection}
    documents = Documents(config.store)
    try:
        known = sorted({one.name for one in documents.collections()})
    finally:
        documents.close()
    mistakes = [
        f"{key} is '{name}', and nobody has a collection of that name. {_fix(name, known)}" for key, name in wanted.items() if name not in known
    ]
    if known and mistakes:
        raise ConfigError("\n".join(mistakes))


def _fix(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    meant = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(known)}."
    return f"{meant} Or bring documents in first: farthing docs add PATH --collection {name} --tenant TENANT."
