"""Intents, holds, rows and a failing disk for the tests of the store."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import msgspec

from farthing.core.ledger import Hold, Intent, LedgerRow

NOON = 1_700_000_000.0


def hold(meter: str, amount: int = 1, limit: int = 10, **other: Any) -> Hold:
    return Hold(meter, other.pop("kind", "budget"), amount, limit, "key k_1", other.pop("window", "day"), other.pop("window_ends", NOON + 3600))


def intent(request_id: str, *holds: Hold, cost: int | None = 7) -> Intent:
    booked = tuple((each.meter, each.amount, each.amount) for each in holds)
    return Intent(request_id, "run_1", NOON, "faq", "acme", "k_1", None, "m-small", "svc", "cheap", cost, 40, booked)


ROW = LedgerRow(
    request_id="", run_id="run_1", received_at=NOON, endpoint="faq", dialect="chat", stream=False, tenant="acme", user_hash=None, key_id="k_1",
    task_type="qa", complexity=0.25, risk="low", language="en", needs_documents=False, requested_model="farthing/auto", model_tier="cheap",
    model_name="m-small", provider="svc", tokens_in=40, tokens_out=9, tokens_cached=None, tokens_cache_write=None, tokens_reasoning=None,
    usage_estimated=False, latency_total_ms=12.5, latency_model_ms=11.0, latency_retrieval_ms=None, latency_queue_ms=0.1, first_token_ms=None,
    overhead_ms=1.4, cache="miss", cache_similarity=None, cache_entry=None, rag_used=False, sources=None, num_llm_calls=1, cost_picousd=5,
    baseline_cost_picousd=2_500_000_000_000, decisions="[]", attempts=None, outcome="ok", truncated=None, finish="stop", status=200,
    error_code=None, error_message=None,
)  # fmt: skip


def row(request_id: str, **changes: Any) -> LedgerRow:
    return msgspec.structs.replace(ROW, request_id=request_id, **changes)


def query(path: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What is in the file, seen from outside."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, values).fetchall()


def meter(path: str, name: str) -> tuple[int, int] | None:
    found = query(path, "SELECT used, held FROM meters WHERE meter = ?", name)
    return found[0] if found else None


@contextmanager
def no_file_grows() -> Iterator[None]:
    """The kernel refuses every byte past the first of a file, as a failing disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
