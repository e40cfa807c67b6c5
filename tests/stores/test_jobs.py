"""The durable queue: leases, answers, twins, ends, and what a dead worker leaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from farthing import config
from farthing.core.batch import Answered, Leased, NewItem, StoredFile
from farthing.core.clock import FrozenClock
from farthing.stores.sqlite import Book, JobStore
from tests.stores.orders import order
from tests.stores.samples import query

KEEP_S = 3600.0
CLOCK = FrozenClock(1500.0)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[JobStore]:
    book = await Book.open(config.Store(path=str(path)), worker="0", clock=CLOCK)
    try:
        yield JobStore(book)
    finally:
        await book.close()


def run(path: Path, work: Callable[[JobStore], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with opened(path) as jobs:
            return await work(jobs)

    return asyncio.run(main())


def item(line: int, *, prefix: bytes = b"", twin_of: int | None = None) -> NewItem:
    return NewItem(line, f"q{line}", b"{}", prefix, twin_of)


async def ordered(jobs: JobStore, *items: NewItem, **change: Any) -> Any:
    batch = order(**{"status": "in_progress", "total": len(items), **change})
    await jobs.create(batch, items)
    return batch


def answer(leased: Leased, *, ok: bool = True, reuse: bytes | None = None) -> Answered:
    return Answered(leased.item, leased.epoch, f"req_{leased.line}", b'{"n":%d}' % leased.line, ok, reuse)


def state(path: Path) -> list[tuple[Any, ...]]:
    return query(str(path), "SELECT line, state, epoch FROM batch_items ORDER BY line")


def test_items_that_begin_alike_are_leased_together(tmp_path: Path) -> None:
    async def work(jobs: JobStore) -> list[int]:
        batch = await ordered(jobs, item(0, prefix=b"b"), item(1, prefix=b"a"), item(2, prefix=b"b"), item(3, prefix=b"a"))
        first = await jobs.lease(batch, 3)
        return [one.line for one in (*first, *await jobs.lease(batch, 3))]

    assert run(tmp_path / "x.db", work) == [1, 3, 0, 2]


def test_an_answer_is_taken_once_and_only_from_the_last_lease(tmp_path: Path) -> None:
    async def work(jobs: JobStore) -> None:
        batch = await ordered(jobs, item(0))
        (old,) = await jobs.lease(batch, 1)
        await jobs.put_back(old, not_before=None, attempts=0)
        (new,) = await jobs.lease(batch, 1)
        await jobs.answered(answer(old))
        assert jobs.answer(batch.id) == ("running", None)
        await jobs.answered(answer(new))
        await jobs.answered(Answered(new.item, new.epoch, "req_other", b"{}", ok=False))
        assert jobs.answer(batch.id) == ("done", b'{"n":0}')
        after = jobs.batch(batch.id)
        assert after is not None
        assert (after.done, after.failed) == (1, 0)

    run(tmp_path / "x.db", work)


def test_twins_wait_for_the_first_and_get_what_it_leaves(tmp_path: Path) -> None:
    async def work(jobs: JobStore) -> None:
        batch = await ordered(jobs, item(0), item(1, twin_of=0), item(2, twin_of=0))
        assert jobs.has_twins(batch.id, 0)
        (first,) = await jobs.lease(batch, 9)
        await jobs.answered(answer(first, reuse=b"left"))
        assert [(one.line, one.reuse) for one in await jobs.lease(batch, 9)] == [(1, b"left"), (2, b"left")]

    run(tmp_path / "x.db", work)


def test_twins_of_one_that_failed_fail_as_it_did(tmp_path: Path) -> None:
    async def work(jobs: JobStore) -> None:
        batch = await ordered(jobs, item(0), item(1, twin_of=0))
        (first,) = await jobs.lease(batch, 9)
        await jobs.answered(answer(first, ok=False))
        after = jobs.batch(batch.id)
        assert after is not None
        assert (after.done, after.failed) == (0, 2)
        assert [line.response for line in jobs.lines(batch.id, "errors")] == [b'{"n":0}'] * 2

    run(tmp_path / "x.db", work)


def test_what_a_dead_worker_had_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.db"

    async def die(jobs: JobStore) -> None:
        await ordered(jobs, item(0), item(1))
        await jobs.create(order("batch_2"))
        assert await jobs.claim("batch_2")
        await jobs.add_items("batch_2", [item(0)])
        await jobs.lease(order(), 1)

    run(path, die)
    assert state(path)[:2] == [(0, "queued", 0), (0, "running", 1)] or ("running" in [row[1] for row in state(path)])

    async def live(jobs: JobStore) -> None:
        assert await jobs.claim("batch_2")  # its file is read from the beginning again
        assert [one.line for one in await jobs.lease(order(), 9)] == [0, 1]

    run(path, live)
    assert query(str(path), "SELECT count(*) FROM batch_items WHERE batch = 'batch_2'") == [(0,)]


def test_an_item_that_kills_worker_after_worker_fails(tmp_path: Path) -> None:
    path = tmp_path / "x.db"

    async def die(jobs: JobStore) -> None:
        batch = await ordered(jobs, item(0))
        await jobs.lease(batch, 1)
        await jobs.book.run(lambda connection: connection.execute("UPDATE batch_items SET epoch = 100").rowcount)

    run(path, die)
    assert run(path, lambda jobs: asyncio.sleep(0, jobs.answer("batch_1")))[0] == "failed"


def test_later_comes_and_a_window_ends(tmp_path: Path) -> None:
    async def work(jobs: JobStore) -> None:
        batch = await ordered(jobs, item(0), item(1), item(2), expires_at=1900.0)
        first, second = await jobs.lease(batch, 2)
        await jobs.put_back(first, not_before=1600.0, attempts=1)
        await jobs.tend(1599.0)
        assert [one.line for one in await jobs.lease(batch, 9)] == [2]
        await jobs.tend(1600.0)
        (again,) = await jobs.lease(batch, 9)
        assert (again.line, again.attempts) == (0, 1)
        await jobs.answered(answer(second))
        await jobs.put_back(again, not_before=5000.0, attempts=2)
        await jobs.tend(1900.0)  # too late: what waits expires, what runs may end
        after = jobs.batch(batch.id)
        assert after is not None
        assert after.status == "in_progress"
        assert jobs.runs(batch.id)
        await jobs.book.run(lambda connection: connection.execute("UPDATE batch_items SET state = 'done', response = 'x' WHERE line = 2").rowcount)
        await jobs.tend(1901.0)
        assert await jobs.end(batch.id, sizes={"output": 10, "errors": 20}, now=1901.0, keep_s=KEEP_S)
        assert not await jobs.end(batch.id, sizes={"output": 10, "errors": 20}, now=1901.0, keep_s=KEEP_S)
        ended = jobs.batch(batch.id)
        assert ended is not None
        assert (ended.status, ended.expired_at) == ("expired", 1901.0)
        assert [line.state for line in jobs.lines(batch.id, "errors")] == ["expired"]
        file = jobs.file(ended.output_file or "")
        assert file is not None
        assert (file.bytes, file.part, file.expires_at) == (10, "output", 1901.0 + KEEP_S)

    run(tmp_path / "x.db", work)


def test_a_batch_that_is_cancelled_while_its_file_is_read(tmp_path: Path) -> None:
    async def work(jobs: JobStore) -> None:
        await jobs.create(order())
        assert await jobs.claim("batch_1")
        assert not await jobs.claim("batch_1")
        await jobs.add_items("batch_1", [item(0)])
        await jobs.cancel("batch_1", 1500.0)
        await jobs.add_items("batch_1", [item(1)])  # comes too late
        await jobs.begin("batch_1", total=2, now=1501.0)
        await jobs.tend(1502.0)
        assert await jobs.end("batch_1", sizes={}, now=1502.0, keep_s=KEEP_S)
        ended = jobs.batch("batch_1")
        assert ended is not None
        assert (ended.status, ended.in_progress_at) == ("cancelled", None)

    run(tmp_path / "x.db", work)
    assert state(tmp_path / "x.db") == [(0, "cancelled", 0)]


def test_files_are_seen_when_whole_and_go_when_their_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "x.db"

    async def work(jobs: JobStore) -> None:
        file = StoredFile("file_1", "acme", None, "in.jsonl", "batch", 6, 1500.0, 1700.0)
        await jobs.begin_file(file)
        await jobs.add_part("file_1", b"abc")
        assert jobs.file("file_1") is None
        await jobs.add_part("file_1", b"def")
        await jobs.end_file(file)
        assert b"".join(jobs.parts("file_1")) == b"abcdef"
        assert jobs.stored_bytes("acme") == 6
        await jobs.begin_file(StoredFile("file_2", "acme", None, "cut.jsonl", "batch", 0, 1500.0, 9e9))
        await jobs.add_part("file_2", b"abc")
        await jobs.tidy(1699.0, keep_s=KEEP_S)
        assert [one.id for one in jobs.files("acme", purpose=None, after=None, limit=9, oldest_first=True)] == ["file_1"]
        await jobs.tidy(1500.0 + 3600.0, keep_s=KEEP_S)  # the one has expired, the other never became whole

    run(path, work)
    assert query(str(path), "SELECT count(*) FROM files") == query(str(path), "SELECT count(*) FROM file_parts") == [(0,)]


def test_ended_batches_go_with_all_that_is_theirs(tmp_path: Path) -> None:
    path = tmp_path / "x.db"

    async def work(jobs: JobStore) -> None:
        batch = await ordered(jobs, item(0))
        (leased,) = await jobs.lease(batch, 1)
        await jobs.answered(answer(leased))
        await jobs.tend(1600.0)
        await jobs.end(batch.id, sizes={"output": 5, "errors": 0}, now=1600.0, keep_s=KEEP_S)
        await jobs.tidy(1600.0 + KEEP_S - 1, keep_s=KEEP_S)
        assert jobs.batch(batch.id) is not None
        await jobs.tidy(1600.0 + KEEP_S, keep_s=KEEP_S)

    run(path, work)
    for table in ("files", "batches", "batch_items"):
        assert query(str(path), f"SELECT count(*) FROM {table}") == [(0,)], table
