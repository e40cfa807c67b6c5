"""What goes into the book: holds before a call, one row after it."""

from typing import Literal

import msgspec

HoldKind = Literal["requests", "tokens", "concurrent", "budget", "run_calls"]


class Hold(msgspec.Struct, frozen=True, gc=False):
    """An amount to reserve on one meter, only if `used + held + amount <= limit`.

    Amounts are whole numbers: requests, tokens, calls, or picodollars. `window_ends` is what `Retry-After` counts to
    (same clock as the meter: monotonic seconds for rates, unix seconds for budgets); `None` when only a release helps.
    """

    meter: str  # "key:k_01:usd:2026-11-22": unique per subject, kind and window
    kind: HoldKind
    amount: int
    limit: int
    subject: str  # for the message: "key k_01", "tenant acme", "endpoint faq"
    window: Literal["minute", "day", "month", "run", "now"]
    window_ends: float | None = None
    config_key: str = ""  # what to raise: "limits.tenant.acme.daily_usd"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The first hold that did not fit, and what its meter held then."""

    hold: Hold
    used: int
    held: int


class Reserved(msgspec.Struct, frozen=True, gc=False):
    """All holds fit. `left[i]` is what remains on the meter of hold i after it."""

    left: tuple[int, ...]


class Release(msgspec.Struct, frozen=True, gc=False):
    """Give back what a hold reserved and book what was really used."""

    meter: str
    held: int
    used: int


class Intent(msgspec.Struct, frozen=True, gc=False):
    """Written before the upstream call, so that a crash leaves a trace. Settled or, after a crash, swept."""

    request_id: str
    run_id: str
    received_at: float
    endpoint: str
    tenant: str
    key_id: str | None
    user_hash: str | None
    model: str
    service: str
    tier: str
    quoted_picousd: int | None
    quoted_input_tokens: int
    holds: tuple[tuple[str, int, int], ...]  # meter, held, to book as used if nobody settles it
    item: int | None = None  # of a batch


class LedgerRow(msgspec.Struct, frozen=True, gc=False):
    """One settled request. Times in milliseconds, money in picodollars, unknown is `None`."""

    request_id: str
    run_id: str
    received_at: float
    endpoint: str
    dialect: str
    stream: bool
    tenant: str
    user_hash: str | None
    key_id: str | None
    task_type: str | None
    complexity: float | None
    risk: str | None
    language: str | None
    needs_documents: bool | None
    requested_model: str
    model_tier: str | None
    model_name: str | None
    provider: str | None
    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    usage_estimated: bool
    latency_total_ms: float
    latency_model_ms: float | None
    latency_retrieval_ms: float | None
    latency_queue_ms: float | None
    first_token_ms: float | None
    overhead_ms: float | None
    cache: str
    cache_similarity: float | None
    cache_entry: str | None
    rag_used: bool
    sources: str | None  # JSON list of "document@version"
    num_llm_calls: int
    cost_picousd: int | None
    baseline_cost_picousd: int | None
    decisions: str  # JSON list of Decision
    attempts: str | None  # JSON list of Attempt when there was more than one, or one of another model
    outcome: str
    truncated: str | None
    finish: str | None
    status: int
    error_code: str | None
    error_message: str | None
    prompt: str | None = None  # only if configured, redacted
    answer: str | None = None
    sampled: str | None = None  # "log,judge,shadow": what this request was drawn for
    account: str | None = None  # JSON of core.account.Account; None where cost or baseline is unknown
    experiment: str | None = None  # "name=arm" of the experiment that this run takes part in
    lane: str | None = None  # "background": an item of a batch, or a call that could wait
