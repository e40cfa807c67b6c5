"""The playbook as values: what was read, what it costs by endpoint, what of it was avoidable."""

from decimal import Decimal

import msgspec

from farthing.lab.audit.finders.base import Certainty
from farthing.lab.logs import Counts

_SMALLEST = Decimal(1).scaleb(-9)


class PerMany(msgspec.Struct, frozen=True):
    """USD for so many requests."""

    per_1k: Decimal
    per_100k: Decimal
    per_1m: Decimal

    @staticmethod
    def of(usd: float, calls: int) -> "PerMany":
        each = usd / calls if calls else 0.0
        return PerMany(*(money(each * many) for many in (1_000, 100_000, 1_000_000)))


class Example(msgspec.Struct, frozen=True):
    """A line of a log. The excerpt is redacted."""

    source: str
    excerpt: str
    usd: Decimal  # avoidable of that call


class Finding(msgspec.Struct, frozen=True):
    """One kind of waste. Findings overlap: only `additive_usd` may be added up.

    `usd` is what acting on this finding alone would have saved on this log. `low` and `high` hold both what is uncertain in the method and,
    95 %, what another sample of runs would give.
    """

    kind: str
    title: str
    certainty: Certainty
    lever: str | None
    how: str
    remedy: str
    calls: int
    usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    share: float  # of the whole cost
    per: PerMany
    low: PerMany
    high: PerMany
    additive_usd: Decimal
    additive_per: PerMany
    endpoints: dict[str, Decimal]  # USD by endpoint, the most first
    examples: tuple[Example, ...]
    details: tuple[str, ...]


class EndpointLine(msgspec.Struct, frozen=True):
    """The baseline of one endpoint. What no call says is `None`."""

    endpoint: str
    calls: int
    runs: int | None  # approximate beyond 4,096
    calls_per_run: float | None
    latency_average_s: float | None
    latency_max_s: float | None
    tokens_in: float | None  # average of a call
    tokens_out: float | None
    usd: Decimal
    per_1k: Decimal | None
    unpriced: int
    failed: int
    models: dict[str, int]


class Playbook(msgspec.Struct, frozen=True):
    """The whole audit. `avoidable_usd` is the sum of `additive_usd` over the findings, exactly."""

    logs: Counts
    calls: int
    priced: int
    logged_costs: int  # of the priced: with the log's own cost
    estimated: int  # of the priced: tokens estimated from text
    unpriced_models: dict[str, int]
    first_at: float | None
    last_at: float | None
    usd: Decimal
    per: PerMany
    avoidable_usd: Decimal
    avoidable_low_usd: Decimal
    avoidable_high_usd: Decimal
    avoidable_share: float
    avoidable_per: PerMany
    endpoints: tuple[EndpointLine, ...]
    findings: tuple[Finding, ...]
    similarity: str  # what similarity means in it
    config: str  # a farthing.toml with the levers that it recommends


def money(usd: float) -> Decimal:
    """To the nanodollar."""
    return Decimal(repr(usd)).quantize(_SMALLEST) if usd else Decimal(0)
