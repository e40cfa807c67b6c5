"""Requests whose worker died: settled as interrupted by the next start and by the living, never those of the living."""

import asyncio
import multiprocessing
import os
from pathlib import Path

import pytest

from farthing import config
from farthing.core.clock import FrozenClock, SystemClock
from farthing.core.ledger import Hold
from farthing.stores.sqlite import Book
from farthing.stores.sqlite.slots import Slots
from tests.stores.samples import NOON, hold, intent, meter, query, row

PROCESSES = multiprocessing.get_context("forkserver")
SEEN = (
    "SELECT request_id, outcome, status, cost_picousd, usage_estimated, tokens_in, tokens_out, latency_total_ms, model_name FROM requests ORDER BY 1"
)


async def _reserve_and_die(path: str, requests: list[tuple[str, list[Hold], int | None]]) -> None:
    book = await Book.open(config.Store(path=path), worker="doomed", clock=SystemClock())
    for request_id, holds, cost in requests:
        await book.reserve(intent(request_id, *holds, cost=cost), holds)
    os._exit(9)


def _worker(path: str, requests: list[tuple[str, list[Hold], int | None]]) -> None:
    asyncio.run(_reserve_and_die(path, requests))


def die_with(path: str, *requests: tuple[str, list[Hold], int | None]) -> None:
    """A worker that reserves these and is gone before it can settle."""
    child = PROCESSES.Process(target=_worker, args=(path, list(requests)))
    child.start()
    child.join()
    assert child.exitcode == 9


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "orphans.db")


def test_the_next_start_settles_them_at_what_was_quoted(path: str) -> None:
    die_with(path, ("r1", [hold("day", 3), hold("calls", 1)], 7), ("r2", [], None))
    assert meter(path, "day") == (0, 3)

    async def restart() -> None:
        book = await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock())
        assert book.counts.swept == 2
        assert query(path, "SELECT count(*) FROM intents") == [(0,)]
        await book.close()

    asyncio.run(restart())
    assert query(path, SEEN) == [
        ("r1", "interrupted", 500, 7, 1, 40, None, None, "m-small"),
        ("r2", "interrupted", 500, None, 1, 40, None, None, "m-small"),
    ]
    assert (meter(path, "day"), meter(path, "calls")) == ((3, 0), (1, 0))


def test_two_reservations_of_one_request_make_one_row(path: str) -> None:
    die_with(path, ("r1", [hold("day", 3)], 7), ("r1", [hold("day", 2)], 4))

    async def restart() -> None:
        await (await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock())).close()

    asyncio.run(restart())
    assert query(path, SEEN) == [("r1", "interrupted", 500, 11, 1, 80, None, None, "m-small")]
    assert meter(path, "day") == (5, 0)


def test_a_living_worker_settles_them_within_its_next_look(path: str) -> None:
    clock = FrozenClock(NOON)

    async def live() -> None:
        book = await Book.open(config.Store(path=path), worker="w1", clock=clock)
        held = hold("day", 1)
        await book.reserve(intent("mine", held), [held])
        await asyncio.to_thread(die_with, path, ("theirs", [held], 7))
        clock.advance(2)
        for number in range(2):  # the writer looks after the first, so before the second is done
            await book.record(row(f"filler {number}"), [])
        assert query(path, "SELECT request_id FROM intents") == [("mine",)]
        assert query(path, "SELECT request_id FROM requests WHERE outcome = 'interrupted'") == [("theirs",)]
        await book.settle(row("mine"), [])
        await book.close()

    asyncio.run(live())


def test_nobody_sweeps_the_living(path: str) -> None:
    async def live() -> None:
        clock = FrozenClock(NOON)
        first = await Book.open(config.Store(path=path), worker="w1", clock=clock)
        await first.reserve(intent("r1"), [])
        second = await Book.open(config.Store(path=path), worker="w2", clock=clock)
        clock.advance(2)
        for number in range(2):
            await second.record(row(f"filler {number}"), [])
        assert query(path, "SELECT request_id FROM intents") == [("r1",)]
        await first.settle(row("r1"), [])
        for book in (first, second):
            await book.close()
        assert (first.counts.swept, second.counts.swept) == (0, 0)

    asyncio.run(live())


def test_slots_are_exclusive_and_freed(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    first, second = Slots(path), Slots(path)
    assert (first.own, second.own) == (0, 1)
    assert not second.claim(0)
    assert second.claim(7)
    assert not first.claim(7)
    second.free(7)
    assert first.claim(7)
    first.close()
    assert second.claim(0)
    second.close()
