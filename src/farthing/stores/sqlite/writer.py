"""The one thread of this process that writes to the store.

Operations that arrive while a group commits form the next group: one transaction, one wake-up of the event loop. Submissions of one pass of the
loop go over together, with one wake-up of the thread. A settle whose group failed stays in memory and goes again with the next
groups: its caller hears `StoreUnavailable`, the book gets it when the disk heals.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable

import msgspec

from farthing import config
from farthing.core.clock import Clock
from farthing.core.errors import FarthingError, StoreUnavailable
from farthing.core.ledger import Release, Reserved
from farthing.stores.sqlite import database
from farthing.stores.sqlite.group import Counts, Ledger, Op

_log = logging.getLogger(__name__)

TICK_S = 2.0
_RETRY_S = 0.25
_LARGEST_GROUP = 256
_LARGEST_SPOOL = 10_000
_LATER_PER_GROUP = 8
_MOST_LATER = 256


OnCommit = Callable[[int, float, int], None]  # operations, seconds, operations that wait for the next group


class Writer:
    """Owns the writing connection from `start` to `stop`. `on_tick` runs in the thread every `TICK_S`, between groups."""

    def __init__(
        self, store: config.Store, connection: sqlite3.Connection, ledger: Ledger, counts: Counts, clock: Clock, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._store = store
        self._loop = loop
        self._ledger = ledger
        self._counts = counts
        self._clock = clock
        self._connection: sqlite3.Connection | None = connection
        self._group: list[Op] = []
        self._failing = False
        self._tick_due_s = clock.monotonic() + TICK_S
        self._queue: deque[Op] = deque()
        self._later: deque[Op] = deque()
        self._spool: deque[Op] = deque(maxlen=_LARGEST_SPOOL)
        self._wake = threading.Lock()
        self._wake.acquire()
        self._idle = True
        self._kicking = False
        self._stopping = False
        self._stopped: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._run, name="farthing-store", daemon=True)
        self.on_tick: Callable[[sqlite3.Connection], None] | None = None
        self.on_commit: OnCommit | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def problem(self) -> str | None:
        """Why nothing can be booked now."""
        if not self._thread.is_alive():
            return f"the store '{self._store.path}' is closed"
        return f"the store '{self._store.path}' cannot be written" if self._failing else None

    def submit(self, op: Op) -> None:
        """Queue an operation; call it in the event loop. Raises `StoreUnavailable` once stopped."""
        if self._stopping:
            raise StoreUnavailable(f"The store '{self._store.path}' is closed. Nothing was booked.")
        self._queue.append(op)
        if self._idle and not self._kicking:
            self._kicking = True
            self._loop.call_soon(self._kick)

    def submit_later(self, op: Op) -> bool:
        """Queue an operation that may wait, or be dropped (`False`) when many do."""
        if self._stopping or len(self._later) >= _MOST_LATER:
            return False
        self._later.append(op)
        return True

    async def stop(self) -> None:
        """Write everything that is queued, then end the thread and close the connection."""
        if not self._stopping:
            self._stopping = True
            self._kick()
        await asyncio.shield(self._stopped)
        self._thread.join()

    def _kick(self) -> None:
        self._kicking = False
        if self._wake.locked():
            self._wake.release()

    def _run(self) -> None:
        try:
            while not self._stopping or self._queue:
                self._idle = True
                if not self._queue:
                    self._wake.acquire(timeout=_RETRY_S if self._spool or self._later else TICK_S)
                self._idle = False
                self._write(self._take())
                self._tick()
            self._flush()
        finally:
            self._end()

    def _take(self) -> list[Op]:
        """The next group: what waited longest first, so that nothing is left behind for good."""
        ops: list[Op] = []
        _move(self._spool, ops, 1 if self._failing else _LARGEST_GROUP)
        _move(self._queue, ops, _LARGEST_GROUP)
        _move(self._later, ops, _LATER_PER_GROUP)
        return ops

    def _write(self, ops: list[Op]) -> None:
        if not ops:
            return
        self._group = ops
        began_s = self._clock.monotonic()
        try:
            self._ledger.commit(self._connected(), ops, self._clock.now())
        except sqlite3.Error as error:
            self._fail(ops, error)
        else:
            self._heal()
        self._group = []
        self._counts.groups += 1
        self._counts.operations += len(ops)
        self._counts.spooled = len(self._spool)
        if self.on_commit is not None:
            self.on_commit(len(ops), self._clock.monotonic() - began_s, len(self._queue))
        self._deliver(ops)

    def _fail(self, ops: list[Op], error: sqlite3.Error) -> None:
        if not self._failing:
            _log.error("The store '%s' cannot be written: %s. Requests fail until it can.", self._store.path, error)
        self._failing = True
        self._counts.failed_groups += 1
        for op in ops:
            op.outcome = database.unavailable(self._store, error)
            if op.closes:
                self._counts.lost += len(self._spool) == self._spool.maxlen
                self._spool.append(msgspec.structs.replace(op, future=None, outcome=None))
        if database.is_broken(error):
            self._disconnect()

    def _heal(self) -> None:
        if self._failing:
            self._failing = False
            _log.warning("The store '%s' can be written again; %d settles catch up.", self._store.path, len(self._spool))

    def _tick(self) -> None:
        if self._clock.monotonic() < self._tick_due_s or self.on_tick is None:
            return
        self._tick_due_s = self._clock.monotonic() + TICK_S
        try:
            self.on_tick(self._connected())
        except sqlite3.Error as error:
            _log.warning("The store '%s' was not tidied: %s. It will be tried again.", self._store.path, error)

    def _flush(self) -> None:
        """Last writes before the end: what may wait, and what failed before."""
        while self._later or (self._spool and not self._failing):
            self._write(self._take())
        if self._spool:
            self._write(self._take())

    def _end(self) -> None:
        self._stopping = True
        if self._spool:
            _log.error("The store '%s' closes with %d settles unwritten; the next start sweeps them.", self._store.path, len(self._spool))
        left = [*self._group, *self._queue]
        for op in left:
            op.outcome = StoreUnavailable(f"The store '{self._store.path}' is closed. Nothing was booked.")
        self._disconnect()
        self._deliver(left)
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            self._loop.call_soon_threadsafe(self._stopped.set_result, None)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = database.connect(self._store)
        return self._connection

    def _disconnect(self) -> None:
        self._ledger.meters.forget()
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _deliver(self, ops: list[Op]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            self._loop.call_soon_threadsafe(self._resolve, ops)

    def _resolve(self, ops: list[Op]) -> None:
        for op in ops:
            future, outcome = op.future, op.outcome
            if future is None:
                continue
            if future.done():
                self._undo(op)
            elif isinstance(outcome, FarthingError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _undo(self, op: Op) -> None:
        """Nobody waits for this verdict any more: give back what it reserved."""
        if op.intent is not None and isinstance(op.outcome, Reserved) and not self._stopping:
            releases = [Release(hold.meter, hold.amount, 0) for hold in op.holds]
            self.submit(Op(op.request_id, None, releases=releases, closes=True))


def _move(source: deque[Op], target: list[Op], most: int) -> None:
    target.extend(source.popleft() for _ in range(min(len(source), most)))
