"""Ledger rows and verdicts -> sums by bucket. Pure; every sum is a whole number, so that rows may come in any order and any grouping."""

from collections.abc import Iterable
from itertools import pairwise, product
from typing import Any, NamedTuple

import msgspec

from farthing.stores.sqlite.rollups import sketch
from farthing.stores.sqlite.rollups.sketch import Counts, Notable

MINUTE, HOUR, DAY = 60, 3_600, 86_400
LEVELS = (MINUTE, HOUR, DAY)
KEPT_S = {MINUTE: 26 * HOUR, HOUR: 15 * DAY}  # days are kept for ever
EVERYONE = ""  # the name of all tenants together

SUMS = (
    *("requests", "priced", "compared", "cost", "compared_cost", "baseline", "tokens_in", "tokens_out", "tokens_cached", "tokens_unknown"),
    *("calls", "failed_calls", "fallbacks", "repairs", "truncated"),
    *("latency_us", "gateway_us", "queue_us", "retrieval_us", "first_token_us", "rest_us"),
)
READ = (
    *("rowid", "request_id", "received_at", "tenant", "endpoint", "model_tier", "model_name", "cache", "outcome", "error_code"),
    *("cost_picousd", "baseline_cost_picousd", "tokens_in", "tokens_out", "tokens_cached", "num_llm_calls", "attempts", "truncated"),
    *("latency_total_ms", "latency_model_ms", "latency_retrieval_ms", "latency_queue_ms", "first_token_ms", "complexity", "account", "lane"),
)
VERDICT_SUMS = ("verdicts", "scored", "score", "disputed", "paired", "paired_score", "reference_score", "cost")
VERDICT_READ = ("judged_at", "tenant", "endpoint", "model_tier", "cache", "source", "lever", "score", "reference_score", "cost_picousd")
PROMPT_PARTS = ("system", "history", "documents", "user")
MILLION = 1_000_000
_DISPUTED_UNDER = 0.5
_NO_CALLS = (0, 0, 0)

Cell = tuple[str, str, str, str, str, str]  # endpoint, tier, model, cache, outcome, error_code
Key = tuple[int, int, str, Cell]  # level, bucket, tenant, cell
VerdictKey = tuple[int, int, str, str, str, str, str, str]  # level, bucket, tenant, endpoint, tier, cache, source, lever
PartKey = tuple[str, str]  # kind, name


class _Target(msgspec.Struct, frozen=True, gc=False):
    service: str = ""
    model: str = ""


class _Attempt(msgspec.Struct, frozen=True, gc=False):
    target: _Target = _Target()
    purpose: str = ""
    error_code: str | None = None


class _Account(msgspec.Struct, frozen=True, gc=False):
    saved: dict[str, int] = {}
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    extra: dict[str, int] = {}
    prompt: tuple[int, ...] | None = None


_attempts = msgspec.json.Decoder(list[_Attempt]).decode
_account = msgspec.json.Decoder(_Account).decode


class Split(NamedTuple):
    """Where the time of one request went, in microseconds; the parts add up to the whole."""

    gateway: int
    queue: int
    retrieval: int
    first_token: int  # the model's own: from the connection to its first byte
    rest: int


class Sums:
    """Everything that is added up for one key."""

    __slots__ = ("complexity", "dearest", "first_token", "latency", "parts", "slowest", "values")

    def __init__(self) -> None:
        self.values = [0] * len(SUMS)
        self.parts: dict[PartKey, list[int]] = {}
        self.latency: Counts = {}
        self.first_token: Counts = {}
        self.complexity: Counts = {}
        self.slowest: Notable = []
        self.dearest: Notable = []

    def add(self, other: "Sums") -> None:
        self.values = [mine + theirs for mine, theirs in zip(self.values, other.values, strict=True)]
        for key, amounts in other.parts.items():
            self.add_part(key, *amounts)
        sketch.add_all(self.latency, other.latency)
        sketch.add_all(self.first_token, other.first_token)
        sketch.add_all(self.complexity, other.complexity)
        for mine, theirs in ((self.slowest, other.slowest), (self.dearest, other.dearest)):
            for value, request_id in theirs:
                sketch.note(mine, value, request_id)

    def add_part(self, key: PartKey, amount: int, low: int, high: int) -> None:
        sums = self.parts.get(key)
        if sums is None:
            self.parts[key] = [amount, low, high]
        else:
            sums[0] += amount
            sums[1] += low
            sums[2] += high


