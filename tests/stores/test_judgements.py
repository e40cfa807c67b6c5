"""Verdicts and stances in the file: budgets that hold, last words, and what workers tell each other."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from farthing.config import Store
from farthing.core.clock import FrozenClock
from farthing.core.judgement import Guarded, Judgement, Stance, Turn
from farthing.core.ledger import Hold, Refusal, Release
from farthing.stores.sqlite import Book, Judgements
from tests.stores.samples import meter, query

COLUMNS = "source, score, label, comment, cost_picousd, author"


def with_shelves(path: Path, act: Callable[[Judgements, Judgements], Awaitable[None]]) -> str:
    """Two workers on one file."""
    store = Store(path=str(path / "farthing.db"))

    async def main() -> None:
        books = [await Book.open(store, worker=str(number), clock=FrozenClock()) for number in range(2)]
        try:
            await act(*(Judgements(book) for book in books))
        finally:
            for book in books:
                await book.close()

    asyncio.run(main())
    return store.path


def hold(amount: int, limit: int = 100) -> Hold:
    return Hold("quality:usd:day", "budget", amount, limit, "the quality guard", "day", 2e9, "quality.daily_usd")


def judgement(**fields: object) -> Judgement:
    return Judgement(**({"request_id": "req_1", "judged_at": 1.0, "source": "judge", "lever": "route"} | fields))  # type: ignore[arg-type]


def test_the_most_is_booked_with_the_row_and_trued_up_with_the_verdict(tmp_path: Path) -> None:
    async def act(one: Judgements, _: Judgements) -> None:
        row = await one.begin(judgement(label="open", cost_picousd=60), hold(60))
        assert isinstance(row, int)
        assert meter(path, "quality:usd:day") == (60, 0)
        assert query(path, f"SELECT {COLUMNS} FROM judgements") == [("judge", None, "open", None, 60, None)]
        await one.end(row, judgement(label="win", score=0.9, cost_picousd=41), Release("quality:usd:day", 0, 41 - 60))

    path = str(tmp_path / "farthing.db")
    with_shelves(tmp_path, act)
    assert meter(path, "quality:usd:day") == (41, 0)
    assert query(path, f"SELECT {COLUMNS} FROM judgements") == [("judge", 0.9, "win", None, 41, None)]


def test_the_budget_is_one_for_all_workers_and_a_refusal_leaves_no_row(tmp_path: Path) -> None:
    async def act(one: Judgements, two: Judgements) -> None:
        found = await asyncio.gather(*(shelf.begin(judgement(), hold(10)) for shelf in (one, two) for _ in range(20)))
        assert sum(isinstance(answer, Refusal) for answer in found) == 30

    path = with_shelves(tmp_path, act)
    assert (meter(path, "quality:usd:day"), query(path, "SELECT count(*) FROM judgements")) == ((100, 0), [(10,)])


def test_the_last_word_of_an_author_counts(tmp_path: Path) -> None:
    async def act(one: Judgements, two: Judgements) -> None:
        for shelf, author, score in ((one, "k1", 0.0), (two, "k2", 0.5), (two, "k1", 1.0)):
            await shelf.say(judgement(source="feedback", author=author, score=score, cost_picousd=0, lever=None))
        for _ in range(2):
            await one.say(judgement())  # without an author: each is one more

    path = with_shelves(tmp_path, act)
    rows = query(path, "SELECT source, author, score FROM judgements ORDER BY source, author")
    assert rows == [("feedback", "k1", 1.0), ("feedback", "k2", 0.5), ("judge", None, None), ("judge", None, None)]


def test_evidence_adds_up_over_workers_and_a_turn_is_told_to_all(tmp_path: Path) -> None:
    def learn(stance: Stance) -> tuple[Stance, tuple[Turn, ...]]:
        samples = stance.samples + 1
        turns = (Turn(5.0, "faq", "route", "down", "why"),) if samples == 10 else ()
        return Stance("down" if turns else stance.phase, samples=samples), turns

    key: tuple[str, Guarded] = ("faq", "route")

    async def act(one: Judgements, two: Judgements) -> None:
        before = two.version()

        async def teach(shelf: Judgements) -> tuple[Turn, ...]:
            row = await shelf.begin(judgement(), hold(1))
            assert isinstance(row, int)
            return await shelf.end(row, judgement(), Release("quality:usd:day", 0, 0), (*key, learn))

        turned = await asyncio.gather(*(teach(shelf) for shelf in (one, two) for _ in range(6)))
        assert sum(map(len, turned)) == 1
        assert two.version() == one.version() == before + 1
        assert two.stances()[key] == Stance("down", samples=12)

    path = with_shelves(tmp_path, act)
    assert query(path, "SELECT at, endpoint, lever, phase, reason FROM quality_turns") == [(5.0, "faq", "route", "down", "why")]


def test_only_settled_requests_have_a_subject(tmp_path: Path) -> None:
    async def act(one: Judgements, _: Judgements) -> None:
        assert one.subject("req_never") is None

    with_shelves(tmp_path, act)
