"""Forgetting in every lane: what is dropped is gone everywhere within a second, what is not lives, and what was on its way does not go in."""

import asyncio
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.brain.cache.test_semantic_lane import CONSTANT, lane

from farthing.brain.cache import Answer, CacheLever, ExactCache, Origin
from farthing.brain.cache.persist import AnswerSync, answer_of
from farthing.brain.cache.semantic.entries import Entry, Kept
from farthing.brain.lessons import LessonSync
from farthing.brain.meaning import Meaning, vector_bytes
from farthing.config import Cache, Store
from farthing.core.clock import FrozenClock
from farthing.core.forgetting import KINDS, Buried, Drop, Facts, checked, index_mark, marks
from farthing.core.request import Dialect
from farthing.stores.sqlite import AnswerStore, Book, SemanticStore, StoredAnswer
from farthing.stores.sqlite.cachefile import CacheFile
from farthing.stores.sqlite.documents import Documents

NOW = 1_700_000_000.0
SOON_S = 0.2  # between two looks at the store

sources = st.sampled_from(["help/a@1", "help/a@2", "help/b@1", "shop/a@1", "plain@7", "odd"])
facts = st.builds(
    Facts,
    entry_id=st.sampled_from(["ans_1", "ans_2"]),
    tenant=st.sampled_from(["acme", "globex"]),
    endpoint=st.sampled_from(["faq", "shop"]),
    created_at=st.sampled_from([1.0, 2.0, 3.0]),
    sources=st.lists(sources, max_size=3).map(tuple),
    collection=st.sampled_from([None, "help", "shop"]),
    tags=st.sampled_from([(), ("legal",), ("legal", "x")]),
    prompt_version=st.sampled_from([None, "v1", "v2"]),
    policy_version=st.sampled_from([None, "p1"]),
)
values = {
    "entry": ["ans_1"],
    "dispute": ["ans_2"],
    "document": ["help/a", "help/a@2", "plain@7", "odd"],
    "source": ["help/a@1"],
    "collection": ["help"],
    "unfounded": ["shop"],
    "tenant": ["acme"],
    "endpoint": ["faq"],
    "prompt": ["v1"],
    "policy": ["p1"],
    "tag": ["x"],
    "before": ["2.0"],
    "all": [""],
}
drops = st.sampled_from(KINDS).flatmap(
    lambda kind: st.builds(Drop, st.just(kind), st.sampled_from(values[kind]), st.sampled_from([None, "acme"]), st.sampled_from([1.0, 2.0, 3.0]))
)


def answer(found: Facts) -> Answer:
    origin = Origin(
        found.endpoint, collection=found.collection, tags=found.tags, prompt_version=found.prompt_version, policy_version=found.policy_version
    )
    return Answer(
        Dialect.CHAT, False, b"{}", "svc", "m", "cheap", None, None, "stop", found.entry_id, found.created_at, NOW, None, found.sources, origin
    )


@given(facts, drops)
def test_the_index_finds_all_that_a_drop_names(found: Facts, drop: Drop) -> None:
    mark = index_mark(drop)
    assert not drop.hits(found) or mark is None or mark in set(marks(found))


@given(st.lists(facts, max_size=8), drops)
def test_memory_forgets_just_what_a_drop_names_and_lets_nothing_older_in(kept: list[Facts], drop: Drop) -> None:
    cache = ExactCache(max_bytes=100_000, max_entry_bytes=5000)
    by_id = {str(number): found for number, found in enumerate(kept)}
    for key, found in by_id.items():
        cache.put(key.encode(), answer(found), found.tenant)
    cache.drop(drop)
    for key, found in by_id.items():
        was_replaced = drop.kind in ("entry", "dispute") and any(later.entry_id == found.entry_id for later in kept[int(key) + 1 :])
        if not was_replaced:  # two answers never share an id outside of this test
            assert (cache.peek(key.encode()) is None) == drop.hits(found)
        assert cache.put(key.encode(), answer(found), found.tenant) != drop.hits(found)


@given(facts, drops)
def test_what_is_buried_covers_what_the_drop_hits(found: Facts, drop: Drop) -> None:
    buried = Buried()
    buried.add(drop)
    assert buried.cover(found) == drop.hits(found)


