"""The figures of a report. Money in USD, times in milliseconds; `None` is unknown, never zero."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """How one time is spread. Quantiles are exact: the value at nearest rank over the rows that have one."""

    counted: int
    average: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None


class Cost(msgspec.Struct, frozen=True):
    """What it cost. Rates hold the priced rows only; `unpriced` says how many were left out."""

    total_usd: Decimal | None
    unpriced: int
    per_1k_requests_usd: Decimal | None
    per_1k_runs_usd: Decimal | None
    unpriced_runs: int  # runs with at least one unpriced request; not in the rate above


class Savings(msgspec.Struct, frozen=True):
    """Baseline minus cost, over the rows where both are known. `left_out` counts the others."""

    counted: int
    left_out: int
    baseline_usd: Decimal | None
    cost_usd: Decimal | None
    saved_usd: Decimal | None
    saved_ratio: float | None
    per_1k_usd: Decimal | None
    per_100k_usd: Decimal | None
    per_1m_usd: Decimal | None


class Tokens(msgspec.Struct, frozen=True):
    """Sums over the rows that have a count; `unknown` counts the others."""

    input: int
    output: int
    cached: int
    unknown: int


class Group(msgspec.Struct, frozen=True):
    """One line of the report."""

    of: Mapping[str, str | None]  # {"endpoint": "faq"}; empty: everything
    requests: int
    runs: int
    calls: int
    calls_per_run: float | None
    latency_ms: Spread
    first_token_ms: Spread
    overhead_ms: Spread
    tokens: Tokens
    cost: Cost
    savings: Savings
    cache: Mapping[str, int]  # kind -> requests
    hit_ratio: float | None  # answered from cache or shared, of all requests
    tiers: Mapping[str, int]  # tier -> requests; "none": no tier
    errors: Mapping[str, int]  # code -> requests
    truncated: int


class LeverSavings(msgspec.Struct, frozen=True):
    """What the decisions of one lever say that they saved. They overlap: no sum of levers is the total."""

    lever: str
    claims: int  # decisions that name a saving
    saved_usd: Decimal | None
    saved_tokens: int | None
    failed_open: int


class Report(msgspec.Struct, frozen=True):
    """Unit economics of a window of the ledger."""

    store: str
    since: float | None  # unix seconds, included
    until: float | None  # unix seconds, not included
    by: tuple[str, ...]
    total: Group
    groups: tuple[Group, ...]
    levers: tuple[LeverSavings, ...]
