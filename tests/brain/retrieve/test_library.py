"""Indexes of one process: each tenant its own, made anew after a change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing import config
from farthing.brain.retrieve.library import Library
from farthing.brain.retrieve.rank import shipped
from farthing.core.errors import NotFound
from farthing.lab.ingest.run import Ingest
from farthing.stores.sqlite.documents import Documents
from tests.brain.retrieve.rig import HashEmbedder, vector, word_count


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    opened = Documents(config.Store(path=str(tmp_path / "d.db")))
    yield opened
    opened.close()


def bring(documents: Documents, tenant: str, path: Path, text: str) -> None:
    path.write_text(text)
    Ingest(documents, HashEmbedder(), config.Retrieve(), tenant=tenant, collection="faq").add([path])


def found(library: Library, tenant: str, question: str) -> list[str]:
    finder = library.finder(tenant, "faq")
    return [one.text for one in finder.find(question, vector(question), budget_tokens=100, count=word_count).excerpts]


def test_a_tenant_finds_its_own_and_nobody_else_s(documents: Documents, tmp_path: Path) -> None:
    bring(documents, "acme", tmp_path / "a.md", "The secret word of acme is plum.")
    bring(documents, "globex", tmp_path / "a.md", "The secret word of globex is pear.")
    library = Library(documents, shipped())
    assert found(library, "acme", "what is the secret word") == ["The secret word of acme is plum."]
    assert found(library, "globex", "what is the secret word") == ["The secret word of globex is pear."]
    with pytest.raises(NotFound, match="docs add"):
        library.finder("initech", "faq")


def test_the_next_question_sees_a_change(documents: Documents, tmp_path: Path) -> None:
    library = Library(documents, shipped())
    bring(documents, "acme", tmp_path / "a.md", "The secret word is plum.")
    assert found(library, "acme", "what is the secret word") == ["The secret word is plum."]
    bring(documents, "acme", tmp_path / "a.md", "The secret word is quince.")
    assert found(library, "acme", "what is the secret word") == ["The secret word is quince."]
    documents.remove("acme", "faq")
    assert found(library, "acme", "what is the secret word") == []
