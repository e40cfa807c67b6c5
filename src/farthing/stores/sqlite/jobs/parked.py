"""Calls at a provider's batches, kept so that a restart finds them again. `models.batch.base.Parked` on SQLite."""

import sqlite3
from collections.abc import Sequence

import msgspec

from farthing.core.parked import ParkedAnswer, ParkedCall, ProviderBatch
from farthing.stores.sqlite.jobs.reading import Reading
from farthing.stores.sqlite.rows import chunks, marks

_CALL = "item, digest, service, path, model, body, parked_at"
_BATCH = "tag, service, path, provider_id, created_at"
_AT_ONCE = 200


class ParkedStore(Reading):
    """One worker's access. Raises `StoreUnavailable`."""

    async def park(self, call: ParkedCall) -> ParkedAnswer:
        """Have it wait, or say what is known of the same call from before."""
        found: list[ParkedAnswer] = []

        def job(connection: sqlite3.Connection) -> int:
            found.clear()
            sql = "SELECT item, state, status, answer, tag FROM provider_calls WHERE item = ? AND digest = ? AND service = ?"
            row = connection.execute(sql, (call.item, call.digest, call.service)).fetchone()
            if row is None:
                sql = f"REPLACE INTO provider_calls ({_CALL}, state) VALUES (?,?,?,?,?,?,?,'waiting')"
                connection.execute(sql, msgspec.structs.astuple(call))
            found.append(ParkedAnswer(call.item, "waiting") if row is None else ParkedAnswer(*row))
            return 1

        await self.book.run(job)
        return found[0]

    def waiting(self) -> list[tuple[str, str, str, int, float]]:
        """Service, path, model, how many wait, and since when the first of them."""
        sql = "SELECT service, path, model, count(*), min(parked_at) FROM provider_calls WHERE state = 'waiting' GROUP BY service, path, model"
        return self.read(sql).fetchall()

    def group(self, service: str, path: str, model: str, most: int) -> list[ParkedCall]:
        """The first of those that wait."""
        sql = f"""SELECT {_CALL} FROM provider_calls WHERE state = 'waiting' AND service = ? AND path = ? AND model = ?
        ORDER BY parked_at, item LIMIT ?"""
        return [ParkedCall(*row) for row in self.read(sql, (service, path, model, most)).fetchall()]

    async def begin(self, batch: ProviderBatch, items: Sequence[int]) -> None:
        """These go with this batch; written before it leaves."""

        def job(connection: sqlite3.Connection) -> int:
            connection.execute(f"INSERT INTO provider_batches ({_BATCH}, state) VALUES (?,?,?,?,?,'open')", msgspec.structs.astuple(batch))
            for some in chunks(items, _AT_ONCE):
                sql = f"UPDATE provider_calls SET state = 'sent', tag = ? WHERE state = 'waiting' AND item IN {marks(len(some))}"
                connection.execute(sql, (batch.tag, *some))
            return len(items)

        await self.book.run(job)

    async def sent(self, tag: str, provider_id: str) -> None:
        """The provider has taken it."""
        sql = "UPDATE provider_batches SET provider_id = ? WHERE tag = ?"
        await self.book.run(lambda connection: connection.execute(sql, (provider_id, tag)).rowcount)

    async def undo(self, tag: str) -> None:
        """It never left: its calls wait again."""

        def job(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM provider_batches WHERE tag = ?", (tag,))
            return connection.execute("UPDATE provider_calls SET state = 'waiting', tag = NULL WHERE tag = ? AND state = 'sent'", (tag,)).rowcount

        await self.book.run(job)

    def open(self) -> list[ProviderBatch]:
        """All that have not ended."""
        return [
            ProviderBatch(*row) for row in self.read(f"SELECT {_BATCH} FROM provider_batches WHERE state = 'open' ORDER BY created_at").fetchall()
        ]

    async def end(self, tag: str, answers: Sequence[ParkedAnswer]) -> None:
        """What came of it; calls that it says nothing of are missed."""

        def job(connection: sqlite3.Connection) -> int:
            sql = "UPDATE provider_calls SET state = ?, status = ?, answer = ?, body = NULL WHERE item = ? AND tag = ? AND state = 'sent'"
            connection.executemany(sql, [(one.state, one.status, one.answer, one.item, tag) for one in answers])
            connection.execute("UPDATE provider_calls SET state = 'missed', body = NULL WHERE tag = ? AND state = 'sent'", (tag,))
            return connection.execute("DELETE FROM provider_batches WHERE tag = ?", (tag,)).rowcount

        await self.book.run(job)

    async def miss(self, items: Sequence[int]) -> None:
        """Not worth a batch: they are called directly."""
        for some in chunks(items, _AT_ONCE):
            sql = f"UPDATE provider_calls SET state = 'missed', body = NULL WHERE state = 'waiting' AND item IN {marks(len(some))}"
            await self.book.run(lambda connection, sql=sql, some=some: connection.execute(sql, tuple(some)).rowcount)

    def back(self) -> list[ParkedAnswer]:
        """Everything that is no longer waited for."""
        sql = "SELECT item, state, status, answer, tag FROM provider_calls WHERE state IN ('answered', 'missed')"
        return [ParkedAnswer(*row) for row in self.read(sql).fetchall()]

    def unwanted(self, now: float) -> list[ProviderBatch]:
        """Batches at a provider none of whose calls anybody waits for: cancelled, or out of time."""
        sql = f"""SELECT {_BATCH} FROM provider_batches p WHERE p.state = 'open' AND p.provider_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM provider_calls c JOIN batch_items i ON i.id = c.item JOIN batches b ON b.id = i.batch
            WHERE c.tag = p.tag AND c.state = 'sent' AND b.status = 'in_progress' AND b.expires_at > ?)"""
        return [ProviderBatch(*row) for row in self.read(sql, (now,)).fetchall()]

    def called_off(self, now: float) -> set[int]:
        """Items whose batch was cancelled, or has run out of time."""
        sql = """SELECT c.item FROM provider_calls c JOIN batch_items i ON i.id = c.item JOIN batches b ON b.id = i.batch
        WHERE b.status = 'cancelling' OR b.expires_at <= ?"""
        return {row[0] for row in self.read(sql, (now,)).fetchall()}
