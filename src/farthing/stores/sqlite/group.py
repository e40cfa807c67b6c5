"""One group of operations, one transaction.

`commit` gives every operation its `outcome`: a verdict, `None` for done, or the error for its caller. Two fallbacks keep a group from falling
for one member: a request that is in the book already (found by counting what was inserted) sends the group through once more without it;
a value that SQLite cannot hold (a lone surrogate, an integer over 64 bits) sends its members through one by one, cleaned.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence

import msgspec

from farthing.core.errors import FarthingError, StoreUnavailable
from farthing.core.ledger import Hold, Refusal, Release, Reserved
from farthing.stores.sqlite.meters import Meters
from farthing.stores.sqlite.rows import IntentRow, delete_intents, insert_intents, insert_requests, known_requests, open_requests
from farthing.stores.sqlite.transaction import LOCK_TIMEOUT_S, begin, roll_back

Outcome = Reserved | Refusal | FarthingError | int | None
Job = Callable[[sqlite3.Connection], int]  # other writes that ride along; returns rows touched

_INTEGERS = (-(2**63), 2**63 - 1)


class Op(msgspec.Struct, gc=False):
    """Reserve: holds and intent. Record: holds and row. Settle: row, releases, closes. An undone reserve: releases, closes. A job: job,
    with holds when it may only run if they fit, with releases that it trues up."""

    request_id: str
    future: "asyncio.Future[Outcome] | None"
    holds: Sequence[Hold] = ()
    releases: Sequence[Release] = ()
    intent: IntentRow | None = None
    row: tuple[object, ...] | None = None
    closes: bool = False
    job: Job | None = None
    outcome: Outcome = None


class Counts(msgspec.Struct):
    """What the store did since it was opened."""

    groups: int = 0
    operations: int = 0
    failed_groups: int = 0
    spooled: int = 0  # settles waiting in memory for a disk that takes them
    lost: int = 0  # settles that the full spool had to let go
    duplicates: int = 0  # rows for a request that was in the book already
    swept: int = 0  # requests of dead workers, settled as interrupted


class _AlreadyBooked(Exception):
    """Some row of the group was not new."""


_MISFIT = (
    ValueError,
    ArithmeticError,
    TypeError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    _AlreadyBooked,
)


class Ledger:
    """Applies groups to one connection. Raises `sqlite3.Error` when nothing of the group was booked."""

    def __init__(self, counts: Counts, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self.meters = Meters()
        self._counts = counts
        self._lock_timeout_s = lock_timeout_s

    def commit(self, connection: sqlite3.Connection, ops: Sequence[Op], now: float) -> None:
        try:
            self._transact(connection, ops, now)
        except _MISFIT as misfit:
            if len(ops) > 1:
                for op in ops:
                    self.commit(connection, [op], now)
            else:
                self._commit_cleaned(connection, ops[0], now, misfit)

    def _commit_cleaned(self, connection: sqlite3.Connection, op: Op, now: float, misfit: Exception) -> None:
        cleaned = msgspec.structs.replace(op, row=_clean(op.row), intent=_clean(op.intent))
        try:
            self._transact(connection, [cleaned], now)
            op.outcome = cleaned.outcome
        except _MISFIT:
            op.outcome = StoreUnavailable(f"Request {op.request_id} cannot be written to the store: {misfit}. Nothing was booked.")

    def _transact(self, connection: sqlite3.Connection, ops: Sequence[Op], now: float) -> None:
        try:
            begin(connection, self._lock_timeout_s)
            try:
                self._apply(connection, ops, now)
            except _AlreadyBooked:
                connection.execute("ROLLBACK")
                self.meters.forget()
                begin(connection, self._lock_timeout_s)
                self._apply(connection, self._without_booked(connection, ops), now)
            connection.execute("COMMIT")
        except BaseException:
            self.meters.forget()
            roll_back(connection)
            raise

    def _apply(self, connection: sqlite3.Connection, ops: Sequence[Op], now: float) -> None:
        meters = self.meters
        meters.refresh(connection, _meter_names(ops), now)
        intents: list[IntentRow] = []
        closed: list[str] = []
        rows: list[tuple[object, ...]] = []
        for op in ops:
            if op.holds or op.intent is not None:
                verdict = op.outcome = meters.hold(op.holds, spend=op.intent is None)
                if isinstance(verdict, Refusal):
                    continue
            if op.releases:
                meters.release(op.releases)
            if op.intent is not None:
                intents.append(op.intent)
            if op.closes:
                closed.append(op.request_id)
            if op.row is not None:
                rows.append(op.row)
            if op.job is not None:
                touched = op.job(connection)
                op.outcome = op.outcome if op.holds else touched
        insert_intents(connection, intents)
        delete_intents(connection, closed)
        if insert_requests(connection, rows) != len(rows):
            raise _AlreadyBooked
        meters.write(connection)

    def _without_booked(self, connection: sqlite3.Connection, ops: Sequence[Op]) -> list[Op]:
        """The group without the rows that are in the book already. Meters of such a request move only if it has an intent left to close."""
        ids = [op.request_id for op in ops if op.row is not None]
        booked, still_open = known_requests(connection, ids), open_requests(connection, ids)
        kept: list[Op] = []
        for op in ops:
            if op.intent is not None:
                still_open.add(op.request_id)
            if op.row is None or op.request_id not in booked:
                kept.append(op)
                if op.row is not None:
                    booked.add(op.request_id)
            else:
                self._counts.duplicates += 1
                op.outcome = Reserved(()) if op.holds else None
                if op.request_id in still_open:
                    kept.append(msgspec.structs.replace(op, row=None, future=None))
            if op.closes:
                still_open.discard(op.request_id)
        return kept


def _meter_names(ops: Sequence[Op]) -> list[str]:
    names = [hold.meter for op in ops for hold in op.holds]
    names += [release.meter for op in ops for release in op.releases]
    return names


def _clean(values: tuple[object, ...] | None) -> tuple[object, ...] | None:
    """The same values, in the nearest form that SQLite can hold."""
    return None if values is None else tuple(_cleaned(value) for value in values)


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return max(_INTEGERS[0], min(value, _INTEGERS[1]))
    return value
