"""Documents in the store: versions, tenants, what goes stale."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import config
from farthing.core.document import Chunk
from farthing.core.errors import ConfigError
from farthing.stores.sqlite.documents import Documents


def chunk(text: str, place: int = 0) -> Chunk:
    return Chunk(place, text.encode()[:16].ljust(16), "h", text, ((0, len(text)),), b"\1\0\0\0\0\0\0\0", b"\5" * 4, b"\6" * 4)


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    opened = Documents(config.Store(path=str(tmp_path / "d.db")))
    yield opened
    opened.close()


def put(documents: Documents, tenant: str, collection: str, name: str, *texts: str) -> None:
    documents.open_collection(tenant, collection, embedder="e", chunking="c")
    made = [chunk(text, place) for place, text in enumerate(texts)]
    documents.put(tenant, collection, name, digest=b"d", size_bytes=1, chunks=made)


def test_a_new_version_replaces_the_old_one_and_makes_it_stale(documents: Documents) -> None:
    put(documents, "acme", "faq", "a.md", "first")
    assert documents.version("acme", "faq") == 1
    put(documents, "acme", "faq", "a.md", "second", "third")
    assert [one.version for one in documents.documents("acme")] == [2]
    assert documents.version("acme", "faq") == 2
    assert [row[1:] for row in documents.changes(0)] == [("acme", "faq/a.md@1")]
    ids = [row.id for row in documents.index_rows("acme", "faq")]
    assert [one.text for one in documents.chunks("acme", "faq", ids)] == ["second", "third"]


def test_a_document_that_comes_back_goes_on_counting(documents: Documents) -> None:
    put(documents, "acme", "faq", "a.md", "first")
    assert documents.remove("acme", "faq", ["a.md", "none.md"]) == 1
    assert documents.documents("acme") == []
    assert documents.index_rows("acme", "faq") == []
    put(documents, "acme", "faq", "a.md", "again")
    assert documents.documents("acme")[0].source == "faq/a.md@2"


def test_another_embedder_is_told_what_to_do(documents: Documents) -> None:
    put(documents, "acme", "faq", "a.md", "first")
    with pytest.raises(ConfigError, match="docs reindex PATH --collection faq --tenant acme"):
        documents.open_collection("acme", "faq", embedder="other", chunking="c")


NAMES = st.sampled_from(["acme", "globex", "a' OR 1=1 --", "%", ""])
COLLECTIONS = st.sampled_from(["faq", "policies", "faq_", "FAQ"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NAMES, COLLECTIONS), min_size=1, max_size=6), NAMES, COLLECTIONS)
def test_no_tenant_reaches_another_s_chunks(homes: list[tuple[str, str]], tenant: str, collection: str) -> None:
    """Whatever ids are asked for: only chunks of that tenant and collection come."""
    with tempfile.TemporaryDirectory() as folder:
        documents = Documents(config.Store(path=f"{folder}/d.db"))
        try:
            for number, (owner, home) in enumerate(homes):
                put(documents, owner, home, f"{number}.md", f"{owner}|{home}")
            got = documents.chunks(tenant, collection, list(range(1, 20)))
            assert {one.text for one in got} <= {f"{tenant}|{collection}"}
            assert len(got) == homes.count((tenant, collection))
            assert {row.id for row in documents.index_rows(tenant, collection)} == {one.id for one in got}
        finally:
            documents.close()


@pytest.mark.parametrize("name", ["a@b", "a/b", "", "x" * 65, "a b"])
def test_a_collection_s_name_cannot_be_taken_for_a_source(documents: Documents, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a collection"):
        documents.open_collection("acme", name, embedder="e", chunking="c")


def test_vectors_of_another_embedder_go_at_once_and_all_counts_as_changed(documents: Documents) -> None:
    put(documents, "acme", "faq", "a.md", "first")
    documents.adopt("acme", "faq", embedder="other", chunking="c")
    assert documents.index_rows("acme", "faq") == []
    kept = documents.document("acme", "faq", "a.md")
    assert kept is not None
    assert (kept.version, kept.digest) == (1, b"")
    documents.open_collection("acme", "faq", embedder="other", chunking="c")
