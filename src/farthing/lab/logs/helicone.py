"""Helicone: requests from its export tool (JSON, JSONL, CSV) or its API, with bodies where they were exported."""

from collections.abc import Iterable

from farthing.core.request import Dialect
from farthing.lab.logs.asked import asked, told
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.record import Record

name = "Helicone requests"
looks_for = "request_created_at, response_status, delay_ms or request_path (Helicone)"

_NO_CACHE = "00000000-0000-0000-0000-000000000000"
_FEATURES = ("Helicone-Session-Name", "Helicone-Prompt-Id", "feature", "Feature", "endpoint", "Endpoint", "app", "App", "appname", "task")


def fits(names: frozenset[str]) -> bool:
    return "request_created_at" in names or names >= {"request_id", "delay_ms", "response_status"}


def read(record: Record, source: str) -> Iterable[LoggedCall]:
    """One record is one call."""
    request, answer = asked(record.structure("request_body") or None), told(record.structure("response_body") or None)
    properties = record.child("request_properties", "properties")
    delay_ms, first_ms = record.number("delay_ms"), record.number("time_to_first_token")
    status = record.integer("response_status")
    cost, _ = record.money("costUSD", "cost_usd", "cost")
    tokens_in = record.integer("prompt_tokens")
    cached = record.integer("prompt_cache_read_tokens")
    cache = record.text("cache_reference_id")
    path = record.text("request_path") or ""
    failed = status is not None and status >= 400
    return (
        LoggedCall(
            source=source,
            model=record.text("response_model") or answer.model or record.text("model", "request_model") or request.model,
            provider=(record.text("provider") or "").lower() or None,
            dialect=Dialect.EMBEDDINGS if "embedding" in path else request.dialect,
            body=record.body("request_body"),
            turns=request.turns,
            answer=answer.answer,
            tool_calls=answer.tool_calls,
            finish=answer.finish,
            request_id=record.text("request_id"),
            run_id=properties.text("Helicone-Session-Id") or record.text("helicone_session"),
            session=properties.text("Helicone-Session-Id"),
            endpoint=properties.text(*_FEATURES) or record.text("prompt_id"),
            tenant=properties.text("tenant", "Tenant", "team", "customer"),
            user=record.text("request_user_id", "helicone_user"),
            received_at=record.moment("request_created_at"),
            latency_s=None if delay_ms is None else delay_ms / 1000,
            first_token_s=None if first_ms is None else first_ms / 1000,
            tokens_in=answer.counts.read if tokens_in is None else tokens_in,
            tokens_out=_first(record.integer("completion_tokens"), answer.counts.written),
            tokens_cached=answer.counts.cached if cached is None else cached,
            tokens_cache_write=_first(record.integer("prompt_cache_write_tokens"), answer.counts.cache_write),
            tokens_reasoning=answer.counts.reasoning,
            cost_usd=cost or None,  # 0 is what it writes for a model without a price
            status=status if status is None or status > 0 else 500,
            error_code=(answer.error or f"http_{status}") if failed else None,
            temperature=request.temperature,
            max_output_tokens=request.max_output_tokens,
            stream=request.stream,
            has_tools=request.has_tools,
            cache="exact" if cache and cache != _NO_CACHE else None,
            score=_score(record),
        ),
    )


def _first(count: int | None, otherwise: int | None) -> int | None:
    return otherwise if count is None else count


def _score(record: Record) -> float | None:
    """A thumb of a user."""
    rating = record.flag("feedback_rating")
    return None if rating is None else float(rating)
