"""Answers beyond one process, on the real store."""

import asyncio
from pathlib import Path

from tests.brain.cache.test_exact import answer

from farthing.brain.cache import CacheLever
from farthing.brain.cache.persist import AnswerSync
from farthing.config import Cache, Store
from farthing.core.clock import SystemClock
from farthing.core.forgetting import Drop
from farthing.stores.sqlite import AnswerStore, Book

FAR = 4e9


class Worker:
    """The cache side of one worker."""

    def __init__(self, book: Book, *, lone: bool) -> None:
        self.sync = AnswerSync(AnswerStore(book), lambda: self.cache, lone=lone)
        self.cache = CacheLever(Cache(), fresh=self.sync.fresh, reused=self.sync.reused)
        self.sync.load()

    def add(self, key: bytes, tenant: str = "acme") -> None:
        found = answer(expires_at=FAR)
        self.cache.entries.put(key, found, tenant)
        self.sync.fresh(key, tenant, found)

    def has(self, key: bytes) -> bool:
        return self.cache.entries.get(key, 1.0) is not None


async def open_book(path: Path, name: str = "0") -> Book:
    return await Book.open(Store(path=str(path / "f.db")), worker=name, clock=SystemClock())


def test_a_lone_worker_keeps_what_was_reused_and_the_rest_when_it_stops(tmp_path: Path) -> None:
    async def main() -> None:
        book = await open_book(tmp_path)
        worker = Worker(book, lone=True)
        for key in (b"a", b"b", b"c"):
            worker.add(key)
        worker.sync.reused(b"a", "acme", answer(expires_at=FAR))
        await book.close()
        book = await open_book(tmp_path)
        second = Worker(book, lone=True)
        assert [second.has(key) for key in (b"a", b"b", b"c")] == [True, False, False]
        second.add(b"b")
        await second.sync.keep_rest(5.0)
        await book.close()
        book = await open_book(tmp_path)
        third = Worker(book, lone=True)
        assert [third.has(key) for key in (b"a", b"b", b"c")] == [True, True, False]
        await book.close()

    asyncio.run(main())


def test_workers_share_answers_and_deletions(tmp_path: Path) -> None:
    async def main() -> None:
        books = [await open_book(tmp_path, name) for name in "01"]
        one, two = (Worker(book, lone=False) for book in books)
        one.add(b"a")
        one.add(b"b", tenant="globex")
        while not (two.has(b"a") and two.has(b"b")):
            await asyncio.sleep(0.01)
            two.sync.catch_up()
        assert two.cache.entries.get(b"a", 1.0) == answer(expires_at=FAR)
        await AnswerStore(books[0]).forget(Drop("tenant", "acme", at=SystemClock().now()))
        two.sync.catch_up()
        assert (two.has(b"a"), two.has(b"b")) == (False, True)
        for book in books:
            await book.close()

    asyncio.run(asyncio.wait_for(main(), 10))