@given(st.lists(facts, max_size=6), drops)
@settings(max_examples=60, deadline=None)
def test_the_store_forgets_just_what_a_drop_names_in_both_lanes(tmp_path_factory: pytest.TempPathFactory, kept: list[Facts], drop: Drop) -> None:
    path = tmp_path_factory.mktemp("drops") / "f.db"

    async def scenario() -> None:
        book = await Book.open(Store(path=str(path)), worker="0", clock=FrozenClock(2.5))
        answers, lessons = AnswerStore(book), SemanticStore(book)
        for number, found in enumerate(kept):
            found = Facts(f"ans_{number}", *[getattr(found, name) for name in Facts.__struct_fields__[1:]])
            assert answers.keep(b"%d" % number, found, NOW, b"{}", b"{}")
            assert lessons.keep(found, NOW, "e", b"", b"l")
        await book.run(lambda _: 0)
        await book.close()
        book = await Book.open(Store(path=str(path)), worker="0", clock=FrozenClock(2.5))
        answers, lessons = AnswerStore(book), SemanticStore(book)
        value = {"ans_1": "ans_0", "ans_2": "ans_1"}.get(drop.value, drop.value)
        what = Drop(drop.kind, value, drop.tenant, drop.at)
        named = [Facts(f"ans_{number}", *[getattr(found, name) for name in Facts.__struct_fields__[1:]]) for number, found in enumerate(kept)]
        live = {found.entry_id for found in named if not what.hits(found)}
        await answers.forget(what)
        assert {one.entry_id for one in answers.load(10_000)} == live
        assert {one.entry_id for _, one in lessons.since((0, 0, 0)).lessons} == live
        await book.close()

    asyncio.run(scenario())


class Worker:
    """The memory of one worker, as `assemble.recall` puts it together."""

    def __init__(self, book: Book, clock: FrozenClock) -> None:
        self.clock, self.answers = clock, AnswerStore(book)
        self.sync = AnswerSync(self.answers, lambda: self.cache, lone=False)
        self.cache = CacheLever(Cache(), fresh=self.sync.fresh, catch_up=self.catch_up)
        self.meaning = Meaning(lane(), clock)
        self.lessons = LessonSync(SemanticStore(book), self.meaning)
        self.sync.load()
        self.lessons.load()

    def catch_up(self) -> None:
        self.sync.catch_up()
        self.lessons.catch_up()

    def keep(self, number: int, key: bytes, source: str, tenant: str, asked_at: float) -> None:
        """An answer has come to a request of `asked_at`."""
        origin = Origin("faq", normalised=b"n" + key)
        fresh = Answer(
            Dialect.CHAT, False, b"{}", "svc", "m", "cheap", None, None, "stop", f"ans_{number}", asked_at, NOW + 1e6, None, (source,), origin
        )
        if self.cache.entries.put(key, fresh, tenant):
            self.sync.fresh(key, tenant, fresh)
        entry = Entry(fresh.entry_id, b"s" + key, tenant, "faq", key.decode(), fresh, "text", "anna", (source,))
        if not self.meaning.lane._buried.cover(entry.facts):  # as `keep` does after the judge
            self.meaning.lane.place(entry, CONSTANT)
            kept = Kept(entry.entry_id, entry.scope, "constant", entry.question, entry.voice, entry=entry)
            self.lessons.keep(kept, entry, CONSTANT.astype(np.float16).tobytes())

    def has(self, key: bytes) -> list[Answer]:
        """What any lane would give for this question."""
        now = self.clock.now()
        found = self.cache.entries.get_normalised(b"n" + key, now)
        space = self.meaning.lane._spaces.get(b"s" + key)
        held = [
            self.cache.entries.get(key, now),
            None if found is None else found[1],
            *(entry.answer for entry in (space.entries.values() if space else ())),
        ]
        return [one for one in held if one is not None]


async def interleave(path: Path, steps: int, seed: int) -> tuple[int, int, int]:
    """Random stores, hits and drops of two workers over one file on virtual time. Stale hits beyond a second, hits, and hits within it."""
    chance, clock = random.Random(seed), FrozenClock(NOW)
    books = [await Book.open(Store(path=str(path)), worker=name, clock=clock) for name in "01"]
    workers = [Worker(book, clock) for book in books]
    keys = [b"q%d" % number for number in range(12)]
    dropped: list[Drop] = []
    flying: list[tuple[int, bytes, str, str, float]] = []
    stale = hits = late = number = 0
    looked = NOW
    for _ in range(steps):
        clock.advance(chance.choice((0.001, 0.01, 0.05)))
        worker = chance.choice(workers)
        key, tenant = chance.choice(keys), chance.choice(("acme", "globex"))
        match chance.choice(("ask", "answer", "answer", "hit", "hit", "hit", "drop")):
            case "ask":
                number += 1
                flying.append((number, key, f"help/{chance.randrange(4)}@1", tenant, clock.now()))
            case "answer" if flying:
                worker.keep(*flying.pop(chance.randrange(len(flying))))
            case "hit":
                for found in worker.has(key):
                    hits += 1
                    known = [
                        drop for drop in dropped if drop.hits(found.facts(tenant)) or drop.hits(found.facts("acme" if tenant != "acme" else "globex"))
                    ]
                    known = [drop for drop in known if drop.tenant is None]
                    stale += any(clock.now() - drop.at > 1.0 for drop in known)
                    late += any(clock.now() - drop.at <= 1.0 for drop in known)
            case "drop":
                drop = chance.choice(
                    (
                        Drop("source", f"help/{chance.randrange(4)}@1", None, clock.now()),
                        Drop("document", f"help/{chance.randrange(4)}", None, clock.now()),
                        Drop("entry", f"ans_{chance.randrange(1, number + 2)}", None, clock.now()),
                        Drop("before", repr(clock.now() - 2), None, clock.now()),
                    )
                )
                if chance.random() < 0.7:  # by the gateway: here at once
                    worker.sync.drop(drop)
                    worker.meaning.lane.drop(drop)
                await worker.answers.forget(drop)
                dropped.append(drop)
            case _:
                pass
        if clock.now() - looked >= SOON_S:
            looked = clock.now()
            for each in workers:
                each.catch_up()
        if chance.random() < 0.1:
            await asyncio.sleep(0)
    for book in books:
        await book.close()
    return stale, hits, late


