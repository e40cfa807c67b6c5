"""Batches and their items: made, leased, ended. Every change is one transaction of the book's writer."""

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from farthing.core.batch import Answered, Batch, Leased, NewItem, QueueDepth
from farthing.stores.sqlite.book import Book
from farthing.stores.sqlite.jobs.answers import write_answer
from farthing.stores.sqlite.jobs.ends import begin_ends, end_batch, tidy_files
from farthing.stores.sqlite.jobs.files import Files

_FIELDS = Batch.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_INSERT = f"INSERT INTO batches ({_COLUMNS}) VALUES ({','.join('?' * len(_FIELDS))})"
_ITEM = "INSERT INTO batch_items (batch, line, custom_id, body, prefix, twin_of, state) VALUES (?,?,?,?,?,?,?)"
_MOST_OPEN = 500  # looked at together
_OPEN = "('validating', 'in_progress', 'finalizing', 'cancelling')"


class JobStore(Files):
    """One worker's access to the queue. Raises `StoreUnavailable`."""

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self._slot = book.slot

    async def create(self, batch: Batch, items: Sequence[NewItem] = ()) -> None:
        """A batch whose file is still to be read, or one with all of its items."""

        def job(connection: sqlite3.Connection) -> int:
            connection.execute(_INSERT, msgspec.structs.astuple(batch))
            return _add(connection, batch.id, items)

        await self.book.run(job)

    def batch(self, batch_id: str) -> Batch | None:
        row = self.read(f"SELECT {_COLUMNS} FROM batches WHERE id = ?", (batch_id,)).fetchone()
        return None if row is None else Batch(*row)

    def batches(self, tenant: str | None, *, after: Batch | None, limit: int, kind: str | None = "batch") -> list[Batch]:
        """Newest first; `tenant` None: everybody's."""
        where, values = ["(?1 IS NULL OR tenant = ?1)", "(?2 IS NULL OR kind = ?2)"], list[object]([tenant, kind])
        if after is not None:
            where.append("(created_at, id) < (?3, ?4)")
            values += [after.created_at, after.id]
        sql = f"SELECT {_COLUMNS} FROM batches WHERE {' AND '.join(where)} ORDER BY created_at DESC, id DESC LIMIT {limit}"
        return [Batch(*row) for row in self.read(sql, tuple(values)).fetchall()]

    def open_batches(self) -> list[Batch]:
        """All that have not ended, the nearest deadline first."""
        return [
            Batch(*row)
            for row in self.read(f"SELECT {_COLUMNS} FROM batches WHERE status IN {_OPEN} ORDER BY expires_at, id LIMIT {_MOST_OPEN}").fetchall()
        ]

    def depth(self) -> QueueDepth:
        row = self.read(
            f"""SELECT coalesce(sum(total - done - failed), 0), (SELECT count(*) FROM batch_items WHERE state = 'running')
            FROM batches WHERE status IN {_OPEN}"""
        ).fetchone()
        return QueueDepth(row[0] - row[1], row[1])

    def answer(self, batch_id: str) -> tuple[str, bytes | None] | None:
        """State and response of the one item of a call; `None`: there is no such call."""
        row = self.read("SELECT state, response FROM batch_items WHERE batch = ? AND line = 0", (batch_id,)).fetchone()
        return None if row is None else (row[0], row[1])

    async def claim(self, batch_id: str) -> bool:
        """The right to read this batch's file."""
        sql = "UPDATE batches SET slot = ? WHERE id = ? AND status = 'validating' AND slot IS NULL"
        return await self.book.run(lambda connection: connection.execute(sql, (self._slot, batch_id)).rowcount) > 0

    async def add_items(self, batch_id: str, items: Sequence[NewItem]) -> None:
        """Some more of a batch whose file this worker reads. None of them runs before `begin`."""

        def job(connection: sqlite3.Connection) -> int:
            sql = "SELECT 1 FROM batches WHERE id = ? AND status = 'validating' AND slot = ?"
            ours = connection.execute(sql, (batch_id, self._slot)).fetchone()
            return 0 if ours is None else _add(connection, batch_id, items)

        await self.book.run(job)

    async def begin(self, batch_id: str, *, total: int, now: float) -> None:
        """The file was good."""
        sql = """UPDATE batches SET status = 'in_progress', in_progress_at = ?, total = ?, slot = NULL
        WHERE id = ? AND status = 'validating' AND slot = ?"""
        await self.book.run(lambda connection: connection.execute(sql, (now, total, batch_id, self._slot)).rowcount)

    async def reject(self, batch_id: str, *, errors: str, now: float) -> None:
        """The file was not: nothing of it runs."""

        def job(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM batch_items WHERE batch = ?", (batch_id,))
            sql = "UPDATE batches SET status = 'failed', failed_at = ?, errors = ?, total = 0, slot = NULL WHERE id = ? AND status = 'validating'"
            return connection.execute(sql, (now, errors, batch_id)).rowcount

        await self.book.run(job)

    async def lease(self, batch: Batch, limit: int) -> list[Leased]:
        """Up to so many items of one batch, those that begin alike together."""
        found: list[Leased] = []
        if self.read("SELECT 1 FROM batch_items WHERE batch = ? AND state = 'queued' LIMIT 1", (batch.id,)).fetchone() is None:
            return found

        def job(connection: sqlite3.Connection) -> int:
            found.clear()
            sql = """UPDATE batch_items SET state = 'running', slot = ?, epoch = epoch + 1 WHERE id IN (
                SELECT i.id FROM batch_items i JOIN batches b ON b.id = i.batch
                WHERE i.batch = ? AND i.state = 'queued' AND b.status = 'in_progress' ORDER BY i.prefix, i.line LIMIT ?)
            RETURNING id, epoch, line, custom_id, body, attempts, prefix,
                (SELECT t.reuse FROM batch_items t WHERE t.batch = batch_items.batch AND t.line = batch_items.twin_of)"""
            rows = connection.execute(sql, (self._slot, batch.id, limit)).fetchall()
            rows.sort(key=lambda row: (row[6], row[2]))
            found.extend(Leased(item, epoch, batch, line, name, body, tried, reuse) for item, epoch, line, name, body, tried, _, reuse in rows)
            return len(rows)

        await self.book.run(job)
        return found

    def has_twins(self, batch_id: str, line: int) -> bool:
        return self.read("SELECT 1 FROM batch_items WHERE batch = ? AND twin_of = ? LIMIT 1", (batch_id, line)).fetchone() is not None

    async def answered(self, answered: Answered) -> None:
        """An end that no ledger row goes with, such as a failure after the last attempt."""
        await self.book.run(lambda connection: write_answer(connection, answered))

    async def put_back(self, leased: Leased, *, not_before: float | None, attempts: int) -> None:
        """It will be tried again, at once or later."""
        sql = """UPDATE batch_items SET state = ?, slot = NULL, not_before = ?, attempts = ?
        WHERE id = ? AND epoch = ? AND state = 'running'"""
        values = ("queued" if not_before is None else "later", not_before, attempts, leased.item, leased.epoch)
        await self.book.run(lambda connection: connection.execute(sql, values).rowcount)

    async def pause(self, batch_id: str, until: float) -> None:
        """Nothing of this batch starts before then."""
        await self.book.run(lambda connection: connection.execute("UPDATE batches SET resumes_at = ? WHERE id = ?", (until, batch_id)).rowcount)

    async def cancel(self, batch_id: str, now: float) -> None:
        """What has not begun will not."""

        def job(connection: sqlite3.Connection) -> int:
            sql = "UPDATE batches SET status = 'cancelling', cancelling_at = ?, slot = NULL WHERE id = ? AND status IN ('validating', 'in_progress')"
            changed = connection.execute(sql, (now, batch_id)).rowcount
            if changed:
                sql = "UPDATE batch_items SET state = 'cancelled', body = NULL WHERE batch = ? AND state IN ('queued', 'later', 'twin')"
                connection.execute(sql, (batch_id,))
            return changed

        await self.book.run(job)

    async def tend(self, now: float) -> None:
        """What time brings: items whose hour has come, batches that are through or too late."""
        due = self.read("SELECT 1 FROM batch_items WHERE state = 'later' AND not_before <= ? LIMIT 1", (now,)).fetchone()
        if due is not None:
            sql = "UPDATE batch_items SET state = 'queued', not_before = NULL WHERE state = 'later' AND not_before <= ?"
            await self.book.run(lambda connection: connection.execute(sql, (now,)).rowcount)
        if self._anything_to_end(now):
            await self.book.run(lambda connection: begin_ends(connection, now))

    async def end(self, batch_id: str, *, sizes: Mapping[str, int], now: float, keep_s: float) -> bool:
        """The last step of a batch that has nothing left to run; `sizes` of its answer files in bytes. False: it was not for us to take."""
        return await self.book.run(lambda connection: end_batch(connection, batch_id, sizes=sizes, now=now, keep_s=keep_s)) > 0

    def runs(self, batch_id: str) -> bool:
        """Whether anything of it is still to come to an end."""
        sql = "SELECT 1 FROM batch_items WHERE batch = ? AND state IN ('running', 'queued', 'later', 'twin') LIMIT 1"
        return self.read(sql, (batch_id,)).fetchone() is not None

    async def tidy(self, now: float, *, keep_s: float) -> None:
        """Expired files, uploads that were never ended, and what is left of batches that ended long ago; some at a time."""
        while await self.book.run(lambda connection: tidy_files(connection, now, keep_s)):
            pass

    def _anything_to_end(self, now: float) -> bool:
        sql = """SELECT 1 FROM batches WHERE (status = 'in_progress' AND (done + failed >= total OR expires_at <= ?))
        OR status = 'cancelling' LIMIT 1"""
        return self.read(sql, (now,)).fetchone() is not None


def _add(connection: sqlite3.Connection, batch_id: str, items: Sequence[NewItem]) -> int:
    rows = [
        (batch_id, item.line, item.custom_id, item.body, item.prefix, item.twin_of, "queued" if item.twin_of is None else "twin") for item in items
    ]
    connection.executemany(_ITEM, rows)
    return len(rows)
