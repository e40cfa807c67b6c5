"""Two walks over a window of the ledger: one over its requests, one over its runs. Rows are added up as they stream by.

Costs: 24 bytes a request (its three times, kept for exact quantiles) plus one `Bucket` a group.
"""

import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterator

from farthing.lab.report_levers import LeverClaims

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
    "day": "date(received_at, 'unixepoch')",
}
_READ = (
    "cache, model_tier, error_code, truncated IS NOT NULL, num_llm_calls, tokens_in, tokens_out, tokens_cached, "
    "cost_picousd, baseline_cost_picousd, latency_total_ms, first_token_ms, overhead_ms, decisions"
)
_WITHIN = "received_at >= ? AND received_at < ?"

GroupKey = tuple[str | None, ...]
Row = tuple[str, str | None, str | None, int, int, int | None, int | None, int | None, int | None, int | None, float, float | None, float | None]


_ADDED_UP = (
    *("requests", "truncated", "calls", "tokens_in", "tokens_out", "tokens_cached", "tokens_unknown", "priced", "cost_picousd"),
    *("compared", "compared_cost_picousd", "baseline_picousd", "cache", "tiers", "errors", "latency_ms", "first_token_ms", "overhead_ms"),
)


class Bucket:
    """Sums over the requests of one group."""

    def __init__(self) -> None:
        self.requests = self.truncated = self.calls = 0
        self.tokens_in = self.tokens_out = self.tokens_cached = self.tokens_unknown = 0
        self.priced = self.cost_picousd = 0
        self.compared = self.compared_cost_picousd = self.baseline_picousd = 0
        self.cache: Counter[str] = Counter()
        self.tiers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.latency_ms, self.first_token_ms, self.overhead_ms = array("d"), array("d"), array("d")
        self.runs = self.priced_runs = self.run_cost_picousd = 0

    def add(self, row: Row) -> None:
        cache, tier, error, truncated, calls, tokens_in, tokens_out, tokens_cached, cost, baseline, latency, first_token, overhead = row
        self.requests += 1
        self.truncated += truncated
        self.calls += calls
        self.cache[cache] += 1
        self.tiers[tier or "none"] += 1
        if error is not None:
            self.errors[error] += 1
        self._add_tokens(tokens_in, tokens_out, tokens_cached)
        if cost is not None:
            self._add_cost(cost, baseline)
        self.latency_ms.append(latency)
        if first_token is not None:
            self.first_token_ms.append(first_token)
        if overhead is not None:
            self.overhead_ms.append(overhead)

    def _add_tokens(self, tokens_in: int | None, tokens_out: int | None, tokens_cached: int | None) -> None:
        self.tokens_unknown += tokens_in is None or tokens_out is None
        self.tokens_in += tokens_in or 0
        self.tokens_out += tokens_out or 0
        self.tokens_cached += tokens_cached or 0

    def _add_cost(self, cost_picousd: int, baseline_picousd: int | None) -> None:
        self.priced += 1
        self.cost_picousd += cost_picousd
        if baseline_picousd is not None:
            self.compared += 1
            self.compared_cost_picousd += cost_picousd
            self.baseline_picousd += baseline_picousd

    def add_run(self, priced: int, cost_picousd: int) -> None:
        self.runs += 1
        if priced:
            self.priced_runs += 1
            self.run_cost_picousd += cost_picousd

    def merge(self, other: "Bucket") -> None:
        """Add the requests of another group. Runs do not add up: one run may fall into both."""
        for name in _ADDED_UP:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def read(connection: sqlite3.Connection, since: float | None, until: float | None, by: tuple[str, ...]) -> tuple[dict[GroupKey, Bucket], LeverClaims]:
    """Every group that has a request, and what the levers claim. With `by`, the key `()` is added for the whole window."""
    bounds = (float("-inf") if since is None else since, float("inf") if until is None else until)
    groups = "".join(f"{COLUMNS[name]}, " for name in by)
    levers = LeverClaims()
    buckets: dict[GroupKey, Bucket] = {}
    split = len(by)
    for row in connection.execute(f"SELECT {groups}{_READ} FROM requests WHERE {_WITHIN}", bounds):
        bucket = buckets.get(row[:split])
        if bucket is None:
            bucket = buckets[row[:split]] = Bucket()
        bucket.add(row[split:-1])
        levers.add(row[-1])
    if by:
        buckets[()] = _all_of(buckets)
    for key, run in _runs(connection, bounds, groups, split):
        buckets[key].add_run(*run)
    return buckets, levers


def _all_of(buckets: dict[GroupKey, Bucket]) -> Bucket:
    total = Bucket()
    for bucket in buckets.values():
        total.merge(bucket)
    return total


def _runs(connection: sqlite3.Connection, bounds: tuple[float, float], groups: str, split: int) -> Iterator[tuple[GroupKey, tuple[int, int]]]:
    """Each run once per group that it touches, and once as a whole under the key `()`."""
    places = ", ".join(str(place + 1) for place in range(split + 1))
    sums = "COUNT(*) = COUNT(cost_picousd), SUM(IFNULL(cost_picousd, 0))"
    current, whole_priced, whole_cost = None, 1, 0
    for run_id, *key, priced, cost in connection.execute(f"SELECT run_id, {groups}{sums} FROM requests WHERE {_WITHIN} GROUP BY {places}", bounds):
        if run_id != current:
            if current is not None:
                yield (), (whole_priced, whole_cost)
            current, whole_priced, whole_cost = run_id, 1, 0
        whole_priced, whole_cost = whole_priced and priced, whole_cost + cost
        if split:
            yield tuple(key), (priced, cost)
    if current is not None:
        yield (), (whole_priced, whole_cost)
