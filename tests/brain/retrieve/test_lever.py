"""The door of retrieval: a hosted reranker's order, and ours where it fails; questions of a conversation made to stand alone."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from farthing import config
from farthing.brain.retrieve.base import Found
from farthing.brain.retrieve.lever import Retriever
from farthing.brain.retrieve.library import Library
from farthing.brain.retrieve.rank import shipped
from farthing.brain.retrieve.rewrite import query_of, rewrite_body, worth_rewriting
from farthing.brain.retrieve.talk import SmallTalk
from farthing.core.errors import NotFound, Unavailable, UpstreamBroken
from farthing.core.exchange import Target
from farthing.core.request import Turn
from farthing.lab.ingest.run import Ingest
from farthing.stores.sqlite.documents import Documents
from tests.brain.retrieve.rig import HashEmbedder, vector, word_count

QUESTION = "which goods may be returned"


class Asked(HashEmbedder):
    async def embed(self, text: str) -> NDArray[np.float32]:
        return vector(text)


class Words:
    def count(self, text: str, model: str) -> int:
        del model
        return word_count(text)

    def estimate(self, size_bytes: int) -> int:
        return size_bytes // 4


class Judge:
    """Prefers what holds a word, or fails."""

    target, usd = Target("cohere", "rerank"), Decimal("0.002")

    def __init__(self, word: str | None) -> None:
        self.word = word

    async def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        assert question == QUESTION
        if self.word is None:
            raise UpstreamBroken("The reranker failed.")
        return [0.99 if self.word in text else 0.01 for text in texts]


@pytest.fixture
def store(tmp_path: Path) -> config.Store:
    place = config.Store(path=str(tmp_path / "d.db"))
    documents = Documents(place)
    texts = {"a": "Goods may be returned within thirty days.", "b": "Parcels with plums leave on Mondays.", "c": "The office is open."}
    for name, text in texts.items():
        (tmp_path / f"{name}.md").write_text(text)
    paths = [tmp_path / f"{name}.md" for name in texts]
    Ingest(documents, HashEmbedder(), config.Retrieve(), tenant="acme", collection="faq").add(paths)
    documents.close()
    return place


def find(store: config.Store, judge: Judge | None, collection: str = "faq", embedder: str = "hash:1") -> Found:
    asked = Asked()
    asked.id = embedder
    talk = SmallTalk("other", [0.0], 0.0)
    retriever = Retriever(Library(Documents(store), shipped()), Documents(store), asked, Words(), talk, reranker=judge)
    try:
        return asyncio.run(retriever.find("acme", collection, QUESTION, budget_tokens=13, model="m", hosted=True))
    finally:
        retriever.close()


def test_its_order_decides_what_the_budget_goes_to(store: config.Store) -> None:
    assert find(store, None).sources == ("faq/a.md@1",)
    found = find(store, Judge("plums"))
    assert found.sources == ("faq/b.md@1",)
    assert found.reranked_s is not None
    assert found.rerank_error is None


def test_where_it_fails_the_local_ranking_holds(store: config.Store) -> None:
    found = find(store, Judge(None))
    assert (found.sources, found.rerank_error) == (("faq/a.md@1",), "upstream_broken")


def test_what_cannot_be_asked_says_why(store: config.Store) -> None:
    with pytest.raises(NotFound, match="docs add"):
        find(store, None, collection="absent")
    with pytest.raises(Unavailable, match="docs reindex"):
        find(store, None, embedder="other:2")


def test_only_a_conversation_is_rewritten() -> None:
    one = (Turn("system", "s"), Turn("user", "what is returned?"))
    assert not worth_rewriting(one)
    more = (*one, Turn("assistant", "Goods."), Turn("user", "and when?"))
    assert worth_rewriting(more)
    assert b"and when?" in rewrite_body("m", more)
    assert b'"s"' not in rewrite_body("m", more)


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ('"When are goods returned?"\n', "When are goods returned?\nand when?"),
        ("", "and when?"),
        ("Sure! Here it is:\nWhen are goods returned?", "and when?"),
        ("x" * 3000, "and when?"),
    ],
)
def test_what_is_of_no_use_leaves_the_question(answer: str, question: str) -> None:
    assert query_of(answer, "and when?") == question
