"""Unit economics of the ledger: what requests cost, how fast they were, what the levers saved.

Guarantees: reads only, within one snapshot; money is exact (whole picodollars, summed as integers); quantiles are exact (nearest
rank); a figure that leaves rows out says how many.
Costs: 9 s of CPU for a million rows (bench/report.py), 24 bytes of memory a row.
"""

import sqlite3
from array import array
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from farthing.core.errors import ConfigError, StoreUnavailable
from farthing.core.money import PICO, from_picousd
from farthing.lab.report_figures import Cost, Group, Report, Savings, Spread, Tokens
from farthing.lab.report_query import COLUMNS, Bucket, read

HITS = ("exact", "normalised", "semantic", "coalesced")
_SMALLEST = Decimal(1) / PICO


def report(store_path: Path, since: float | None = None, until: float | None = None, by: tuple[str, ...] = ()) -> Report:
    """The figures of the rows received from `since` to before `until` (unix seconds), in all and by group."""
    if unknown := [name for name in by if name not in COLUMNS]:
        raise ConfigError(f"Cannot group by {', '.join(unknown)}. Choose from {', '.join(COLUMNS)}.")
    try:
        with closing(_open(store_path)) as connection:
            buckets, levers = read(connection, since, until, by)
    except sqlite3.DatabaseError as fault:
        raise StoreUnavailable(f"Cannot read a ledger from {store_path}: {fault}. Check store.path or --store.") from fault
    total = buckets.pop((), Bucket())
    groups = [_group(dict(zip(by, key, strict=True)), bucket) for key, bucket in buckets.items()]
    groups.sort(key=lambda group: -group.requests)
    return Report(store=str(store_path), since=since, until=until, by=by, total=_group({}, total), groups=tuple(groups), levers=levers.lines())


def _open(store_path: Path) -> sqlite3.Connection:
    if not store_path.exists():
        raise ConfigError(f"There is no store at {store_path}. `farthing serve` makes one; name another with --store.")
    connection = sqlite3.connect(f"{store_path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)
    connection.execute("BEGIN")  # one snapshot for both walks
    return connection


def _group(of: dict[str, str | None], bucket: Bucket) -> Group:
    return Group(
        of=of,
        requests=bucket.requests,
        runs=bucket.runs,
        calls=bucket.calls,
        calls_per_run=bucket.calls / bucket.runs if bucket.runs else None,
        latency_ms=_spread(bucket.latency_ms),
        first_token_ms=_spread(bucket.first_token_ms),
        overhead_ms=_spread(bucket.overhead_ms),
        tokens=Tokens(input=bucket.tokens_in, output=bucket.tokens_out, cached=bucket.tokens_cached, unknown=bucket.tokens_unknown),
        cost=_cost(bucket),
        savings=_savings(bucket),
        cache=_ranked(bucket.cache),
        hit_ratio=sum(bucket.cache[kind] for kind in HITS) / bucket.requests if bucket.requests else None,
        tiers=_ranked(bucket.tiers),
        errors=_ranked(bucket.errors),
        truncated=bucket.truncated,
    )


def _cost(bucket: Bucket) -> Cost:
    return Cost(
        total_usd=from_picousd(bucket.cost_picousd) if bucket.priced else None,
        unpriced=bucket.requests - bucket.priced,
        per_1k_requests_usd=_per(1_000, bucket.cost_picousd, bucket.priced),
        per_1k_runs_usd=_per(1_000, bucket.run_cost_picousd, bucket.priced_runs),
        unpriced_runs=bucket.runs - bucket.priced_runs,
    )


def _savings(bucket: Bucket) -> Savings:
    counted, cost, baseline = bucket.compared, bucket.compared_cost_picousd, bucket.baseline_picousd
    return Savings(
        counted=counted,
        left_out=bucket.requests - counted,
        baseline_usd=from_picousd(baseline) if counted else None,
        cost_usd=from_picousd(cost) if counted else None,
        saved_usd=from_picousd(baseline - cost) if counted else None,
        saved_ratio=(baseline - cost) / baseline if baseline else None,
        per_1k_usd=_per(1_000, baseline - cost, counted),
        per_100k_usd=_per(100_000, baseline - cost, counted),
        per_1m_usd=_per(1_000_000, baseline - cost, counted),
    )


def _per(many: int, picousd: int, counted: int) -> Decimal | None:
    """The rate for `many`, to the picodollar."""
    return (from_picousd(picousd * many) / counted).quantize(_SMALLEST) if counted else None


def _ranked(counts: "Counter[str]") -> dict[str, int]:
    return dict(counts.most_common())


def _spread(times_ms: "array[float]") -> Spread:
    count, ordered = len(times_ms), sorted(times_ms)
    if not count:
        return Spread(counted=0, average=None, p50=None, p90=None, p99=None, max=None)
    p50, p90, p99 = (ordered[-(-count * percent // 100) - 1] for percent in (50, 90, 99))
    return Spread(counted=count, average=sum(ordered) / count, p50=p50, p90=p90, p99=p99, max=ordered[-1])
