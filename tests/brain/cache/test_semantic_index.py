"""The index of a namespace: nearest keys, and graphs that outlive a restart."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.brain.cache.semantic.index import VectorIndex, key_of
from farthing.brain.cache.semantic.saved import SavedIndexes

MANY = 2300  # more than are compared one by one
SCOPE = b"scope"


def _vectors(count: int, dimensions: int = 32, seed: int = 1) -> "np.ndarray":
    rows = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _filled(vectors: "np.ndarray", index: VectorIndex | None = None) -> VectorIndex:
    index = VectorIndex() if index is None else index
    for key, vector in enumerate(vectors):
        index.add(key, vector)
    return index


@pytest.fixture(scope="module")
def vectors() -> "np.ndarray":
    return _vectors(MANY)


@pytest.fixture
def saved(tmp_path: Path) -> SavedIndexes:
    return SavedIndexes(tmp_path / "farthing.db.index", "minilm:1")


@pytest.mark.parametrize("count", [50, MANY])
def test_a_key_is_nearest_to_itself_until_it_is_gone(count: int) -> None:
    vectors = _vectors(count)
    index = _filled(vectors)
    assert [index.nearest(vectors[key], 5)[0][0] for key in (0, 7, count - 1)] == [0, 7, count - 1]
    index.remove(7)
    index.remove(7)
    assert len(index) == count - 1
    assert 7 not in index.nearest(vectors[7], 5)[0]


def test_a_graph_comes_back_as_it_was(vectors: "np.ndarray", saved: SavedIndexes) -> None:
    before = _filled(vectors)
    saved.write([(SCOPE, before)])
    after = VectorIndex()
    after.adopt(saved.read(SCOPE))
    assert len(after) == 0
    _filled(vectors, after).settle()
    assert len(after) == MANY
    assert after.nearest(vectors[3], 8) == before.nearest(vectors[3], 8)
    assert saved.read(b"another scope") is None


def test_keys_that_the_store_lacks_are_gone_and_those_it_has_beyond_the_file_are_there(vectors: "np.ndarray", saved: SavedIndexes) -> None:
    saved.write([(SCOPE, _filled(vectors[:-100]))])
    after = VectorIndex()
    after.adopt(saved.read(SCOPE))
    for key in range(50, MANY):
        after.add(key, vectors[key])
    after.settle()
    assert len(after) == MANY - 50
    assert after.nearest(vectors[MANY - 1], 1)[0] == [MANY - 1]
    assert all(key >= 50 for key in after.nearest(vectors[10], 100)[0])


def test_a_load_without_a_saved_graph_finds_what_keys_added_one_by_one_find(vectors: "np.ndarray") -> None:
    loaded = VectorIndex()
    loaded.adopt(None)
    _filled(vectors, loaded)
    loaded.remove(5)
    loaded.settle()
    assert (len(loaded), loaded.placed) == (MANY - 1, MANY - 1)
    one_by_one = _filled(vectors)
    one_by_one.remove(5)
    assert all(loaded.nearest(vectors[key], 1) == one_by_one.nearest(vectors[key], 1) for key in range(0, MANY, 100))
    assert 5 not in loaded.nearest(vectors[5], 20)[0]


def test_a_small_load_stays_a_list_that_is_compared_one_by_one(vectors: "np.ndarray") -> None:
    loaded = VectorIndex()
    loaded.adopt(None)
    _filled(vectors[:100], loaded).settle()
    assert loaded.graph is None
    assert loaded.nearest(vectors[7], 1)[0] == [7]


def test_what_a_load_drops_is_gone_from_its_graph_and_may_come_again(vectors: "np.ndarray", saved: SavedIndexes) -> None:
    saved.write([(SCOPE, _filled(vectors))])
    after = VectorIndex()
    after.adopt(saved.read(SCOPE))
    _filled(vectors, after)
    after.remove(3)
    after.remove(4)
    after.add(3, vectors[3])
    after.settle()
    assert len(after) == MANY - 1
    assert after.nearest(vectors[3], 1)[0] == [3]
    assert 4 not in after.nearest(vectors[4], 20)[0]


def test_what_a_load_had_to_build_is_saved_and_what_it_found_is_not_written_again(vectors: "np.ndarray", saved: SavedIndexes, tmp_path: Path) -> None:
    def load() -> VectorIndex:
        index = VectorIndex()
        index.adopt(saved.read(SCOPE))
        _filled(vectors, index).settle()
        saved.write_if_worn([(SCOPE, index)])
        return index

    assert load().placed == MANY
    (path,) = (tmp_path / "farthing.db.index").iterdir()
    written = path.stat().st_mtime_ns
    assert load().placed == 0
    assert path.stat().st_mtime_ns == written


def test_a_small_namespace_is_not_saved(vectors: "np.ndarray", saved: SavedIndexes, tmp_path: Path) -> None:
    saved.write([(SCOPE, _filled(vectors[:100]))])
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_not_opened(vectors: "np.ndarray", saved: SavedIndexes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved.write([(SCOPE, _filled(vectors))])
    (path,) = (tmp_path / "farthing.db.index").iterdir()
    whole = path.read_bytes()
    with caplog.at_level(logging.WARNING):
        for damaged in (b"", whole[: len(whole) // 2], whole[:5000] + b"\xff" + whole[5001:]):
            path.write_bytes(damaged)
            assert saved.read(SCOPE) is None
    assert "is damaged" in caplog.text
    path.write_bytes(whole)
    assert saved.read(SCOPE) is not None


def test_a_file_of_another_embedder_is_not_opened_and_goes_with_the_next_save(vectors: "np.ndarray", saved: SavedIndexes, tmp_path: Path) -> None:
    saved.write([(SCOPE, _filled(vectors))])
    other = SavedIndexes(tmp_path / "farthing.db.index", "minilm:2")
    assert other.read(SCOPE) is None
    other.write([(SCOPE, _filled(vectors))])
    assert len(list((tmp_path / "farthing.db.index").iterdir())) == 1
    assert saved.read(SCOPE) is None


def test_vectors_of_another_length_win_over_a_saved_graph(vectors: "np.ndarray", saved: SavedIndexes) -> None:
    saved.write([(SCOPE, _filled(vectors))])
    after = VectorIndex()
    after.adopt(saved.read(SCOPE))
    wider = _vectors(10, 48)
    _filled(wider, after).settle()
    assert (len(after), after.dimensions) == (10, 48)
    assert after.nearest(wider[2], 1)[0] == [2]


def test_a_folder_that_cannot_be_written_is_only_said(vectors: "np.ndarray", tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "taken").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        SavedIndexes(tmp_path / "taken", "minilm:1").write([(SCOPE, _filled(vectors))])
    assert "was not saved" in caplog.text


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=50, deadline=None)
def test_a_key_depends_on_its_answer_and_its_question(entry_id: str, question: str) -> None:
    assert 0 <= key_of(entry_id, question) < 2**63
    assert key_of(entry_id, question) != key_of(entry_id, question + "?")
    assert key_of(entry_id + "x", question) != key_of(entry_id, question)


def test_a_search_among_many_keys_looks_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farthing.brain.cache.semantic.index._BRUTE", 20)
    monkeypatch.setattr("farthing.brain.cache.semantic.index._MANY", 40)
    subject, rows = VectorIndex(), np.eye(64, dtype=np.float32)
    widths: list[int] = []
    for key, row in enumerate(rows):
        subject.add(key, row)
        assert subject.nearest(row, 1)[0] == [key]
        widths.append(0 if subject.graph is None else subject.graph.expansion_search)
    assert [widths[at] for at in (19, 20, 39, 40, 63)] == [0, 64, 64, 192, 192]
