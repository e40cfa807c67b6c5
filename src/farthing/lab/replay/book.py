"""The account of a replay: the gateway's own verdicts, kept in memory, gone with the replay."""

from collections.abc import Sequence

from farthing.core.batch import Answered
from farthing.core.ledger import Hold, Intent, LedgerRow, Refusal, Release, Reserved
from farthing.lab.replay.virtual import LogClock
from farthing.stores.tally import Tally

_NOTHING_HELD = Reserved(())
_TIDY_EVERY = 100_000


class MemoryBook:
    """`brain.ports.Book` without a disk. Rows are not kept: the replay reads the exchange itself."""

    def __init__(self, clock: LogClock) -> None:
        self._tally = Tally()
        self._now = clock.now
        self._booked = 0

    async def reserve(self, intent: Intent, holds: Sequence[Hold]) -> Reserved | Refusal:
        del intent
        return self._hold(holds, spend=False)

    async def settle(self, row: LedgerRow, releases: Sequence[Release], answered: Answered | None = None) -> None:
        del row, answered
        if releases:
            self._tally.release(releases)

    async def record(self, row: LedgerRow, holds: Sequence[Hold], answered: Answered | None = None) -> Reserved | Refusal:
        del row, answered
        return self._hold(holds, spend=True)

    def _hold(self, holds: Sequence[Hold], *, spend: bool) -> Reserved | Refusal:
        if not holds:
            return _NOTHING_HELD
        self._tally.at(self._now())
        self._booked += 1
        if self._booked % _TIDY_EVERY == 0:
            self._tally.drop_ended()
        return self._tally.hold(holds, spend=spend)
