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


class Money(msgspec.Struct, frozen=True):
    """An amount and its 95 % interval, drawn over runs; without one where too few runs are behind it."""

    usd: Decimal
    low_usd: Decimal | None
    high_usd: Decimal | None


class Rates(msgspec.Struct, frozen=True):
    """What so many requests come to."""

    per_1k: Money
    per_100k: Money
    per_1m: Money


class Cost(msgspec.Struct, frozen=True):
    """What it cost. Rates hold the priced rows only; `unpriced` says how many were left out."""

    total_usd: Decimal | None
    unpriced: int
    per_1k_requests_usd: Decimal | None
    per_1k_runs_usd: Decimal | None
    unpriced_runs: int  # runs with at least one unpriced request; not in the rate above
    rates: Rates | None  # per request
    rates_of_runs: Rates | None


class Savings(msgspec.Struct, frozen=True):
    """Baseline minus cost, over the rows where both are known. `left_out` counts the others. Verdicts are no part of it: see `Account`."""

    counted: int
    left_out: int
    baseline_usd: Decimal | None
    cost_usd: Decimal | None
    saved_usd: Decimal | None
    saved_ratio: float | None
    per_1k_usd: Decimal | None
    per_100k_usd: Decimal | None
    per_1m_usd: Decimal | None
    baseline_rates: Rates | None
    cost_rates: Rates | None
    saved_rates: Rates | None


class LeverPart(msgspec.Struct, frozen=True):
    """What one lever was worth: what it saved (what it spent itself taken off), less the verdicts that were charged to it. May be a loss."""

    lever: str
    requests: int  # in whose account it stands
    saved_usd: Decimal
    charged_usd: Decimal  # verdicts on its answers: judges, shadow calls
    net_usd: Decimal  # saved less charged
    low_usd: Decimal | None  # the net at worst, were every estimate wrong the same way; None where nothing is estimated
    high_usd: Decimal | None
    rates: Rates | None  # of the net, per request of the window; the interval holds chance, and estimates that err independently


class Account(msgspec.Struct, frozen=True):
    """`baseline_usd - paid_usd == net_usd == sum of the levers' net_usd + not_split_usd`, exactly."""

    baseline_usd: Decimal
    cost_usd: Decimal
    verdicts_usd: Decimal
    paid_usd: Decimal  # cost and verdicts
    paid_rates: Rates | None
    levers: tuple[LeverPart, ...]
    not_split: int  # requests with a baseline and a cost but no account, from before there were accounts
    not_split_usd: Decimal
    net_usd: Decimal
    net_ratio: float | None  # of the baseline
    net_rates: Rates | None
    unpriced_verdicts: int  # verdicts of models without a known price


class Part(msgspec.Struct, frozen=True):
    """One place where money goes. Parts add up to what was spent."""

    name: str
    usd: Decimal
    share: float | None


class ModelSpend(msgspec.Struct, frozen=True):
    """What went to one model; requests and model calls of the rows that it answered, what else they cost included."""

    provider: str | None
    model: str | None
    requests: int
    calls: int
    usd: Decimal
    share: float | None


class RunsOfLength(msgspec.Struct, frozen=True):
    """Runs by how many model calls they made, and what they cost."""

    calls: str  # "0", "1", "2-3", "4-7", "8+"
    runs: int
    usd: Decimal
    share: float | None


class Spending(msgspec.Struct, frozen=True):
    """Where the money went: `spent_usd` is the cost of the priced requests and of verdicts on them. Each of the three adds up to a whole."""

    spent_usd: Decimal
    parts: tuple[Part, ...]
    models: tuple[ModelSpend, ...]
    runs: tuple[RunsOfLength, ...]


class Quality(msgspec.Struct, frozen=True):
    """Verdicts beside the savings. `ratio` is the score over that of the expensive tier's answer, where both were given."""

    of: Mapping[str, str | None]
    lever: str | None  # None: answers that no lever touched
    source: str  # feedback, judge, shadow, eval
    verdicts: int
    score: float | None
    score_low: float | None
    score_high: float | None
    compared: int
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None


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
    account: Account | None  # None: no row has both a cost and a baseline, and no verdict was paid for
    spending: Spending
    cache: Mapping[str, int]  # kind -> requests
    hit_ratio: float | None  # answered from cache or shared, of all requests
    tiers: Mapping[str, int]  # tier -> requests; "none": no tier
    errors: Mapping[str, int]  # code -> requests
    truncated: int


class Margin(msgspec.Struct, frozen=True):
    """What the interactions (runs) of an endpoint earned, by `endpoints.X.value_usd`, less what they cost.

    A run counts as one interaction when at least one of its requests was answered. Unpriced requests are not in the cost; verdicts are.
    """

    endpoint: str
    value_usd: Decimal  # of one interaction
    interactions: int
    unpriced: int
    earned_usd: Decimal
    cost_usd: Decimal
    margin_usd: Decimal
    margin_ratio: float | None  # of what was earned
    cost_per_interaction: Money | None
    margin_per_interaction: Money | None
    baseline_margin_usd: Decimal | None  # had the requests with a known baseline cost that


class Claims(msgspec.Struct, frozen=True):
    """What the decisions of one lever say besides money: tokens that they spared, and how often the lever failed open."""

    lever: str
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
    quality: tuple[Quality, ...]
    margins: tuple[Margin, ...]
    claims: tuple[Claims, ...]
    notes: tuple[str, ...]  # what a reader should know: an old schema, verdicts without a request