class Row(NamedTuple):
    """The columns `READ` of one ledger row."""

    rowid: int
    request_id: str
    received_at: float
    tenant: str | None
    endpoint: str | None
    tier: str | None
    model: str | None
    cache: str | None
    outcome: str | None
    error_code: str | None
    cost: int | None
    baseline: int | None
    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None
    calls: int | None
    attempts: str | None
    truncated: str | None
    total_ms: float | None
    model_ms: float | None
    retrieval_ms: float | None
    queue_ms: float | None
    first_token_ms: float | None
    complexity: float | None
    account: str | None
    lane: str | None


def tally(rows: Iterable[Row], now: float) -> dict[Key, Sums]:
    """Sums by level, bucket, tenant and cell; each row counts for its tenant and for all of them together."""
    by_level: dict[int, dict[Key, Sums]] = {level: {} for level in LEVELS}
    for key, found in _alike(rows, now).items():
        _count(_at(by_level[key[0]], key), found)
    for level, coarser in pairwise(LEVELS):
        for (_, bucket, tenant, cell), sums in by_level[level].items():
            _at(by_level[coarser], (coarser, start_of(bucket, coarser), tenant, cell)).add(sums)
    whole = {key: sums for found in by_level.values() for key, sums in found.items()}
    for (level, bucket, _, cell), sums in list(whole.items()):
        _at(whole, (level, bucket, EVERYONE, cell)).add(sums)
    return whole


