"""The durable account of requests: `brain.ports.Book` on SQLite.

Guarantees: a method returns after its rows are committed; verdicts on meters are exact over all processes on the file; a second settle of a
request books nothing; what a dead worker left open is settled as `interrupted` at the next start and by every living worker within two seconds.
A caller that is cancelled while it waits has its reservation undone; its settle is written all the same.
Costs: reserve and settle together 33 us CPU at 16 callers, 27 at 64, all threads, on a machine busy with other work (bench/ledger.py).
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec

from farthing import config
from farthing.core.batch import Answered
from farthing.core.clock import Clock
from farthing.core.errors import ConfigError
from farthing.core.ledger import Hold, Intent, LedgerRow, Refusal, Release, Reserved
from farthing.stores.sqlite import database
from farthing.stores.sqlite.checkpoint import Checkpointer
from farthing.stores.sqlite.group import Counts, Job, Ledger, Op
from farthing.stores.sqlite.jobs.answers import write_answer
from farthing.stores.sqlite.jobs.sweep import give_back, slots_with_items
from farthing.stores.sqlite.orphans import settle_orphans, slots_with_intents
from farthing.stores.sqlite.slots import Slots
from farthing.stores.sqlite.transaction import LOCK_TIMEOUT_S
from farthing.stores.sqlite.writer import OnCommit, Writer

_PURGE_EVERY_S = 600.0
_STEADY_S = 5.0  # a wall clock that moved further than time did has jumped


class Book:
    """One worker's access to the account. Use it in the event loop that opened it."""

    def __init__(self, store: config.Store, connection: sqlite3.Connection, slots: Slots, clock: Clock, lock_timeout_s: float) -> None:
        self.store = store
        self.counts = Counts()
        self._readers: list[sqlite3.Connection] = []
        self.clock = clock
        self._slots = slots
        self._ledger = Ledger(self.counts, lock_timeout_s)
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(store, connection, self._ledger, self.counts, clock, self._loop)
        self._checkpointer = Checkpointer(store)
        self._part = count(1)
        self._encode = msgspec.json.Encoder().encode
        self._purged_at = (clock.now(), clock.monotonic())

    @classmethod
    async def open(
        cls, store: config.Store, *, worker: str, clock: Clock, lock_timeout_s: float = LOCK_TIMEOUT_S, on_commit: OnCommit | None = None
    ) -> "Book":
        """Create or migrate the file, settle what dead workers left, start writing. Raises `ConfigError` when the file cannot be used.

        `on_commit` is called in the writer's thread after each group.
        """
        database.prepare(store)
        try:
            with contextlib.ExitStack() as opened:
                slots = opened.enter_context(contextlib.closing(Slots(store.path)))
                connection = opened.enter_context(contextlib.closing(database.connect(store)))
                book = cls(store, connection, slots, clock, lock_timeout_s)
                book._sweep(connection, include_own=True)
                opened.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"Worker {worker} cannot open the store '{store.path}': {error}. Check its disk and its permissions.") from error
        book._writer.on_tick = book._tidy
        book._writer.on_commit = on_commit
        book._writer.start()
        book._checkpointer.start()
        return book

    @property
    def problem(self) -> str | None:
        """Why nothing can be booked now; `None` when all is well."""
        return self._writer.problem

    async def close(self) -> None:
        """Write everything that was asked for, then let go of the file."""
        await self._writer.stop()
        self._checkpointer.stop()
        self._slots.close()
        for reader in self._readers:
            reader.close()

    def reader(self) -> sqlite3.Connection:
        """A connection to read with; closed with the book."""
        self._readers.append(database.connect(self.store))
        return self._readers[-1]

    async def reserve(self, intent: Intent, holds: Sequence[Hold]) -> Reserved | Refusal:
        """All holds and the intent row, or none."""
        future = self._loop.create_future()
        row = (intent.request_id, next(self._part), self._slots.own, self._encode(intent).decode())
        self._writer.submit(Op(intent.request_id, future, holds=holds, intent=row))
        return await future

    async def settle(self, row: LedgerRow, releases: Sequence[Release], answered: Answered | None = None) -> None:
        """Write the row, remove its intent, true up its meters; and the answer of the item that it was, if it was one."""
        future = self._loop.create_future()
        self._writer.submit(Op(row.request_id, future, releases=releases, row=msgspec.structs.astuple(row), closes=True, job=_writing(answered)))
        await future

    async def record(self, row: LedgerRow, holds: Sequence[Hold], answered: Answered | None = None) -> Reserved | Refusal:
        """Book the holds as used and write the row, and the item's answer, or none of it."""
        future = self._loop.create_future()
        self._writer.submit(Op(row.request_id, future, holds=holds, row=msgspec.structs.astuple(row), job=_writing(answered)))
        verdict = await future
        return verdict if isinstance(verdict, Reserved | Refusal) else Reserved(())

    @property
    def slot(self) -> int:
        """The byte of the lock file that says that this worker lives."""
        return self._slots.own

    async def run(self, job: Job) -> int:
        """Have the writer run other writes within its next group; how many rows they touched."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._writer.submit(Op("", future, job=job))
        return await future

    async def spend(self, holds: Sequence[Hold], job: Job) -> Reserved | Refusal:
        """Book the holds as used and run the job, in one transaction, or neither."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._writer.submit(Op("", future, holds=holds, job=job))
        return await future

    async def amend(self, releases: Sequence[Release], job: Job) -> int:
        """True up what was booked and run the job, in one transaction; how many rows it touched."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._writer.submit(Op("", future, releases=releases, job=job))
        return await future

    def run_later(self, job: Job) -> bool:
        """The same without waiting, when there is nothing better to do; `False` when too many wait already."""
        return self._writer.submit_later(Op("", None, job=job))

    def _tidy(self, connection: sqlite3.Connection) -> None:
        self._sweep(connection)
        self._purge(connection)

    def _sweep(self, connection: sqlite3.Connection, *, include_own: bool = False) -> None:
        """Settle the requests of every worker that is no more."""
        own = self._slots.own
        for slot in {*slots_with_intents(connection), *slots_with_items(connection)}:
            if slot == own:
                if include_own:
                    self._settle_orphans(connection, slot)
            elif self._slots.claim(slot):
                try:
                    self._settle_orphans(connection, slot)
                finally:
                    self._slots.free(slot)

    def _settle_orphans(self, connection: sqlite3.Connection, slot: int) -> None:
        ops = settle_orphans(connection, slot)
        if ops:
            self._ledger.commit(connection, ops, self.clock.now())
            self.counts.swept += len(ops)
        give_back(connection, slot)

    def _purge(self, connection: sqlite3.Connection) -> None:
        now, monotonic = self.clock.now(), self.clock.monotonic()
        wall_s, real_s = now - self._purged_at[0], monotonic - self._purged_at[1]
        if real_s < _PURGE_EVERY_S:
            return
        self._purged_at = (now, monotonic)
        if abs(wall_s - real_s) <= _STEADY_S:
            self._ledger.meters.purge(connection, now)


def _writing(answered: Answered | None) -> Job | None:
    return None if answered is None else lambda connection: write_answer(connection, answered)
