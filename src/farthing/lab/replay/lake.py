"""Parquet at any size, on DuckDB in this process: sorted by tenant and time on disk, replayed tenant by tenant.

Nothing that a replay keeps is shared between tenants (cache, sessions, budgets), so the tenants' results add up to those of the whole, exactly,
as long as one worker's cache holds what all of them keep. Memory: what DuckDB is given, one tenant's caches, and 40 bytes a request.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from farthing.core.errors import ConfigError
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.block import Batch, Block, read_block
from farthing.lab.replay.run import Plan, Replay, learn, rare_collections, replay
from farthing.models.tokens import TokenCounter

INSTALL = "Replaying with --engine duckdb needs DuckDB: pip install 'farthing[duckdb]'"
_TENANTS = ("tenant", "tenant_id", "team", "team_id", "customer", "org_id")
_TIMES = ("received_at", "timestamp", "request_time", "start_time", "startTime", "created_at", "time", "ts")
_ROWS = 1000
_SAMPLES = 20
_FILE, _ROW = "farthing_file", "farthing_row"


class Lake:
    """Parquet files, or directories of them (also `tenant=acme/...`). Raises `ConfigError` when there are none, or no DuckDB."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [str(file) for path in paths for file in _files(path)]
        if not self._files:
            raise ConfigError(f"No Parquet file in {', '.join(map(str, paths))}. Name files that end in .parquet, or directories that hold some.")
        self._connection = _connect()
        self._columns = self._names()
        self.met = Batch()

    def calls(self) -> Iterator[LoggedCall]:
        """Everything, in the order of the files."""
        for rows in self._batches(f"SELECT * FROM ({self._table()}) ORDER BY {_FILE}, {_ROW}"):
            yield from self._read(rows)

    def by_tenant(self) -> Iterator[Iterator[LoggedCall]]:
        """Each tenant's calls in the order of time; read one to its end before the next."""
        self.met = Batch()
        tenant, time = self._first_of(_TENANTS), self._first_of(_TIMES)
        order = ", ".join(filter(None, (tenant, time and f"{time} NULLS FIRST", _FILE, _ROW)))
        found = (call for rows in self._batches(f"SELECT * FROM ({self._table()}) ORDER BY {order}") for call in self._read(rows))
        for _, calls in groupby(found, key=lambda call: call.tenant):
            yield calls

    def notes(self) -> Iterator[str]:
        """What was met and could not be used, in words."""
        if self.met.broken:
            shown = "; ".join(f"{place}: {reason}" for place, reason in self.met.samples[:2])
            yield f"{self.met.broken:,} records are broken and were skipped: {shown}"

    def close(self) -> None:
        self._connection.close()

    def _table(self) -> str:
        files = ", ".join(_quoted(file) for file in self._files)
        read = f"read_parquet([{files}], union_by_name=true, hive_partitioning=true, filename='{_FILE}', file_row_number=true)"
        return f"SELECT *, file_row_number AS {_ROW} FROM {read}"

    def _names(self) -> list[str]:
        try:
            return [row[0] for row in self._connection.execute(f"DESCRIBE {self._table()}").fetchall()]
        except Exception as error:
            if not type(error).__module__.startswith(("duckdb", "_duckdb")):
                raise
            raise ConfigError(f"DuckDB cannot read the files: {str(error).splitlines()[0]}") from error

    def _first_of(self, names: Sequence[str]) -> str | None:
        return next((f'"{name}"' for name in names if name in self._columns), None)

    def _batches(self, query: str) -> Iterator[list[dict[str, Any]]]:
        cursor = self._connection.cursor().execute(query)
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(_ROWS):
            yield [dict(zip(names, row, strict=True)) for row in rows]

    def _read(self, rows: list[dict[str, Any]]) -> list[LoggedCall]:
        """As the logs' own reader understands rows of a table, file by file."""
        calls: list[LoggedCall] = []
        for file, some in groupby(rows, key=lambda row: cast(str, row.pop(_FILE))):
            payload = list(some)
            first = payload[0].get(_ROW, 0) + 1
            for row in payload:
                row.pop(_ROW, None)
                row.pop("file_row_number", None)
            batch = read_block(Block(file, "rows", first, payload))
            calls += batch.calls
            self.met.broken += batch.broken
            self.met.samples += batch.samples[: _SAMPLES - len(self.met.samples)]
        return calls


def replay_lake(lake: Lake, plan: Plan, answers: Iterable[LoggedCall] = ()) -> Replay:
    """Learn from all of it, then replay tenant by tenant. Raises `ConfigError` where no call is found."""
    tokens = TokenCounter()
    fit, start_s = learn(lake.calls(), answers, tokens)
    found: Replay | None = None
    with rare_collections():
        for calls in lake.by_tenant():
            part = replay(calls, plan, fit, start_s, tokens)
            if found is None:
                found = part
            else:
                found.merge(part)
    if found is None:
        raise ConfigError("No model call found in the Parquet files. Their columns must be those of a log that 'farthing audit' reads.")
    return found


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*.parquet") if not file.name.startswith("."))
    if not path.exists():
        raise ConfigError(f"There is no {path}.")
    return [path] if path.suffix == ".parquet" else []


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _connect() -> Any:
    try:
        import duckdb
    except ImportError:
        raise ConfigError(INSTALL) from None
    return cast(Any, duckdb).connect()