def _alike(rows: Iterable[Row], now: float) -> dict[Key, list[Row]]:
    """Rows by the finest key that is kept for them."""
    minutes_from, hours_from = (now - KEPT_S[level] for level in (MINUTE, HOUR))
    found: dict[Key, list[Row]] = {}
    for row in rows:
        at = row.received_at
        level, bucket = MINUTE, int(at // MINUTE) * MINUTE
        if bucket < minutes_from:
            level, bucket = HOUR, int(at // HOUR) * HOUR
            if bucket < hours_from:
                level, bucket = DAY, int(at // DAY) * DAY
        cell = (row.endpoint or "", row.tier or "", row.model or "", row.cache or "", row.outcome or "", row.error_code or "")
        key = (level, bucket, row.tenant or "?", cell)
        if key in found:
            found[key].append(row)
        else:
            found[key] = [row]
    return found


def start_of(moment: float, level: int) -> int:
    return int(moment // level) * level


def is_kept(level: int, moment: float, now: float) -> bool:
    """Whether buckets so fine are still kept for that moment."""
    return level == DAY or start_of(moment, level) >= now - KEPT_S[level]


def _at(sums: dict[Key, Sums], key: Key) -> Sums:
    found = sums.get(key)
    if found is None:
        found = sums[key] = Sums()
    return found


def _count(sums: Sums, rows: list[Row]) -> None:
    """Add rows of one key."""
    sums.values = [mine + sum(more) for mine, more in zip(sums.values, zip(*map(_values, rows), strict=True), strict=True)]
    for row in rows:
        waited_for = row.lane != "background"  # how long a batch takes says nothing of how long people wait
        if row.total_ms is not None and waited_for:
            sketch.add(sums.latency, sketch.bin_of(row.total_ms))
            sketch.note(sums.slowest, _us(row.total_ms), row.request_id)
        if row.first_token_ms is not None and waited_for:
            sketch.add(sums.first_token, sketch.bin_of(row.first_token_ms))
        if row.complexity is not None:
            sketch.add(sums.complexity, sketch.complexity_bin(row.complexity))
        if row.cost:
            sketch.note(sums.dearest, row.cost, row.request_id)
        if row.account is not None:
            _add_account(sums, row.account)


def _values(row: Row) -> tuple[int, ...]:
    """The columns `SUMS` of one row."""
    cost, baseline = row.cost or 0, row.baseline or 0
    compared = row.cost is not None and row.baseline is not None
    failed, fallbacks, repairs = _NO_CALLS if row.attempts is None else _calls(row.attempts)
    return (
        *(1, row.cost is not None, compared, cost, cost if compared else 0, baseline if compared else 0),
        *(row.tokens_in or 0, row.tokens_out or 0, row.tokens_cached or 0, row.tokens_in is None or row.tokens_out is None),
        *(row.calls or 0, failed, fallbacks, repairs, row.truncated is not None),
        *(_us(row.total_ms), *split_of(row)),
    )


def split_of(row: Row) -> Split:
    """Recorded times may overlap by rounding; none is counted twice, and none is less than zero."""
    left = total = _us(row.total_ms)
    model = min(_us(row.model_ms), total)
    retrieval = min(_us(row.retrieval_ms), total - model)
    queue = min(_us(row.queue_ms), model)
    gateway = total - model - retrieval
    left -= gateway + retrieval + queue
    first = 0 if row.first_token_ms is None else min(max(_us(row.first_token_ms) - gateway - retrieval - queue, 0), left)
    return Split(gateway, queue, retrieval, first, left - first)


def _us(milliseconds: float | None) -> int:
    return int(milliseconds * 1000 + 0.5) if milliseconds and milliseconds > 0 else 0


def _calls(text: str) -> tuple[int, int, int]:
    """Model calls that failed, whether another one answered in their stead, and calls that mended an answer."""
    attempts = _attempts(text)
    failed = sum(attempt.error_code is not None for attempt in attempts)
    answers = [attempt.error_code is None for attempt in attempts if attempt.purpose == "answer"]
    return failed, int(any(answers) and not all(answers)), sum(attempt.purpose in ("repair", "escalate") for attempt in attempts)


def _add_account(sums: Sums, text: str) -> None:
    account = _account(text)
    for lever, saved in account.saved.items():
        sums.add_part(("saved", lever), saved, account.low.get(lever, saved), account.high.get(lever, saved))
    for purpose, cost in account.extra.items():
        sums.add_part(("extra", purpose), cost, cost, cost)
    for part, tokens in zip(PROMPT_PARTS, account.prompt or (), strict=False):
        sums.add_part(("prompt", part), tokens, tokens, tokens)


def tally_verdicts(rows: Iterable[tuple[Any, ...]], now: float) -> dict[VerdictKey, list[int]]:
    """Sums of rows of a sign (-1: a verdict taken back) and the columns `VERDICT_READ`, by level, bucket, tenant and what was judged."""
    sums: dict[VerdictKey, list[int]] = {}
    for sign, judged_at, tenant, endpoint, tier, cache, source, lever, score, reference, cost in rows:
        paired = score is not None and reference is not None
        added = (
            *(1, score is not None, _millionths(score), score is not None and score < _DISPUTED_UNDER),
            *(paired, _millionths(score) if paired else 0, _millionths(reference) if paired else 0, cost or 0),
        )
        for level, whose in product(LEVELS, (tenant or "?", EVERYONE)):
            if is_kept(level, judged_at, now):
                key = (level, start_of(judged_at, level), whose, endpoint or "", tier or "", cache or "", source or "", lever or "")
                sums[key] = [mine + sign * more for mine, more in zip(sums.get(key) or [0] * len(added), added, strict=True)]
    return sums


def _millionths(score: float | None) -> int:
    return 0 if score is None else round(score * MILLION)
