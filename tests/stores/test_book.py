"""The book: reserve, settle, record; what is written, what is refused, what a second settle does."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import config
from farthing.core.clock import FrozenClock
from farthing.core.errors import StoreUnavailable
from farthing.core.ledger import LedgerRow, Refusal, Release, Reserved
from farthing.stores.sqlite import Book
from tests.stores.samples import NOON, hold, intent, meter, query, row


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "book.db")


def with_book(path: str, test: Callable[[Book], Awaitable[None]], clock: FrozenClock | None = None, **store: str) -> None:
    async def run() -> None:
        book = await Book.open(config.Store(path=path, **store), worker="w1", clock=clock or FrozenClock())  # type: ignore[arg-type]
        try:
            await test(book)
        finally:
            await book.close()

    asyncio.run(run())


def test_a_row_comes_back_as_it_went_in(path: str) -> None:
    async def test(book: Book) -> None:
        await book.settle(row("r1", sources='["doc@2"]', stream=True, complexity=0.125), [])

    with_book(path, test)
    names = LedgerRow.__struct_fields__
    (found,) = query(path, f"SELECT {','.join(names)} FROM requests")
    assert found == msgspec.structs.astuple(row("r1", sources='["doc@2"]', stream=True, complexity=0.125))
    assert [column[1] for column in query(path, "PRAGMA table_info(requests)")] == list(names)


def test_the_view_shows_usd_and_unknown_stays_unknown(path: str) -> None:
    async def test(book: Book) -> None:
        await book.settle(row("r1", cost_picousd=1_500_000_000_000), [])
        await book.settle(row("r2", cost_picousd=None), [])

    with_book(path, test)
    assert query(path, "SELECT cost_usd, baseline_cost_usd FROM ledger ORDER BY request_id") == [(1.5, 2.5), (None, 2.5)]


def test_reserve_then_settle_trues_up(path: str) -> None:
    async def test(book: Book) -> None:
        held = hold("day", 6)
        assert await book.reserve(intent("r1", held), [held]) == Reserved((4,))
        assert meter(path, "day") == (0, 6)
        assert query(path, "SELECT count(*) FROM intents") == [(1,)]
        await book.settle(row("r1"), [Release("day", 6, 2)])
        assert meter(path, "day") == (2, 0)
        assert query(path, "SELECT count(*) FROM intents") == [(0,)]

    with_book(path, test)


def test_all_holds_or_none(path: str) -> None:
    async def test(book: Book) -> None:
        wide, narrow = hold("wide", 3), hold("narrow", 3, limit=2)
        assert await book.reserve(intent("r1", wide, narrow), [wide, narrow]) == Refusal(narrow, 0, 0)
        assert await book.record(row("r2"), [wide, narrow]) == Refusal(narrow, 0, 0)
        assert await book.reserve(intent("r3", wide), [wide]) == Reserved((7,))

    with_book(path, test)
    assert meter(path, "wide") == (0, 3)
    assert query(path, "SELECT count(*) FROM requests") == [(0,)]
    assert query(path, "SELECT request_id FROM intents") == [("r3",)]


def test_two_holds_on_one_meter_count_together(path: str) -> None:
    async def test(book: Book) -> None:
        twice = [hold("day", 6), hold("day", 6)]
        assert await book.reserve(intent("r1", *twice), twice) == Refusal(twice[1], 0, 6)
        fits = [hold("day", 5), hold("day", 5)]
        assert await book.reserve(intent("r2", *fits), fits) == Reserved((5, 0))

    with_book(path, test)
    assert meter(path, "day") == (0, 10)


def test_record_books_as_used(path: str) -> None:
    async def test(book: Book) -> None:
        assert await book.record(row("r1"), [hold("day", 4)]) == Reserved((6,))
        assert await book.record(row("r2"), [hold("day", 7)]) == Refusal(hold("day", 7), 4, 0)
        assert await book.record(row("r3"), []) == Reserved(())

    with_book(path, test)
    assert meter(path, "day") == (4, 0)
    assert query(path, "SELECT request_id FROM requests ORDER BY 1") == [("r1",), ("r3",)]


@pytest.mark.parametrize("together", [True, False])
def test_a_second_settle_books_nothing(path: str, together: bool) -> None:
    async def test(book: Book) -> None:
        held = hold("day", 6)
        await book.reserve(intent("r1", held), [held])
        settles = [book.settle(row("r1", cost_picousd=cost), [Release("day", 6, 2)]) for cost in (1, 2)]
        if together:
            await asyncio.gather(*settles, book.settle(row("r2"), []))
        else:
            for settle in settles:
                await settle
        assert book.counts.duplicates == 1

    with_book(path, test)
    assert meter(path, "day") == (2, 0)
    assert query(path, "SELECT cost_picousd FROM requests WHERE request_id = 'r1'") == [(1,)]


def test_a_second_reservation_of_a_settled_request_is_given_back(path: str) -> None:
    async def test(book: Book) -> None:
        held = hold("day", 3)
        for _ in range(2):
            await book.reserve(intent("r1", held), [held])
            await book.settle(row("r1"), [Release("day", 3, 1)])

    with_book(path, test)
    assert meter(path, "day") == (2, 0)
    assert query(path, "SELECT (SELECT count(*) FROM intents), (SELECT count(*) FROM requests)") == [(0, 1)]


def test_verdicts_of_one_group_follow_the_order_of_arrival(path: str) -> None:
    async def test(book: Book) -> None:
        large, small = hold("day", 7), hold("day", 2)
        verdicts = await asyncio.gather(
            book.reserve(intent("r1", large), [large]), book.reserve(intent("r2", large), [large]), book.reserve(intent("r3", small), [small])
        )
        assert verdicts == [Reserved((3,)), Refusal(large, 0, 7), Reserved((1,))]
        assert book.counts.groups == 1

    with_book(path, test)


def test_a_value_that_sqlite_cannot_hold_spares_its_neighbours(path: str) -> None:
    async def test(book: Book) -> None:
        bad = [row("r1", requested_model="\ud800"), row("r2", cost_picousd=2**70)]
        await asyncio.gather(*(book.settle(each, []) for each in (*bad, row("r3"))))

    with_book(path, test)
    assert query(path, "SELECT requested_model, cost_picousd FROM requests ORDER BY request_id") == [
        ("?", 5),
        ("farthing/auto", 2**63 - 1),
        ("farthing/auto", 5),
    ]


def test_a_row_without_an_id_is_refused_alone(path: str) -> None:
    async def test(book: Book) -> None:
        nameless: Any = None
        done = await asyncio.gather(book.settle(row(nameless), []), book.settle(row("r2"), []), return_exceptions=True)
        assert [type(each) for each in done] == [StoreUnavailable, type(None)]

    with_book(path, test)
    assert query(path, "SELECT request_id FROM requests") == [("r2",)]


def test_two_workers_may_reserve_for_one_request(path: str) -> None:
    async def test(book: Book) -> None:
        other = await Book.open(book.store, worker="w2", clock=book.clock)
        for each in (book, other):
            await each.reserve(intent("r1", hold("day")), [hold("day")])
        await other.settle(row("r1"), [Release("day", 2, 2)])
        await other.close()

    with_book(path, test)
    assert meter(path, "day") == (2, 0)
    assert query(path, "SELECT count(*) FROM intents") == [(0,)]


def test_a_row_of_the_wrong_type_is_refused_alone(path: str) -> None:
    async def test(book: Book) -> None:
        wrong = book.settle(row("r1", decisions=["a list"]), [])
        done = await asyncio.gather(wrong, book.settle(row("r2"), []), return_exceptions=True)
        assert isinstance(done[0], StoreUnavailable)
        assert "r1" in done[0].message
        assert done[1] is None

    with_book(path, test)
    assert query(path, "SELECT request_id FROM requests") == [("r2",)]


def test_a_reservation_that_nobody_waits_for_is_given_back(path: str) -> None:
    async def test(book: Book) -> None:
        held = hold("day", 6)
        waiting = asyncio.create_task(book.reserve(intent("r1", held), [held]))
        await asyncio.sleep(0)
        waiting.cancel()
        await book.record(row("r2"), [])  # its group, or a later one, has carried the reservation
        await book.record(row("r3"), [])

    with_book(path, test)
    assert meter(path, "day") == (0, 0)
    assert query(path, "SELECT count(*) FROM intents") == [(0,)]


def test_a_settle_whose_caller_left_is_written(path: str) -> None:
    async def test(book: Book) -> None:
        leaving = asyncio.create_task(book.settle(row("r1"), []))
        await asyncio.sleep(0)
        leaving.cancel()

    with_book(path, test)
    assert query(path, "SELECT request_id FROM requests") == [("r1",)]


def test_closed_means_closed(path: str) -> None:
    async def run() -> None:
        book = await Book.open(config.Store(path=path), worker="w1", clock=FrozenClock())
        await book.close()
        await book.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await book.settle(row("r1"), [])

    asyncio.run(run())


@pytest.mark.parametrize("days", [-1, 1])
def test_a_wall_clock_that_jumps_frees_no_budget(path: str, days: int) -> None:
    clock = FrozenClock(NOON)

    async def test(book: Book) -> None:
        await book.record(row("r1"), [hold("day", 9)])
        for jump in (days, -days):
            clock.jump(jump * 86_400)
            clock.advance(700)  # a purge is due
            await book.record(row(f"before {jump}"), [])
            await book.record(row(f"after {jump}"), [])
            assert await book.record(row("never"), [hold("day", 2)]) == Refusal(hold("day", 2), 9, 0)

    with_book(path, test, clock)


def test_meters_of_ended_windows_are_purged_unless_something_is_held(path: str) -> None:
    clock = FrozenClock(NOON)

    async def test(book: Book) -> None:
        in_flight = hold("in flight", 1, window="minute")
        await book.record(row("r1"), [hold("minute", 1, window="minute"), hold("day", 1), hold("run", 1, window="run")])
        await book.reserve(intent("r2", in_flight), [in_flight])
        for seconds, left in ((700, {"day", "run", "in flight"}), (4 * 86_400, {"in flight"})):
            clock.advance(seconds)
            await book.record(row(f"before {seconds}"), [])
            await book.record(row(f"after {seconds}"), [])
            assert {name for (name,) in query(path, "SELECT meter FROM meters")} == left
        await book.settle(row("r2"), [Release("in flight", 1, 1)])

    with_book(path, test, clock)


def test_power_durability_writes_through(path: str) -> None:
    async def test(book: Book) -> None:
        await book.settle(row("r1"), [])

    with_book(path, test, durability="power")
    assert query(path, "SELECT count(*) FROM requests") == [(1,)]


def test_many_callers_share_a_commit(path: str) -> None:
    async def test(book: Book) -> None:
        holds = [hold("day", 1, limit=1000)]
        verdicts = await asyncio.gather(*(book.record(row(f"r{i}"), holds) for i in range(300)))
        assert verdicts == [Reserved((999 - i,)) for i in range(300)]
        assert book.counts.groups <= 3

    with_book(path, test)
    assert meter(path, "day") == (300, 0)
