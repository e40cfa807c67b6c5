"""Keeps the rollups in step with the ledger while the gateway runs: one worker, in the background.

Costs: nothing on the path of a request; a row costs about 40 us of a thread of its own (bench/dashboard.py), half of one core at the most
while an old ledger is read for the first time.
"""

import asyncio
import contextlib
import logging
import sqlite3

from farthing.core.errors import StoreUnavailable
from farthing.stores.sqlite.book import Book
from farthing.stores.sqlite.rollups import filler

_EVERY_S = 1.0
_PURGE_EVERY_S = 300.0
_log = logging.getLogger(__name__)


class RollupKeeper:
    """`run` until cancelled."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._reader = book.reader()
        self._purge_due_s = book.clock.monotonic()

    async def run(self) -> None:
        while True:
            try:
                took_s = await self._step()
            except (sqlite3.Error, StoreUnavailable) as error:
                # The writer reports a sick disk; here the next round tries again.
                _log.warning("the rollups of the dashboard fell behind: %s", error)
                took_s = None
            await asyncio.sleep(_EVERY_S if took_s is None else took_s)

    async def _step(self) -> float | None:
        """One batch. How long it took, so that as long a rest may follow; `None` when everything is counted."""
        clock = self._book.clock
        began_s = clock.monotonic()
        batch = await asyncio.to_thread(filler.next_batch, self._reader, clock.now())
        if batch is not None:
            await self._book.run(batch.write)
            return clock.monotonic() - began_s
        if clock.monotonic() >= self._purge_due_s:
            await self._tidy()
        return None

    async def _tidy(self) -> None:
        """Let go of old buckets until none is left to let go of."""
        self._purge_due_s = self._book.clock.monotonic() + _PURGE_EVERY_S
        with contextlib.suppress(StoreUnavailable):
            while await self._book.run(filler.purge(self._book.clock.now())):
                await asyncio.sleep(0)
