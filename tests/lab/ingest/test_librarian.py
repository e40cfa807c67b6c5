"""What is done with documents by the command line and over HTTP alike: embedding anew from the store, and what stops it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from farthing import config
from farthing.core.clock import SystemClock
from farthing.core.errors import ConfigError, NotFound
from farthing.core.web import WebReply, WebRequest
from farthing.lab.ingest.files import given
from farthing.lab.ingest.librarian import Librarian
from farthing.stores.sqlite.documents import Documents
from tests.brain.retrieve.rig import HashEmbedder, vector, word_count


class Embedder(HashEmbedder):
    def embed_now(self, text: str) -> NDArray[np.float32]:
        return vector(text)


class Words:
    def count(self, text: str, model: str) -> int:
        del model
        return word_count(text)


class Web:
    """Pages by host; counts what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, asked: WebRequest) -> WebReply:
        self.asked.append(asked.target)
        return WebReply(200, "text/html", b"<h1>Plums</h1><p>Plums are blue.</p>")


@pytest.fixture
def store(tmp_path: Path) -> config.Store:
    return config.Store(path=str(tmp_path / "d.db"))


@pytest.fixture
def librarian(store: config.Store) -> Iterator[Librarian]:
    opened = hired(store, Embedder())
    opened.add("acme", "faq", [given("a.md", b"# Pears\n\nPears are green.", most_bytes=99), given("b.md", b"Figs are sweet.", most_bytes=99)])
    yield opened
    opened.close()


def hired(store: config.Store, embedder: Embedder, **settings: object) -> Librarian:
    retrieve = config.Retrieve(url_hosts=("fruit.example",), **settings)  # type: ignore[arg-type]
    return Librarian(config.Config(store=store, retrieve=retrieve), Documents(store), embedder, SystemClock(), Web())


def test_another_embedder_embeds_anew_what_is_stored(store: config.Store, librarian: Librarian) -> None:
    other = Embedder()
    other.id = "hash:2"
    changed = hired(store, other)
    with pytest.raises(ConfigError, match="docs reindex"):
        changed.search("acme", "faq", "pears", tokens=Words())
    report = changed.reindex("acme", "faq")
    assert (report.changed, report.embedded) == (2, 2)
    assert changed.search("acme", "faq", "which are green?", tokens=Words()).excerpts[0].source == "faq/a.md@2"
    with pytest.raises(ConfigError, match="docs reindex"):
        librarian.search("acme", "faq", "pears", tokens=Words())
    changed.close()


def test_stopped_halfway_no_question_is_compared_with_two_kinds_of_vectors(store: config.Store, librarian: Librarian) -> None:
    class Tired(Embedder):
        id = "hash:2"

        def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.texts += texts
            raise KeyboardInterrupt

    tired = hired(store, Tired())
    with pytest.raises(KeyboardInterrupt):
        tired.reindex("acme", "faq")
    for one in (tired, librarian):
        with pytest.raises(ConfigError, match="docs reindex"):
            one.search("acme", "faq", "pears", tokens=Words())
    librarian.reindex("acme", "faq")
    assert librarian.search("acme", "faq", "which are green?", tokens=Words()).excerpts
    tired.close()


def test_other_sizes_need_the_documents_again(store: config.Store, librarian: Librarian) -> None:
    assert librarian.listed("acme", "faq")
    resized = hired(store, Embedder(), chunk_tokens=64)
    with pytest.raises(ConfigError, match="documents themselves"):
        resized.reindex("acme", "faq")
    resized.close()


def test_a_page_that_has_not_changed_is_passed_over(librarian: Librarian) -> None:
    address = "https://fruit.example/plums"
    assert librarian.add("acme", "faq", [], [address, "https://other.example/x"]).added == 1
    again = librarian.add("acme", "faq", [], [address])
    assert (again.unchanged, again.embedded) == (1, 0)
    assert "fruit.example/plums" in {one.name for one in librarian.listed("acme", "faq")}


def test_an_unknown_collection_names_those_that_are_there(librarian: Librarian) -> None:
    with pytest.raises(NotFound, match=r"no collection 'absent'; it has: faq"):
        librarian.remove("acme", "absent", None)
    with pytest.raises(NotFound, match="it has: none"):
        librarian.listed("globex", "faq")


def test_one_that_is_stopping_begins_no_further_document(librarian: Librarian) -> None:
    librarian.stopping = True
    assert librarian.add("acme", "faq", [given("c.md", b"Kiwis.", most_bytes=99)]).added == 0


def test_a_search_says_what_was_looked_for_and_why(store: config.Store) -> None:
    named = hired(store, Embedder(), synonyms=(config.Synonyms(words=("verdant", "green")),))
    named.add("acme", "faq", [given("a.md", b"# Pears\n\nPears (all of them) are green.", most_bytes=99)])
    found = named.search("acme", "faq", "which pears are verdant", tokens=Words())
    assert [(one.words, one.instead_of, one.rule) for one in found.sought] == [
        ("pear", None, None),
        ("verdant", None, None),
        ("green", "verdant", "synonyms"),
    ]
    own, other = found.sought[1].weight, found.sought[2].weight
    assert 0 < other < own
    named.close()
