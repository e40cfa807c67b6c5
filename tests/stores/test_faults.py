"""A disk that fails: typed errors, nothing half booked, no settle lost, and all well again when the disk is."""

import asyncio
import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from farthing import config
from farthing.core.clock import FrozenClock
from farthing.core.errors import ConfigError, StoreUnavailable
from farthing.core.ledger import Release, Reserved
from farthing.stores.sqlite import Book
from tests.stores.samples import NOON, hold, intent, meter, no_file_grows, query, row


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def _held_then_failing(book: Book) -> None:
    held = hold("day", 4)
    assert await book.reserve(intent("r1", held), [held]) == Reserved((6,))
    with no_file_grows():
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=r"cannot be written.*Nothing was booked"):
                await book.reserve(intent("r2", held), [held])
        with pytest.raises(StoreUnavailable):
            await book.settle(row("r1"), [Release("day", 4, 1)])
        with pytest.raises(StoreUnavailable):
            await book.record(row("r3"), [held])
        assert book.counts.spooled == 1


def test_a_failing_disk_heals(tmp_path: Path) -> None:
    path = str(tmp_path / "db")

    async def run() -> None:
        book = await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock(NOON))
        await _held_then_failing(book)
        assert await book.reserve(intent("r4", hold("day", 5)), [hold("day", 5)]) == Reserved((4,))
        assert book.counts.spooled == 0
        await book.close()

    asyncio.run(run())
    assert meter(path, "day") == (1, 5)
    assert query(path, "SELECT request_id FROM requests") == [("r1",)]
    assert query(path, "SELECT request_id FROM intents") == [("r4",)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_spooled_settle_is_written_without_another_request(tmp_path: Path) -> None:
    path = str(tmp_path / "db")

    async def run() -> None:
        book = await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock(NOON))
        await _held_then_failing(book)
        async with asyncio.timeout(10):
            while book.counts.spooled:
                await asyncio.sleep(0.01)
        await book.close()

    asyncio.run(run())
    assert query(path, "SELECT request_id FROM requests") == [("r1",)]
    assert meter(path, "day") == (1, 0)


def test_a_settle_that_never_reached_the_disk_is_swept_at_the_next_start(tmp_path: Path) -> None:
    path = str(tmp_path / "db")

    async def run() -> None:
        book = await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock(NOON))
        await book.reserve(intent("r1"), [])
        with no_file_grows():
            with pytest.raises(StoreUnavailable):
                await book.settle(row("r1"), [])
            await book.close()
        await (await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock(NOON))).close()

    asyncio.run(run())
    assert query(path, "SELECT request_id, outcome FROM requests") == [("r1", "interrupted")]


def test_a_full_disk_heals(small_disk: Path) -> None:
    path, filler = str(small_disk / "db"), small_disk / "filler"

    async def run() -> list[str]:
        book = await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock(NOON))
        await book.settle(row("first"), [])
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        refused = await asyncio.gather(*(book.settle(row(f"r{i}", answer="a" * 4096), []) for i in range(40)), return_exceptions=True)
        assert [type(each) for each in refused] == [StoreUnavailable] * 40
        assert "disk is full. Free space" in str(refused[0])
        filler.unlink()
        await book.settle(row("last"), [])
        await book.close()
        return sorted(["first", "last", *(f"r{i}" for i in range(40))])

    written = asyncio.run(run())
    assert [name for (name,) in query(path, "SELECT request_id FROM requests ORDER BY 1")] == written
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_lock_held_too_long_is_unavailable_then_free(tmp_path: Path) -> None:
    path = str(tmp_path / "db")

    async def run() -> None:
        book = await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock(NOON), lock_timeout_s=0.05)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match=r"locked.*Another process holds its lock"):
                await book.settle(row("r1"), [])
            other.execute("ROLLBACK")
        await book.settle(row("r2"), [])
        await book.close()

    asyncio.run(run())
    assert query(path, "SELECT request_id FROM requests ORDER BY 1") == [("r1",), ("r2",)]


def test_a_disk_that_fails_at_start_is_a_clear_error(tmp_path: Path) -> None:
    async def run() -> None:
        with no_file_grows(), pytest.raises(ConfigError, match="store"):
            await Book.open(config.Store(path=str(tmp_path / "db")), worker="w1", clock=FrozenClock(NOON))

    asyncio.run(run())
