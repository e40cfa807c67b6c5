"""What the ledger tells a worker that starts: how long answers were."""

import asyncio
from pathlib import Path

from farthing import config
from farthing.core.clock import FrozenClock
from farthing.core.decision import Decision
from farthing.stores.sqlite import Book
from farthing.stores.sqlite.lengths import AnswerLength, recent_lengths
from tests.stores.samples import row

CONTROL = '[{"lever":"output","action":"control","reason":"x"}]'


def test_the_last_answers_oldest_first_without_hits(tmp_path: Path) -> None:
    async def main() -> list[AnswerLength]:
        book = await Book.open(config.Store(path=str(tmp_path / "f.db")), worker="0", clock=FrozenClock())
        await book.settle(row("r1", received_at=1.0, tokens_out=10), ())
        await book.settle(row("r2", received_at=2.0, tokens_out=20, decisions=CONTROL), ())
        await book.settle(row("r3", received_at=3.0, tokens_out=30, cache="exact"), ())
        await book.settle(row("r4", received_at=4.0, tokens_out=40, usage_estimated=True), ())
        await book.settle(row("r5", received_at=5.0, tokens_out=50, num_llm_calls=2), ())
        found, last = recent_lengths(book.reader()), recent_lengths(book.reader(), 4)
        await book.close()
        assert [one.tokens for one in last] == [20]
        return found

    first, second = asyncio.run(main())
    assert first == AnswerLength("faq", "m-small", "qa", 10, "stop", 0, 0)
    assert (second.tokens, second.control) == (20, 1)


def test_the_mark_is_how_decisions_are_written() -> None:
    import msgspec

    assert msgspec.json.encode([Decision("output", "control", "x")]).decode() == CONTROL
