"""Files: brought in part by part, shown part by part."""

import sqlite3
from collections.abc import Iterator

import msgspec

from farthing.core.batch import ItemLine, StoredFile
from farthing.stores.sqlite.book import Book
from farthing.stores.sqlite.jobs.reading import Reading

_COLUMNS = "id, tenant, key_id, name, purpose, bytes, created_at, expires_at, batch, part"
_LINES_AT_ONCE = 200
_STATES = {"output": "('done')", "errors": "('failed', 'expired', 'cancelled')"}


class Files(Reading):
    """One worker's access. Raises `StoreUnavailable`."""

    def __init__(self, book: Book) -> None:
        super().__init__(book)

    async def begin_file(self, file: StoredFile) -> None:
        """A file that nobody sees until `end_file`."""
        values = msgspec.structs.astuple(file)
        await self.book.run(
            lambda connection: connection.execute(f"INSERT INTO files ({_COLUMNS}, whole) VALUES (?,?,?,?,?,?,?,?,?,?,0)", values).rowcount
        )

    async def add_part(self, file_id: str, content: bytes) -> None:
        await self.book.run(lambda connection: connection.execute("INSERT INTO file_parts (file, content) VALUES (?,?)", (file_id, content)).rowcount)

    async def end_file(self, file: StoredFile) -> None:
        """It is whole; its name, purpose and size are known by now."""

        def job(connection: sqlite3.Connection) -> int:
            sql = "UPDATE files SET whole = 1, name = ?, purpose = ?, bytes = ?, expires_at = ? WHERE id = ?"
            return connection.execute(sql, (file.name, file.purpose, file.bytes, file.expires_at, file.id)).rowcount

        await self.book.run(job)

    async def delete_file(self, file: StoredFile) -> None:
        """A few parts at a time, so that the ledger does not wait. Of an answer file the answers are taken off the items."""
        await self.book.run(lambda connection: connection.execute("DELETE FROM files WHERE id = ?", (file.id,)).rowcount)
        while await self.book.run(lambda connection: delete_parts(connection, file.id)):
            pass
        if file.batch is not None and file.part is not None:
            sql = f"UPDATE batch_items SET response = NULL WHERE batch = ? AND state IN {_STATES[file.part]}"
            await self.book.run(lambda connection: connection.execute(sql, (file.batch,)).rowcount)

    def is_being_read(self, file_id: str) -> bool:
        """A batch has yet to see all of its lines."""
        return self.read("SELECT 1 FROM batches WHERE input_file = ? AND status = 'validating' LIMIT 1", (file_id,)).fetchone() is not None

    def file(self, file_id: str) -> StoredFile | None:
        row = self.read(f"SELECT {_COLUMNS} FROM files WHERE id = ? AND whole", (file_id,)).fetchone()
        return None if row is None else StoredFile(*row)

    def files(self, tenant: str, *, purpose: str | None, after: StoredFile | None, limit: int, oldest_first: bool) -> list[StoredFile]:
        """Of one tenant, from the one after `after` on."""
        where, values = ["tenant = ?", "whole"], list[object]([tenant])
        if purpose is not None:
            where.append("purpose = ?")
            values.append(purpose)
        sign, order = (">", "ASC") if oldest_first else ("<", "DESC")
        if after is not None:
            where.append(f"(created_at, id) {sign} (?, ?)")
            values += [after.created_at, after.id]
        sql = f"SELECT {_COLUMNS} FROM files WHERE {' AND '.join(where)} ORDER BY created_at {order}, id {order} LIMIT ?"
        return [StoredFile(*row) for row in self.read(sql, (*values, limit)).fetchall()]

    def stored_bytes(self, tenant: str) -> int:
        """What the tenant's own files take."""
        return self.read("SELECT coalesce(sum(bytes), 0) FROM files WHERE tenant = ? AND batch IS NULL", (tenant,)).fetchone()[0]

    def parts(self, file_id: str) -> Iterator[bytes]:
        """The content of a file that was brought."""
        last = 0
        while (
            row := self.read("SELECT id, content FROM file_parts WHERE file = ? AND id > ? ORDER BY id LIMIT 1", (file_id, last)).fetchone()
        ) is not None:
            last = row[0]
            yield row[1]

    def lines(self, batch_id: str, part: str) -> Iterator[ItemLine]:
        """What an answer file shows, in the order of the input."""
        sql = f"""SELECT id, line, custom_id, state, response FROM batch_items
        WHERE batch = ? AND line > ? AND state IN {_STATES[part]} ORDER BY line LIMIT {_LINES_AT_ONCE}"""
        last = -1
        while rows := self.read(sql, (batch_id, last)).fetchall():
            last = rows[-1][1]
            for row in rows:
                yield ItemLine(*row)


def delete_parts(connection: sqlite3.Connection, file_id: str) -> int:
    """Some parts of a file; 0 when none are left."""
    return connection.execute("DELETE FROM file_parts WHERE id IN (SELECT id FROM file_parts WHERE file = ? LIMIT 8)", (file_id,)).rowcount