def test_no_interleaving_of_two_workers_serves_what_was_dropped_a_second_ago(tmp_path: Path) -> None:
    """bench/cache_gateway.py runs ten times as many."""
    stale, hits, _ = asyncio.run(interleave(tmp_path / "f.db", 1000, 7))
    assert hits > 50
    assert stale == 0


def test_however_many_drops_one_look_applies_all_and_a_change_of_documents_hides_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        store, clock = Store(path=str(tmp_path / "f.db")), FrozenClock(NOW)
        books = [await Book.open(store, worker=name, clock=clock) for name in "01"]
        one, two = (Worker(book, clock) for book in books)
        for number in range(640, 660):
            one.keep(number, b"q%d" % number, f"help/doc{number}@1", "acme", NOW)
        while len(two.cache.entries) < 20 or two.meaning.lane.keys < 20:
            await books[0].run(lambda _: 0)  # what may wait is written with the next group
            two.catch_up()
        clock.advance(1)
        file = CacheFile(store, clock=clock)
        for number in range(600, 650):
            file.forget(Drop("entry", f"ans_{number}", None, clock.now()))
        for number in range(600):
            file.forget(Drop("entry", f"ans_{number}", None, clock.now()))
        documents = Documents(store, clock=clock)
        documents.open_collection("acme", "help", embedder="e", chunking="c")
        for _ in range(2):
            clock.advance(1)
            documents.put("acme", "help", "doc650", digest=b"d", size_bytes=1, chunks=[])
        two.catch_up()
        assert (len(two.cache.entries), two.meaning.lane.keys) == (9, 9)
        assert two.has(b"q650") == []
        assert len(two.has(b"q651")) == 3
        one.keep(900, b"q650", "help/doc650@1", "acme", clock.now() + 5)
        one.catch_up()
        assert one.has(b"q650") == []  # that version does not come back, whenever it was asked
        for opened in (file, documents):
            opened.close()
        for book in books:
            await book.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_call_in_flight_when_something_is_dropped_takes_nobody_aboard() -> None:
    cache = CacheLever(Cache())
    flight = cache.flights.lead(b"k", b"n")
    sync = AnswerSync(NoShelf(), lambda: cache, lone=True)
    sync.drop(Drop("document", "help/a", at=NOW))
    assert (cache.flights.get(b"k"), cache.flights.get(b"n")) == (None, None)
    cache.flights.end(flight)


class NoShelf:
    """Nothing is on it."""

    def cursor(self) -> tuple[int, int]:
        return 0, 0

    def load(self, limit_bytes: int) -> list[StoredAnswer]:
        del limit_bytes
        return []

    def since(self, cursor: tuple[int, int]) -> object:
        raise NotImplementedError(cursor)

    def keep(self, key: bytes, facts: Facts, expires_at: float, meta: bytes, body: bytes) -> bool:
        raise NotImplementedError(key, facts, expires_at, meta, body)


def test_rows_that_cannot_be_read_are_no_answers() -> None:
    row = StoredAnswer(b"k", "acme", "faq", "ans_1", NOW, NOW + 1, b"\xff{", b"{}")
    assert answer_of(row) is None


@pytest.mark.parametrize(("kind", "value"), [("moon", "x"), ("tag", ""), ("age", "old"), ("dispute", "x"), ("before", "1")])
def test_what_an_operator_cannot_say(kind: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        checked(kind, value, None, NOW)


def test_age_counts_back_from_now() -> None:
    drop = checked("age", "60", "acme", NOW)
    assert drop.hits(Facts("a", "acme", "faq", NOW - 61))
    assert not drop.hits(Facts("a", "acme", "faq", NOW - 59))
    assert not drop.hits(Facts("a", "globex", "faq", NOW - 61))


def test_vectors_are_stored_in_half_precision() -> None:
    pending = lane().decide(b"s", "q", CONSTANT, "anna", NOW)
    assert len(vector_bytes(pending.vector)) == 2 * len(CONSTANT)
