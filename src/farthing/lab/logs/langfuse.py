"""Langfuse: observations from the UI's export (JSON, CSV), the API, or the blob storage export (JSONL, CSV); whole traces as well.

Only generations are calls. `usageDetails` counts cached and reasoning tokens beside `input` and `output`; they are added up here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from farthing.core.request import Dialect
from farthing.lab.logs.asked import Asked, asked, told, total
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.exchange import composed
from farthing.lab.logs.outcome import NoCall
from farthing.lab.logs.record import Record

name = "Langfuse observations"
looks_for = "id, type, traceId or trace_id, startTime or start_time (Langfuse), or a trace with its observations"

_LIBRARY_NAMES = frozenset({"OpenAI-generation", "ChatOpenAI", "AzureChatOpenAI", "ChatAnthropic", "litellm-acompletion", "litellm-completion"})
_CACHE_READS = ("input_cached", "cache_read", "input_cache_read", "cached")
_CACHE_WRITES = ("cache_creation", "input_cache_creation", "input_cache_write")


def fits(names: frozenset[str]) -> bool:
    if "observations" in names and "id" in names:
        return True
    traced = "traceId" in names or "trace_id" in names
    return traced and "type" in names and ("startTime" in names or "start_time" in names)


def read(record: Record, source: str) -> Iterable[LoggedCall]:
    """The generations of a trace, or one observation."""
    if "observations" in record.fields and "type" not in record.fields:
        return list(_of_trace(record, source))
    kind = (record.text("type") or "").upper()
    if kind not in ("GENERATION", "EMBEDDING"):
        raise NoCall(f"an observation of type {kind}")
    return (_call(record, source, Record({})),)


def _of_trace(trace: Record, source: str) -> Iterator[LoggedCall]:
    for at, observation in enumerate(trace.children("observations"), start=1):
        if (observation.text("type") or "").upper() in ("GENERATION", "EMBEDDING"):
            yield _call(observation, f"{source}#{at}", trace)


def _call(record: Record, source: str, trace: Record) -> LoggedCall:
    settings = record.child("modelParameters", "model_parameters")
    request = _request(record, settings)
    answer = told(record.structure("output"))
    used = cast(dict[str, Any], record.child("usageDetails", "usage_details").fields)
    started, ended = record.moment("startTime", "start_time"), record.moment("endTime", "end_time")
    first, model = record.moment("completionStartTime", "completion_start_time"), record.text("providedModelName", "provided_model_name", "model")
    latency_s, first_s = record.number("latency"), record.number("timeToFirstToken", "time_to_first_token")
    costs = record.child("costDetails", "cost_details")
    cost, _ = costs.money("total") if costs.value("total") is not None else record.money("calculatedTotalCost", "totalCost", "total_cost")
    level = (record.text("level") or "").upper()
    usage = record.child("usage")
    return LoggedCall(
        source=source,
        model=model,
        dialect=Dialect.EMBEDDINGS if (record.text("type") or "").upper() == "EMBEDDING" else request.dialect,
        body=composed(model, request),
        turns=request.turns,
        answer=answer.answer,
        tool_calls=answer.tool_calls,
        finish=answer.finish,
        request_id=record.text("id"),
        run_id=record.text("traceId", "trace_id") or trace.text("id"),
        session=record.text("sessionId", "session_id") or trace.text("sessionId", "session_id"),
        endpoint=_endpoint(record, trace),
        tenant=record.child("metadata").text("tenant", "tenant_id", "team"),
        user=record.text("userId", "user_id") or trace.text("userId", "user_id"),
        received_at=started,
        latency_s=latency_s if latency_s is not None else ended - started if started is not None and ended is not None else None,
        first_token_s=first_s if first_s is not None else first - started if first is not None and started is not None else None,
        tokens_in=_count(used, usage, ("input", "cache_"), ("input", "promptTokens", "prompt_tokens")),
        tokens_out=_count(used, usage, ("output",), ("output", "completionTokens", "completion_tokens")),
        tokens_cached=total(used, *_CACHE_READS),
        tokens_cache_write=total(used, *_CACHE_WRITES),
        tokens_reasoning=total(used, "output_reasoning", "reasoning"),
        cost_usd=cost if cost else None,  # 0 is what Langfuse shows for a model without a price
        status=500 if level == "ERROR" else None,
        error_code=(record.text("statusMessage", "status_message") or "error")[:200] if level == "ERROR" else None,
        temperature=request.temperature,
        max_output_tokens=request.max_output_tokens,
        stream=bool(settings.flag("stream")) or first is not None or first_s is not None,
        has_tools=request.has_tools,
    )


def _request(record: Record, settings: Record) -> Asked:
    request = asked(record.structure("input"))
    limit = settings.integer("max_completion_tokens", "max_tokens", "maxTokens", "max_output_tokens") if _is_number(settings) else None
    return Asked(
        turns=request.turns,
        dialect=request.dialect,
        model=request.model,
        temperature=settings.number("temperature") if request.temperature is None else request.temperature,
        max_output_tokens=limit if request.max_output_tokens is None else request.max_output_tokens,
        stream=request.stream,
        has_tools=request.has_tools,
    )


def _is_number(settings: Record) -> bool:
    """Langfuse keeps `max_tokens: "inf"` where the caller set no limit."""
    found = settings.value("max_completion_tokens", "max_tokens", "maxTokens", "max_output_tokens")
    return isinstance(found, int | float) or (isinstance(found, str) and found.isdecimal())


def _count(used: dict[str, Any], usage: Record, prefixes: tuple[str, ...], names: tuple[str, ...]) -> int | None:
    found = total(used, *prefixes)
    return usage.integer(*names) if found is None else found


def _endpoint(record: Record, trace: Record) -> str | None:
    """The name of the observation, unless a library gave it; then the trace's."""
    own = record.text("name")
    if own and own not in _LIBRARY_NAMES:
        return own
    return record.text("traceName", "trace_name") or trace.text("name") or own
