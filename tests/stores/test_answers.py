"""Answers in the file: kept over a restart, shared between workers, deleted for everyone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from farthing import config
from farthing.core.clock import FrozenClock
from farthing.core.forgetting import Drop, Facts
from farthing.stores.sqlite import AnswerStore, Book, StoredAnswer
from tests.stores.samples import NOON, query, row

Test = Callable[[Book, AnswerStore], Awaitable[None]]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "answers.db")


def answer(key: str, tenant: str = "acme", body: bytes = b"{}", created_at: float = NOON, expires_at: float = NOON + 100) -> StoredAnswer:
    return StoredAnswer(key.encode(), tenant, "faq", f"entry {key}", created_at, expires_at, b"meta", body)


def with_store(path: str, test: Test, *, clock: FrozenClock | None = None, max_bytes: int = 1_000_000) -> None:
    async def run() -> None:
        book = await Book.open(config.Store(path=path), worker="w1", clock=clock or FrozenClock(NOON))
        try:
            await test(book, AnswerStore(book, max_bytes=max_bytes))
        finally:
            await book.close()

    asyncio.run(run())


def keep(answers: AnswerStore, kept: StoredAnswer) -> bool:
    facts = Facts(kept.entry_id, kept.tenant, kept.endpoint, kept.created_at)
    return answers.keep(kept.key, facts, kept.expires_at, kept.meta, kept.body)


async def written(book: Book) -> None:
    """What was put so far is in the file: the group of an operation carries it."""
    for number in range(40):
        await book.settle(row(f"filler {number}"), [])


def test_answers_outlive_a_restart_newest_first_to_fit(path: str) -> None:
    async def fill(_: Book, answers: AnswerStore) -> None:
        for key in "abc":
            assert keep(answers, answer(key, body=key.encode() * 96))
        assert keep(answers, answer("dead", expires_at=NOON - 1))

    async def read(_: Book, answers: AnswerStore) -> None:
        assert answers.load(1000) == [answer(key, body=key.encode() * 96) for key in "abc"]
        assert [each.key for each in answers.load(200)] == [b"b", b"c"]
        assert answers.load(0) == []

    with_store(path, fill)
    with_store(path, read)


def test_a_worker_sees_what_others_put(path: str) -> None:
    async def test(book: Book, answers: AnswerStore) -> None:
        keep(answers, answer("old"))
        await written(book)
        other = AnswerStore(book)
        cursor = other.cursor()
        keep(answers, answer("a", body=b"1"))
        keep(answers, answer("a", body=b"2"))
        await written(book)
        changes = other.since(cursor)
        assert changes.added == (answer("a", body=b"2"),)
        assert other.since(changes.cursor).added == ()

    with_store(path, test)


def test_deletions_reach_other_workers(path: str) -> None:
    async def test(book: Book, answers: AnswerStore) -> None:
        other = AnswerStore(book)
        cursor = other.cursor()
        for key, tenant in (("a", "acme"), ("b", "acme"), ("c", "other"), ("d", "third")):
            keep(answers, answer(key, tenant))
        await written(book)
        told = (Drop("entry", "entry a", None, NOON), Drop("entry", "entry a", None, NOON), Drop("tenant", "other", None, NOON))
        assert [await answers.forget(drop) for drop in told] == [1, 0, 1]
        changes = other.since(cursor)
        assert changes.dropped == told
        assert [each.key for each in changes.added] == [b"b", b"d"]
        assert await answers.forget(Drop("all", at=NOON)) == 2
        assert other.since(changes.cursor).dropped == (Drop("all", at=NOON),)
        assert answers.load(1000) == []

    with_store(path, test)


def test_a_deletion_wins_over_an_older_answer_that_still_waits(path: str) -> None:
    clock = FrozenClock(NOON)

    async def test(book: Book, answers: AnswerStore) -> None:
        keep(answers, answer("a"))
        keep(answers, answer("b", "other"))
        clock.advance(1)
        await answers.forget(Drop("tenant", "acme", at=clock.now()))
        keep(answers, answer("a", body=b"late", created_at=NOON))
        keep(answers, answer("c", created_at=NOON + 2))
        await written(book)
        assert {each.key for each in answers.load(1000)} == {b"b", b"c"}

    with_store(path, test, clock=clock)


def test_under_load_answers_are_dropped_not_queued(path: str) -> None:
    async def test(_: Book, answers: AnswerStore) -> None:
        accepted = [keep(answers, answer(str(number))) for number in range(1000)]
        assert accepted[0]
        assert not accepted[-1]
        assert 200 < sum(accepted) < 400

    with_store(path, test)


def test_the_file_keeps_no_more_than_it_may(path: str) -> None:
    async def test(book: Book, answers: AnswerStore) -> None:
        for number in range(100):
            keep(answers, answer(str(number), body=b"x" * 96))
            await written(book) if number % 20 == 19 else None
        await answers.forget(Drop("entry", "none", at=NOON))
        kept = query(path, "SELECT count(*), sum(length(body) + length(meta)) FROM cache_entries")
        assert kept[0][0] > 5
        assert kept[0][1] <= 1000 + 250 + 8 * 100  # the limit, what may come before the next trim, and one group
        assert [each.key for each in answers.load(100)] == [b"99"]

    with_store(path, test, max_bytes=1000)
