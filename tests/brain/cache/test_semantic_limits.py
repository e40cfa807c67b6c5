"""What bounds the lane: age, memory, value; and rows that cannot be used."""

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.brain.cache.test_exact import answer
from tests.brain.cache.test_semantic_lane import CONSTANT, NOW, ask, entry, lane, teach

from farthing.brain.cache import ExactCache
from farthing.brain.cache.semantic.entries import Kept
from farthing.brain.lessons import LessonSync, Written, encode
from farthing.brain.meaning import Meaning
from farthing.config import Store
from farthing.core.clock import FrozenClock
from farthing.core.forgetting import Drop
from farthing.stores.sqlite import Book, SemanticStore


def test_trust_decays_with_age_where_a_half_life_says_so() -> None:
    subject = lane(half_life_s=1000.0, max_wrong_per_hit=0.05)
    asyncio.run(teach(subject))
    assert ask(subject, "How can I get a refund?").serves is not None
    pending = None
    for _ in range(50):
        pending = subject.decide(b"s", "How can I get a refund?", CONSTANT, "anna", NOW + 80)  # 5.4 % are out of date by then
        if not pending.look.audited:
            break
    assert pending is not None
    assert pending.serves is None
    assert "half_life_s" in pending.look.reason


def test_a_caller_with_a_stricter_bound_is_served_for_less_long() -> None:
    subject = lane(half_life_s=1000.0, max_wrong_per_hit=0.05)
    asyncio.run(teach(subject))
    served = [subject.decide(b"s", "How can I get a refund?", CONSTANT, "anna", NOW + 20, max_wrong=bound).serves for bound in [0.001] * 30]
    assert served == [None] * 30


def test_what_saved_least_for_its_bytes_goes_first_and_the_store_hears_of_it() -> None:
    subject, gone = lane(max_mb=1.0), list[str]()
    subject.evicted = lambda entry_ids: not gone.extend(entry_ids)
    for number in range(60):
        made = entry(number, question=f"question {number}")
        cost = Decimal(1) if number % 2 else Decimal("0.001")
        costly = msgspec.structs.replace(made.answer, body=b"x" * 40_000, cost_usd=cost)
        subject.place(msgspec.structs.replace(made, answer=costly), CONSTANT)
    assert subject.size_bytes <= 1_048_576
    assert len(gone) >= 30
    assert {int(entry_id[4:]) % 2 for entry_id in gone[:15]} == {0}
    assert subject.size_bytes == sum(space.bytes_of(group) for space in subject._spaces.values() for group in space.entries)


def test_forgetting_everything_leaves_no_bytes() -> None:
    subject = lane()
    for number in range(9):
        subject.place(entry(number, question=f"question {number}", sources=("help/a@1",)), CONSTANT)
    subject.drop(Drop("document", "help/a", at=NOW))
    assert (subject.keys, subject.size_bytes, subject._marked, subject._where) == (0, 0, {}, {})


def test_the_exact_lane_keeps_what_saves_most_for_its_bytes() -> None:
    cache = ExactCache(max_bytes=10_000, max_entry_bytes=5_000)
    dear = msgspec.structs.replace(answer(b"x" * 400), cost_usd=Decimal(1), entry_id="dear")
    cache.put(b"dear", dear, "acme")
    for number in range(40):
        cache.put(b"%d" % number, msgspec.structs.replace(answer(b"x" * 400), cost_usd=Decimal("0.0001"), entry_id=f"e{number}"), "acme")
    assert cache.get(b"dear", 0.0) is not None
    cache.put(b"served", msgspec.structs.replace(answer(b"x" * 400), cost_usd=Decimal("0.0001"), entry_id="served"), "acme")
    for number in range(5):
        assert cache.get(b"served", 0.0) is not None
        cache.put(b"more %d" % number, msgspec.structs.replace(answer(b"x" * 400), cost_usd=Decimal("0.0001"), entry_id=f"m{number}"), "acme")
    assert cache.get(b"served", 0.0) is not None


@pytest.mark.parametrize(
    ("vector", "lesson"),
    [
        (CONSTANT.astype(np.float16).tobytes(), b"\xff not a lesson"),
        (b"odd", None),
        (np.ones(5, np.float16).tobytes(), None),
        (CONSTANT.astype(np.float16).tobytes(), b""),
    ],
    ids=["unreadable", "half a number", "another length", "empty"],
)
def test_rows_that_cannot_be_used_are_set_aside(tmp_path: Path, vector: bytes, lesson: bytes | None) -> None:
    async def scenario() -> None:
        clock = FrozenClock(NOW)
        book = await Book.open(Store(path=str(tmp_path / "f.db")), worker="0", clock=clock)
        store = SemanticStore(book)
        good = entry(1)
        row = Written("another worker", Kept(good.entry_id, good.scope, "constant", good.question, "anna", entry=good))
        assert store.keep(good.facts, NOW + 9, "constant", CONSTANT.astype(np.float16).tobytes(), encode(row))
        other = entry(2)
        fine = encode(Written("another worker", Kept(other.entry_id, other.scope, "constant", "q", "anna", entry=other)))
        assert store.keep(other.facts, NOW + 9, "constant", vector, fine if lesson is None else lesson)
        await book.close()
        book = await Book.open(Store(path=str(tmp_path / "f.db")), worker="0", clock=clock)
        meaning = Meaning(lane(), clock)
        sync = LessonSync(SemanticStore(book), meaning)
        sync.load()
        assert (sync.set_aside, meaning.lane.group_of("ans_1") is not None, meaning.lane.group_of("ans_2")) == (1, True, None)
        assert len(meaning.lane._spaces[b"s"].index) == 1
        await book.close()

    asyncio.run(scenario())
