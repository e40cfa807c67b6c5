"""Carry the ledger into the rollups, a batch at a time.

Guarantees: what is counted equals the rows up to the cursor, exactly, after any crash: sums and cursor move in one transaction, and a batch that
was prepared on an older cursor than the one found when it is written is thrown away (two fillers waste work, never count twice). Rows are
followed by rowid, so that requests which settle late are counted too.
Costs: reading and adding up happen on the caller's thread; the writer only replaces finished rows, a few milliseconds a batch.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

from farthing.stores.sqlite.rollups import sketch
from farthing.stores.sqlite.rollups.tally import (
    EVERYONE,
    KEPT_S,
    LEVELS,
    READ,
    SUMS,
    VERDICT_READ,
    VERDICT_SUMS,
    Cell,
    Row,
    Sums,
    is_kept,
    start_of,
    tally,
    tally_verdicts,
)
from farthing.stores.sqlite.rows import marks
from farthing.stores.sqlite.transaction import transaction

BATCH_ROWS = 1_000
_MOST_CELLS = 20_000
_OTHERS = "(others)"
_PURGED_AT_ONCE = 4
_VERDICTS_AT_ONCE = 200
_COUNTED_TABLES = ("rollups", "rollup_parts", "rollup_sketches", "rollup_verdicts")
_TABLES = (*_COUNTED_TABLES, "rollup_drops")

Job = Callable[[sqlite3.Connection], int]
_Place = tuple[int, int, int, int]  # level, bucket, tenant, cell


class Batch:
    """Rows added up, with what was there before: ready to be written over it. `rows` is how many it carries."""

    def __init__(self, source: str, before: int, after: int, rows: int) -> None:
        self.source = source
        self.before = before
        self.after = after
        self.rows = rows
        self.statements: list[tuple[str, list[tuple[Any, ...]]]] = []
        self.request_id: str | None = None

    def write(self, connection: sqlite3.Connection) -> int:
        """Within a transaction. How many ledger rows are newly counted: none where somebody else was quicker."""
        moved = connection.execute(
            "UPDATE rollup_cursors SET at = ?, request_id = ? WHERE source = ? AND at = ?", (self.after, self.request_id, self.source, self.before)
        ).rowcount
        if not moved:
            return 0
        for statement, values in self.statements:
            connection.executemany(statement, values)
        return self.rows


def next_batch(reader: sqlite3.Connection, now: float, limit: int = BATCH_ROWS) -> Batch | None:
    """What is to be counted next, `None` when all is. Reads one snapshot; writes nothing."""
    reader.execute("BEGIN")
    try:
        # The drops first: their own table forgets them within the hour.
        return _drops(reader, now, limit) or _verdicts(reader, now, limit) or _requests(reader, now, limit)
    finally:
        reader.execute("ROLLBACK")


def catch_up(connection: sqlite3.Connection, now: float, *, limit: int = 5_000) -> int:
    """Count everything now, on one connection. How many rows that were. For commands and tests; the gateway fills in the background."""
    counted = 0
    while (batch := next_batch(connection, now, limit)) is not None:
        with transaction(connection):
            counted += batch.write(connection)
    return counted


def behind(reader: sqlite3.Connection) -> int:
    """Ledger rows that are not counted yet."""
    last, at = reader.execute(f"SELECT ({_LAST}), at FROM rollup_cursors WHERE source = 'requests'").fetchone()
    return max((last or 0) - at, 0)


def purge(now: float) -> Job:
    """Let go of a few of the finest buckets that are past their time. Rows deleted."""

    def job(connection: sqlite3.Connection) -> int:
        deleted = 0
        for table in _TABLES:
            for level, kept_s in KEPT_S.items():
                for _ in range(_PURGED_AT_ONCE):
                    oldest = connection.execute(f"SELECT min(bucket) FROM {table} WHERE level = ?", (level,)).fetchone()[0]
                    if oldest is None or oldest >= now - kept_s:
                        break
                    deleted += connection.execute(f"DELETE FROM {table} WHERE level = ? AND bucket = ?", (level, oldest)).rowcount
        return deleted

    return job


def _at(reader: sqlite3.Connection, source: str) -> int:
    return reader.execute("SELECT at FROM rollup_cursors WHERE source = ?", (source,)).fetchone()[0]


def _requests(reader: sqlite3.Connection, now: float, limit: int) -> Batch | None:
    at = _at(reader, "requests")
    if _astray(reader, at):
        return _start_over(at)
    rows = [Row(*values) for values in reader.execute(f"SELECT {','.join(READ)} FROM requests WHERE rowid > ? ORDER BY rowid LIMIT ?", (at, limit))]
    if not rows:
        return None
    batch = Batch("requests", at, rows[-1].rowid, len(rows))
    batch.request_id = rows[-1].request_id
    names = _Names(reader, batch)
    placed: dict[_Place, Sums] = {}
    for (level, bucket, tenant, cell), sums in tally(rows, now).items():
        place = (level, bucket, names.tenant(tenant), names.cell(cell))
        if place in placed:
            placed[place].add(sums)
        else:
            placed[place] = sums
    _add_what_was_there(reader, placed)
    batch.statements += [
        (_replace("rollups", ("cell", *SUMS)), [(*place, *sums.values) for place, sums in placed.items()]),
        (
            _replace("rollup_parts", ("cell", "kind", "name", "amount", "low", "high")),
            [(*place, *part, *amounts) for place, sums in placed.items() for part, amounts in sums.parts.items()],
        ),
        (_replace("rollup_sketches", ("cell", *_SKETCHES)), [(*place, *_packed(sums)) for place, sums in placed.items()]),
    ]
    return batch


def _astray(reader: sqlite3.Connection, at: int) -> bool:
    """Whether the row at the cursor is another one than was counted last: the ledger was cut or renumbered (VACUUM) behind our back."""
    if not at:
        return False
    found = reader.execute("SELECT request_id FROM requests WHERE rowid = ?", (at,)).fetchone()
    return found != reader.execute("SELECT request_id FROM rollup_cursors WHERE source = 'requests'").fetchone()


def _start_over(at: int) -> Batch:
    batch = Batch("requests", at, 0, 0)
    batch.statements = [(f"DELETE FROM {table}", [()]) for table in _COUNTED_TABLES]
    batch.statements.append(("DELETE FROM rollup_amendments", [()]))
    batch.statements.append(("UPDATE rollup_cursors SET at = 0 WHERE source = 'judgements'", [()]))
    return batch


class _Names:
    """Numbers of tenants and cells, new ones handed out in order; the cursor keeps two fillers from handing out the same."""

    def __init__(self, reader: sqlite3.Connection, batch: Batch) -> None:
        self._tenants: dict[str, int] = {EVERYONE: 0}
        self._cells: dict[Cell, int] = {}
        self._reader = reader
        self._next_tenant = _after(reader, "tenant", "rollup_tenants")
        self._next_cell = _after(reader, "cell", "rollup_cells")
        self._new_tenants: list[tuple[Any, ...]] = []
        self._new_cells: list[tuple[Any, ...]] = []
        batch.statements += [
            ("INSERT INTO rollup_tenants (tenant, name) VALUES (?,?)", self._new_tenants),
            (f"INSERT INTO rollup_cells (cell, endpoint, tier, model, cache, outcome, error_code) VALUES {marks(7)}", self._new_cells),
        ]

    def tenant(self, name: str) -> int:
        if name not in self._tenants:
            found = self._reader.execute("SELECT tenant FROM rollup_tenants WHERE name = ?", (name,)).fetchone()
            if found is None:
                self._new_tenants.append((self._next_tenant, name))
                found = (self._next_tenant,)
                self._next_tenant += 1
            self._tenants[name] = found[0]
        return self._tenants[name]

    def cell(self, cell: Cell) -> int:
        number = self._cells.get(cell)
        if number is None:
            number = self._cells[cell] = self._numbered(cell)
        return number

    def _numbered(self, cell: Cell) -> int:
        found = self._reader.execute(_FIND_CELL, cell).fetchone()
        if found is not None:
            return found[0]
        if self._next_cell > _MOST_CELLS and cell[0] != _OTHERS:
            # Endpoints are named by callers: one who makes up names must not fill the disk.
            return self.cell((_OTHERS, cell[1], _OTHERS, *cell[3:]))
        self._new_cells.append((self._next_cell, *cell))
        self._next_cell += 1
        return self._next_cell - 1


def _after(reader: sqlite3.Connection, column: str, table: str) -> int:
    return (reader.execute(f"SELECT max({column}) FROM {table}").fetchone()[0] or 0) + 1


def _add_what_was_there(reader: sqlite3.Connection, placed: dict[_Place, Sums]) -> None:
    for place, sums in placed.items():
        values = reader.execute(f"SELECT {','.join(SUMS)} FROM rollups WHERE {_HERE}", place).fetchone()
        if values is None:
            continue
        sums.values = [mine + theirs for mine, theirs in zip(sums.values, values, strict=True)]
        for kind, name, *amounts in reader.execute(f"SELECT kind, name, amount, low, high FROM rollup_parts WHERE {_HERE}", place):
            sums.add_part((kind, name), *amounts)
        sums.add(_unpacked(reader.execute(f"SELECT {','.join(_SKETCHES)} FROM rollup_sketches WHERE {_HERE}", place).fetchone()))


def _packed(sums: Sums) -> tuple[bytes, bytes, bytes, str, str]:
    slowest, dearest = sketch.pack_notable(sums.slowest), sketch.pack_notable(sums.dearest)
    return sketch.pack(sums.latency), sketch.pack(sums.first_token), sketch.pack(sums.complexity), slowest, dearest


def _unpacked(values: Sequence[Any]) -> Sums:
    sums = Sums()
    sums.latency, sums.first_token, sums.complexity = (sketch.unpack(packed) for packed in values[:3])
    sums.slowest, sums.dearest = (sketch.unpack_notable(packed) for packed in values[3:])
    return sums


def _verdicts(reader: sqlite3.Connection, now: float, limit: int) -> Batch | None:
    """Verdicts may change after they were written, so they are few at a time, and read where nobody else can write."""
    at = _at(reader, "judgements")
    if not reader.execute("SELECT EXISTS (SELECT 1 FROM judgements WHERE id > ?) OR EXISTS (SELECT 1 FROM rollup_amendments)", (at,)).fetchone()[0]:
        return None
    return VerdictBatch(now, min(limit, _VERDICTS_AT_ONCE))


class VerdictBatch(Batch):
    """At most `limit` verdicts, read within the transaction that counts them."""

    def __init__(self, now: float, limit: int) -> None:
        super().__init__("judgements", 0, 0, 0)
        self.now = now
        self.limit = limit

    def write(self, connection: sqlite3.Connection) -> int:
        columns = ",".join(VERDICT_READ)
        self.before = _at(connection, "judgements")
        changed = connection.execute(f"SELECT id, sign, {columns} FROM rollup_amendments ORDER BY id LIMIT ?", (self.limit,)).fetchall()
        added = connection.execute(f"SELECT id, 1, {columns} FROM judgements WHERE id > ? ORDER BY id LIMIT ?", (self.before, self.limit)).fetchall()
        self.after, self.rows = added[-1][0] if added else self.before, len(added)
        names = _Names(connection, self)
        values: list[tuple[Any, ...]] = []
        for (level, bucket, tenant, *what), sums in tally_verdicts((row[1:] for row in [*changed, *added]), self.now).items():
            place: tuple[Any, ...] = (level, bucket, names.tenant(tenant), *what)
            before = connection.execute(f"SELECT {','.join(VERDICT_SUMS)} FROM rollup_verdicts WHERE {_THIS_VERDICT}", place).fetchone()
            values.append((*place, *(mine + theirs for mine, theirs in zip(sums, before or [0] * len(sums), strict=True))))
        self.statements.append((_replace("rollup_verdicts", ("endpoint", "tier", "cache", "source", "lever", *VERDICT_SUMS)), values))
        self.statements.append(("DELETE FROM rollup_amendments WHERE id = ?", [(row[0],) for row in changed]))
        return super().write(connection)


def _drops(reader: sqlite3.Connection, now: float, limit: int) -> Batch | None:
    at = _at(reader, "cache_drops")
    rows = reader.execute(_READ_DROPS, (at, limit)).fetchall()
    if not rows:
        return None
    batch = Batch("cache_drops", at, rows[-1][0], len(rows))
    counts: dict[tuple[int, int, str], int] = {}
    for (_, dropped_at, scope), level in product(rows, LEVELS):
        if is_kept(level, dropped_at, now):
            key = (level, start_of(dropped_at, level), scope)
            counts[key] = counts.get(key, 0) + 1
    batch.statements.append((_ADD_DROPS, [(*key, many) for key, many in counts.items()]))
    return batch


def _replace(table: str, columns: Iterable[str]) -> str:
    named = ("level", "bucket", "tenant", *columns)
    return f"REPLACE INTO {table} ({','.join(named)}) VALUES {marks(len(named))}"


_LAST = "SELECT max(rowid) FROM requests"
_SKETCHES = ("latency", "first_token", "complexity", "slowest", "dearest")
_HERE = "level = ? AND bucket = ? AND tenant = ? AND cell = ?"
_FIND_CELL = "SELECT cell FROM rollup_cells WHERE endpoint = ? AND tier = ? AND model = ? AND cache = ? AND outcome = ? AND error_code = ?"
_THIS_VERDICT = "level = ? AND bucket = ? AND tenant = ? AND endpoint = ? AND tier = ? AND cache = ? AND source = ? AND lever = ?"
_READ_DROPS = """
SELECT id, dropped_at, CASE WHEN kind IN ('entry', 'dispute') THEN 'answer' ELSE kind END
FROM cache_drops WHERE id > ? ORDER BY id LIMIT ?"""
_ADD_DROPS = f"INSERT INTO rollup_drops VALUES {marks(4)} ON CONFLICT DO UPDATE SET drops = drops + excluded.drops"
