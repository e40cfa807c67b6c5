"""A worker that starts with the graph that an earlier one saved: the store decides what is in it."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tests.brain.cache.test_semantic_lane import NOW, entry, lane

from farthing.brain.cache.semantic import index
from farthing.brain.cache.semantic.entries import Kept
from farthing.brain.cache.semantic.saved import SavedIndexes
from farthing.brain.lessons import LessonSync
from farthing.brain.meaning import Meaning
from farthing.config import Store
from farthing.core.clock import FrozenClock
from farthing.core.forgetting import Drop
from farthing.stores.sqlite import AnswerStore, Book, SemanticStore

QUESTIONS = 120


def _vector(number: int) -> "np.ndarray":
    row = np.random.default_rng(number).normal(size=16).astype(np.float16).astype(np.float32)
    return row / np.linalg.norm(row)


async def _write(store: SemanticStore, numbers: range) -> None:
    sync = LessonSync(store, Meaning(lane(), FrozenClock(NOW)))
    for number in numbers:
        fresh = entry(number, question=f"question {number}", sources=(f"doc{number % 2}@1",))
        kept = Kept(fresh.entry_id, fresh.scope, "constant", fresh.question, fresh.voice, entry=fresh)
        while not sync.keep(kept, fresh, _vector(number).astype(np.float16).tobytes()):
            await asyncio.sleep(0)


async def _loaded(store: SemanticStore, saved: SavedIndexes | None, keys: int) -> Meaning:
    """A worker that has read everything."""
    while True:
        meaning = Meaning(lane(), FrozenClock(NOW))
        LessonSync(store, meaning).load(saved)
        if meaning.lane.keys == keys:
            return meaning
        await asyncio.sleep(0)


def _nearest(meaning: Meaning, number: int) -> str:
    pending = meaning.lane.decide(b"s", f"question {number}", _vector(number), "anna", NOW)
    assert pending.look.candidate is not None
    entries = {meaning.lane.group_of(f"ans_{other}"): other for other in range(2 * QUESTIONS)}
    return f"question {entries[pending.look.candidate.group]}"


def test_a_saved_graph_gives_what_the_store_gives_whatever_happened_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_BRUTE", 20)

    async def scenario() -> None:
        book = await Book.open(Store(path=str(tmp_path / "book.db")), worker="0", clock=FrozenClock(NOW))
        store, saved = SemanticStore(book), SavedIndexes(tmp_path / "book.db.index", "constant")
        await _write(store, range(QUESTIONS))
        first = await _loaded(store, saved, QUESTIONS)
        saved.write(first.lane.indexes())
        assert list((tmp_path / "book.db.index").glob("*.index"))
        await AnswerStore(book).forget(Drop("document", "doc1", at=NOW + 1))
        await _write(store, range(QUESTIONS, QUESTIONS + 30, 2))
        left = QUESTIONS // 2 + 15
        with_graph, without = await _loaded(store, saved, left), await _loaded(store, None, left)
        for meaning in (with_graph, without):
            ((_, graph),) = meaning.lane.indexes()
            assert len(graph) == left
            assert [_nearest(meaning, number) for number in (0, 58, QUESTIONS + 4)] == ["question 0", "question 58", f"question {QUESTIONS + 4}"]
            assert _nearest(meaning, 57) != "question 57"
        await book.close()

    asyncio.run(scenario())
