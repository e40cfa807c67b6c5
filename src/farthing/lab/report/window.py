"""A window of the ledger as it streams by: chunks of columns, one snapshot for all that is read.

What is not a number of a row is its `Kind`, of which there are few: sums are kept by kind and put together into groups at the end.
A store from before there were accounts or verdicts is read as one that has none.
"""

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from farthing.core.collector import collector_paused
from farthing.core.errors import ConfigError, StoreUnavailable

COLUMNS = {
    "endpoint": "endpoint",
    "tier": "model_tier",
    "model": "model_name",
    "tenant": "tenant",
    "task": "task_type",
    "provider": "provider",
    "key": "key_id",
    "cache": "cache",
    "outcome": "outcome",
    "experiment": "experiment",
    "day": "date(received_at, 'unixepoch')",
}
UNKNOWN = -(2**63)  # of a whole number
_CHUNK_ROWS = 5_000
_WITHIN = "requests.received_at >= ? AND requests.received_at < ?"
_KIND = ("endpoint", "cache", "model_tier", "error_code", "provider", "model_name", "outcome", "truncated IS NOT NULL")
_WHOLE = ("num_llm_calls", "tokens_in", "tokens_out", "tokens_cached", "tokens_cache_write", "cost_picousd", "baseline_cost_picousd")
_TIMES = ("latency_total_ms", "first_token_ms", "overhead_ms")

Whole = NDArray[np.int64]
Codes = NDArray[np.int32]


class Kind(msgspec.Struct, frozen=True, gc=False):
    """What rows share. `by` holds the values that the report groups by."""

    by: tuple[str | None, ...]
    endpoint: str | None
    cache: str
    tier: str | None
    error: str | None
    provider: str | None
    model: str | None
    outcome: str
    truncated: bool


class Chunk(msgspec.Struct):
    """Some rows, column by column. `runs` holds a 64-bit hash of each run's id, the same within one reading."""

    kinds: Codes
    runs: Whole
    calls: Whole
    tokens_in: Whole
    tokens_out: Whole
    tokens_cached: Whole
    tokens_cache_write: Whole
    cost: Whole
    baseline: Whole
    latency_ms: NDArray[np.float64]
    first_token_ms: NDArray[np.float64]
    overhead_ms: NDArray[np.float64]
    decisions: Sequence[str | None]
    accounts: Sequence[str | None]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """One judgement on a request of the window."""

    kind: int
    run: int
    source: str
    score: float | None
    reference_score: float | None
    cost_picousd: int | None
    judge_model: str | None
    lever: str | None


