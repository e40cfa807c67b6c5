"""Keeps the rollups in step with the ledger while the gateway runs: one worker, in the background.

Costs: nothing on the path of a request. A few rows are added up in a thread, about 65 us each; as soon as more than `_FEW_ROWS` wait at once, in
a process of its own. Either rests as long as it works, so that an old ledger, read for the first time, takes half of one core at the most.
"""

import asyncio
import contextlib
import logging
import sqlite3

from farthing.core.errors import StoreUnavailable
from farthing.stores.sqlite.book import Book
from farthing.stores.sqlite.rollups import filler
from farthing.stores.sqlite.rollups.clerk import Clerk, ClerkGone

_FEW_ROWS = 50
_EVERY_S = 1.0
_PURGE_EVERY_S = 300.0
_log = logging.getLogger(__name__)


class RollupKeeper:
    """Works from `start` to `close`; close it before the book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._reader = book.reader()
        self._clerk = Clerk(book.store)
        self._busy = False
        self._purge_due_s = book.clock.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="farthing-rollups")

    async def close(self) -> None:
        """Returns when thread and process have let go of the file."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._clerk.close()

    async def _run(self) -> None:
        while True:
            try:
                took_s = await self._step()
            except (sqlite3.Error, StoreUnavailable, ClerkGone) as error:
                # The writer reports a sick disk; here the next round tries again.
                _log.warning("the rollups of the dashboard fell behind: %s", error)
                took_s = None
            await asyncio.sleep(_EVERY_S if took_s is None else took_s)

    async def _step(self) -> float | None:
        """One batch. How long it took, so that as long a rest may follow; `None` when everything is counted.

        A batch that is not full was all there was: to follow at once would be to write the same sums again for a handful of rows.
        """
        clock = self._book.clock
        began_s = clock.monotonic()
        batch = await self._next()
        if batch is not None:
            await self._book.run(batch.write)
            return None if batch.source == "requests" and batch.rows < filler.BATCH_ROWS else clock.monotonic() - began_s
        if clock.monotonic() >= self._purge_due_s:
            self._purge_due_s = clock.monotonic() + _PURGE_EVERY_S
            while await self._book.run(filler.purge(clock.now())):
                await asyncio.sleep(0)
        return None

    async def _next(self) -> filler.Batch | None:
        self._busy = self._busy or filler.behind(self._reader) > _FEW_ROWS
        if self._busy:
            return await self._clerk.next_batch(self._book.clock.now())
        # A thread cannot be cancelled: whoever cancels waits for it.
        reading = asyncio.ensure_future(asyncio.to_thread(filler.next_batch, self._reader, self._book.clock.now()))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait([reading])
            raise
