"""Verdicts on answers, and the stance of each lever that they lead to. Writes go through the book's writer; reads are synchronous.

Guarantees: what a verdict may cost is on the budget's meter and in its row before anything is spent, so a kill -9 loses no cost: the row stays,
marked `open`, at the most that it could cost. The evidence on a lever and the verdict that moved it are one transaction, over all workers.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Generator, Sequence

import msgspec

from farthing.core.errors import StoreUnavailable
from farthing.core.judgement import Guarded, Judgement, Stance, Subject, Turn, VerdictSums
from farthing.core.ledger import Hold, Refusal, Release
from farthing.stores.sqlite.book import Book
from farthing.stores.sqlite.transaction import patiently

Learn = Callable[[Stance], tuple[Stance, tuple[Turn, ...]]]

OPEN = "open"
_FIELDS = Judgement.__struct_fields__
_INSERT = f"INSERT INTO judgements ({','.join(_FIELDS)}) VALUES ({','.join('?' * len(_FIELDS))})"
_SAY_AGAIN = " ON CONFLICT (request_id, source, author) WHERE author IS NOT NULL DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _FIELDS if name not in ("request_id", "source", "author")
)
_UPDATE = f"UPDATE judgements SET {', '.join(f'{name} = ?' for name in _FIELDS)} WHERE id = ?"
# What verdicts can be told apart by. Who did not pay for a verdict left its lever open; then it is the one that gave the answer.
BY = {
    "endpoint": "endpoint",
    "tier": "model_tier",
    "lever": "coalesce(lever, CASE WHEN cache IN ('exact', 'normalised', 'semantic') THEN 'cache' WHEN model_tier = 'cheap' THEN 'route' END)",
    "cache": "cache",
    "source": "source",
    "tenant": "tenant",
    "experiment": "experiment",
}
_PAIRED = "score IS NOT NULL AND reference_score IS NOT NULL"
_SUMS = f"""count(*), count(score), coalesce(total(score), 0), count(*) FILTER (WHERE {_PAIRED}), total(score) FILTER (WHERE {_PAIRED}),
 total(reference_score) FILTER (WHERE {_PAIRED}), total(score * score) FILTER (WHERE {_PAIRED}),
 total(reference_score * reference_score) FILTER (WHERE {_PAIRED}), total(score * reference_score), coalesce(sum(cost_picousd), 0),
 count(*) FILTER (WHERE cost_picousd IS NULL)"""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stance).decode


class Judgements:
    """One worker's access to what was said of answers."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._connection = book.reader()

    def subject(self, request_id: str) -> Subject | None:
        """The settled request of this id; `None` when there is none. Raises `StoreUnavailable`."""
        with self._reading():
            return find_subject(self._connection, request_id)

    async def say(self, judgement: Judgement) -> None:
        """Write a verdict that costs nothing; of the same author on the same answer the last one stays. Raises `StoreUnavailable`."""
        await self._book.run(lambda connection: insert(connection, judgement))

    async def begin(self, judgement: Judgement, hold: Hold) -> int | Refusal:
        """Book the most that a verdict may cost, with a row that says so; the row's number. Raises `StoreUnavailable`."""
        row = 0

        def job(connection: sqlite3.Connection) -> int:
            nonlocal row
            row = connection.execute(_INSERT, msgspec.structs.astuple(judgement)).lastrowid or 0
            return 1

        refused = await self._book.spend((hold,), job)
        return refused if isinstance(refused, Refusal) else row

    async def end(self, row: int, judgement: Judgement, release: Release, learn: tuple[str, Guarded, Learn] | None = None) -> tuple[Turn, ...]:
        """The verdict that came of it, what it cost, and what it teaches about (endpoint, lever). Gives the turns of that lever."""
        turns: tuple[Turn, ...] = ()

        def job(connection: sqlite3.Connection) -> int:
            nonlocal turns
            connection.execute(_UPDATE, (*msgspec.structs.astuple(judgement), row))
            if learn is not None:
                turns = _teach(connection, *learn)
            return 1

        await self._book.amend((release,), job)
        return turns

    def version(self) -> int:
        """Rises whenever a lever was turned, by any worker. Raises `StoreUnavailable`."""
        with self._reading():
            return patiently(self._connection, "SELECT value FROM control WHERE name = 'quality'").fetchone()[0]

    def stances(self) -> dict[tuple[str, Guarded], Stance]:
        """Where each lever stands, by endpoint and lever. Raises `StoreUnavailable`."""
        with self._reading():
            found = patiently(self._connection, "SELECT endpoint, lever, stance FROM quality_stances").fetchall()
        return {(endpoint, lever): _decode(stance) for endpoint, lever, stance in found}

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The store cannot be read: {error}.", retry_after_s=1.0) from error


def find_subject(connection: sqlite3.Connection, request_id: str) -> Subject | None:
    found = patiently(
        connection, "SELECT tenant, endpoint, model_tier, cache, experiment FROM requests WHERE request_id = ?", (request_id,)
    ).fetchone()
    return None if found is None else Subject(*found)


def verdict_sums(
    connection: sqlite3.Connection, by: Sequence[str], since: float | None = None, until: float | None = None, tenant: str | None = None
) -> list[tuple[tuple[str | None, ...], VerdictSums]]:
    """Verdicts given from `since` to before `until`, added up by some of `BY`, in order of their names."""
    groups = ", ".join(BY[name] for name in by)
    where, values = ["1"], list[object]()
    for condition, value in (("judged_at >= ?", since), ("judged_at < ?", until), ("tenant = ?", tenant)):
        if value is not None:
            where.append(condition)
            values.append(value)
    sql = f"SELECT {groups}{', ' if by else ''}{_SUMS} FROM judgements WHERE {' AND '.join(where)}"
    sql += f" GROUP BY {groups} ORDER BY {groups}" if by else ""
    found = patiently(connection, sql, tuple(values)).fetchall()
    return [(tuple(row[: len(by)]), VerdictSums(*row[len(by) :])) for row in found]


def insert(connection: sqlite3.Connection, judgement: Judgement) -> int:
    """One row, or the newer words of the same author in place of the older ones."""
    return connection.execute(_INSERT + _SAY_AGAIN, msgspec.structs.astuple(judgement)).rowcount


def _teach(connection: sqlite3.Connection, endpoint: str, lever: Guarded, learn: Learn) -> tuple[Turn, ...]:
    found = connection.execute("SELECT stance FROM quality_stances WHERE endpoint = ? AND lever = ?", (endpoint, lever)).fetchone()
    stance, turns = learn(_decode(found[0]) if found else Stance())
    connection.execute("REPLACE INTO quality_stances (endpoint, lever, stance) VALUES (?,?,?)", (endpoint, lever, _encode(stance).decode()))
    if turns:
        _note(connection, turns)
    return turns


def _note(connection: sqlite3.Connection, turns: Sequence[Turn]) -> None:
    connection.executemany(
        "INSERT INTO quality_turns (at, endpoint, lever, phase, reason) VALUES (?,?,?,?,?)", [msgspec.structs.astuple(turn) for turn in turns]
    )
    connection.execute("UPDATE control SET value = value + 1 WHERE name = 'quality'")