class Window:
    """The rows received from `since` to before `until`. `kinds` grows as rows are read."""

    def __init__(self, connection: sqlite3.Connection, since: float | None, until: float | None, by: tuple[str, ...]) -> None:
        self.kinds: list[Kind] = []
        self.connection = connection
        self._bounds = (float("-inf") if since is None else since, float("inf") if until is None else until)
        self._by = by
        self._codes: dict[tuple[Any, ...], int] = {}
        self._has = {row[1] for row in connection.execute("PRAGMA table_info(requests)")}
        self.has_verdicts = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'judgements'").fetchone() is not None

    @property
    def has_accounts(self) -> bool:
        return "account" in self._has

    def chunks(self) -> Iterator[Chunk]:
        """Every row, once."""
        kind = self._kind_columns()
        whole = [f"IFNULL({name}, {UNKNOWN})" for name in _WHOLE]
        last = ["decisions", "account" if self.has_accounts else "NULL"]
        wanted = ", ".join([*kind, "run_id", *whole, *_TIMES, *last])
        cursor = self.connection.execute(f"SELECT {wanted} FROM requests WHERE {_WITHIN}", self._bounds)
        with collector_paused():
            while rows := cursor.fetchmany(_CHUNK_ROWS):
                yield self._chunk(list(zip(*rows, strict=True)), len(kind), len(rows))

    def verdicts(self) -> Iterator[Verdict]:
        """Every judgement on a request of the window."""
        if not self.has_verdicts:
            return
        kind = [f"requests.{name}" if "(" not in name else name for name in self._kind_columns()]
        said = ["judgements.source", "judgements.score", "reference_score", "judgements.cost_picousd", "judge_model", "judgements.lever"]
        wanted = ", ".join([*kind, "requests.run_id", *said])
        query = f"SELECT {wanted} FROM judgements JOIN requests ON requests.request_id = judgements.request_id WHERE {_WITHIN} ORDER BY judgements.id"
        for row in self.connection.execute(query, self._bounds):
            yield Verdict(self._code(row[: len(kind)]), hash(row[len(kind)]), *row[len(kind) + 1 :])

    def orphaned_verdicts(self) -> tuple[int, int]:
        """Verdicts given in this window on requests that the ledger does not hold, and what they cost."""
        if not self.has_verdicts:
            return 0, 0
        query = (
            "SELECT COUNT(*), IFNULL(SUM(cost_picousd), 0) FROM judgements WHERE judged_at >= ? AND judged_at < ? "
            "AND NOT EXISTS (SELECT 1 FROM requests WHERE requests.request_id = judgements.request_id)"
        )
        count, cost = self.connection.execute(query, self._bounds).fetchone()
        return int(count), int(cost)

    def turned_down(self) -> list[tuple[str, str, str]]:
        """What the quality guard has turned down at this moment: endpoint, lever, phase."""
        if self.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'quality_stances'").fetchone() is None:
            return []
        query = "SELECT endpoint, lever, json_extract(stance, '$.phase') AS phase FROM quality_stances WHERE phase <> 'on' ORDER BY endpoint, lever"
        return self.connection.execute(query).fetchall()

    def _kind_columns(self) -> list[str]:
        return [COLUMNS[name] if COLUMNS[name] in self._has or name == "day" else "NULL" for name in self._by] + list(_KIND)

    def _chunk(self, columns: list[tuple[Any, ...]], kinds: int, rows: int) -> Chunk:
        runs, last = columns[kinds], columns[kinds + 1 :]
        calls, tokens_in, tokens_out, cached, written, cost, baseline = (np.array(column, np.int64) for column in last[: len(_WHOLE)])
        latency, first_token, overhead = (np.array(column, np.float64) for column in last[len(_WHOLE) : -2])
        return Chunk(
            kinds=self._code_all(list(zip(*columns[:kinds], strict=True))),
            runs=np.fromiter(map(hash, runs), np.int64, rows),
            calls=calls,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            tokens_cached=cached,
            tokens_cache_write=written,
            cost=cost,
            baseline=baseline,
            latency_ms=latency,
            first_token_ms=first_token,
            overhead_ms=overhead,
            decisions=last[-2],
            accounts=last[-1],
        )

    def _code_all(self, kinds: list[tuple[Any, ...]]) -> Codes:
        seen = list(map(self._codes.get, kinds))
        if None in seen:
            seen = list(map(self._code, kinds))
        return np.array(seen, np.int32)

    def _code(self, values: tuple[Any, ...]) -> int:
        code = self._codes.get(values)
        if code is None:
            split = len(self._by)
            self.kinds.append(Kind(tuple(values[:split]), *values[split:]))
            code = self._codes[values] = len(self.kinds) - 1
        return code


@contextmanager
def opened(store_path: Path, since: float | None, until: float | None, by: tuple[str, ...]) -> Generator[Window]:
    """A snapshot of the store, read only. Raises `ConfigError` without a store, `StoreUnavailable` on one that cannot be read."""
    if unknown := [name for name in by if name not in COLUMNS]:
        raise ConfigError(f"Cannot group by {', '.join(unknown)}. Choose from {', '.join(COLUMNS)}.")
    if not store_path.is_file():
        raise ConfigError(f"There is no store at {store_path}. `farthing serve` makes one; name another with --store.")
    try:
        with closing(sqlite3.connect(f"{store_path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)) as connection:
            connection.execute("BEGIN")  # one snapshot for all walks
            yield Window(connection, since, until, by)
    except sqlite3.DatabaseError as fault:
        raise StoreUnavailable(f"Cannot read a ledger from {store_path}: {fault}. Check store.path or --store.") from fault
