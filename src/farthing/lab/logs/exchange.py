"""Request and response as JSON lines, as teams write them: `{request, response}`, `{messages, response}`, batch API output, recordings.

Whichever of the usual names a field goes by. Seconds unless a name ends in `_ms`; a bare `latency` above 1000 is taken for milliseconds.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast

import msgspec

from farthing.core.request import Dialect, Turn
from farthing.lab.logs.asked import Asked, Counts, Told, asked, told, usage
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.outcome import NoCall
from farthing.lab.logs.record import Record

name = "request/response JSON"
looks_for = "request and response (or messages, prompt, choices) in one object"

_REQUESTS = ("request", "request_body", "req", "kwargs", "body", "input", "inputs")
_RESPONSES = ("response", "response_body", "resp", "output", "outputs", "completion", "answer", "result", "generation")
_ASKS = frozenset({"request", "request_body", "req", "kwargs", "messages", "prompt", "contents", "question"})
_ANSWERS = frozenset({*_RESPONSES, "choices", "usage"})
_NOT_SECONDS = 1000.0
_EMBEDDING = "embedding"


def fits(names: frozenset[str]) -> bool:
    if "custom_id" in names:
        return not names.isdisjoint({"response", "result", "body", "error"})
    if names >= {"input", "output"} or names >= {"id", "choices"} or names >= {"content", "role", "usage"}:
        return True
    return not names.isdisjoint(_ASKS) and (not names.isdisjoint(_ANSWERS) or "messages" in names)


def read(record: Record, source: str) -> Iterable[LoggedCall]:
    """One record is one call."""
    if "custom_id" in record.fields:
        return (_batch(record, source),)
    body, request = _request(record)
    response = _response(record)
    answer = response or Told()
    if not request.turns and answer.answer is None and answer.counts.read is None and not answer.tool_calls:
        raise ValueError("neither a request nor a response can be read in it")
    if response is None and len(request.turns) > 1 and request.turns[-1].role == "assistant":
        answer = Told(answer=request.turns[-1].text)
        request = msgspec.structs.replace(request, turns=request.turns[:-1])
    return (_call(record, source, body, request, answer),)


def _batch(record: Record, source: str) -> LoggedCall:
    """A line of a batch's output; the prompts are in its input file."""
    if "response" not in record.fields and "result" not in record.fields:
        raise NoCall("a batch's input line: its output file holds the usage")
    response, result = record.child("response"), record.child("result")
    answer = told(response.structure("body") if response.fields else result.structure("message", "error"))
    error = record.child("error").text("code", "message") or answer.error
    call = _call(record, source, None, Asked(), answer)
    status = response.integer("status_code") or (200 if result.text("type") == "succeeded" else None)
    return msgspec.structs.replace(call, request_id=record.text("custom_id"), status=status, error_code=error)


def _request(record: Record) -> tuple[bytes | None, Asked]:
    """The body as it was sent, and what it says; fields of the record itself where there is no request of its own."""
    if "messages" not in record.fields:
        for key in _REQUESTS:
            if record.value(key) is None:
                continue
            found = record.structure(key)
            if isinstance(found, dict) and "body" in (inner := cast(dict[str, Any], found)) and "messages" not in inner:
                found = Record(inner).structure("body")
                return msgspec.json.encode(found), asked(found)
            request = asked(found)
            return (record.body(key), request) if isinstance(found, dict) else (composed(record.text("model"), request), request)
    request = asked(record.fields if "messages" in record.fields or "prompt" in record.fields or "contents" in record.fields else None)
    if system := record.text("system", "system_prompt"):
        request = msgspec.structs.replace(request, turns=(Turn("system", system), *(turn for turn in request.turns if turn.text != system)))
    return composed(record.text("model"), request), request


def _response(record: Record) -> Told | None:
    for key in _RESPONSES:
        if record.value(key) is not None:
            found = record.structure(key)
            inner = Record.of(cast(object, found)).structure("body")
            return told(found if inner is None else inner)
    if "choices" in record.fields or {"content", "usage"} <= record.fields.keys():
        return told({key: record.value(key) for key in record.fields})
    return None


def composed(model: str | None, request: Asked) -> bytes | None:
    """A chat body that says the same, where the log holds the messages and no body."""
    if not request.turns:
        return None
    body: dict[str, Any] = {"model": request.model or model or "unknown", "messages": [{"role": t.role, "content": t.text} for t in request.turns]}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body["max_tokens"] = request.max_output_tokens
    return msgspec.json.encode(body)


def _call(record: Record, source: str, body: bytes | None, request: Asked, answer: Told) -> LoggedCall:
    extra = record.child("metadata", "meta", "extra", "attributes")
    counts = answer.counts.over(usage(record.child("usage", "token_usage", "tokens"))).over(_own_counts(record))
    cost, currency = _money(record, extra)
    started = _first(record.moment, extra.moment, "timestamp", "received_at", "request_time", "start_time", "startTime", "created_at", "time", "ts")
    ended = record.moment("end_time", "endTime", "completed_at", "response_time")
    response = record.child("response")
    return LoggedCall(
        source=source,
        model=answer.model or request.model or _first(record.text, extra.text, "model", "model_name", "deployment"),
        provider=_first(record.text, extra.text, "provider", "service", "vendor", "custom_llm_provider"),
        dialect=_dialect(record, request),
        body=body,
        turns=request.turns,
        answer=answer.answer,
        tool_calls=answer.tool_calls,
        finish=answer.finish or record.text("finish_reason", "finish", "stop_reason"),
        request_id=_first(record.text, extra.text, "request_id", "id", "call_id") or answer.id,
        run_id=_first(record.text, extra.text, "run_id", "trace_id", "traceId", "interaction_id", "conversation_id"),
        session=_first(record.text, extra.text, "session_id", "session", "conversation_id", "thread_id"),
        endpoint=_first(record.text, extra.text, "endpoint", "feature", "route", "operation", "use_case", "app", "task"),
        tenant=_first(record.text, extra.text, "tenant", "tenant_id", "team", "team_id", "customer", "org_id"),
        user=_first(record.text, extra.text, "user_id", "user", "end_user") or request.user,
        received_at=started if started is not None else answer.created,
        latency_s=_latency(record, extra, started, ended),
        first_token_s=_seconds(record, extra, "first_token_s", "ttft_s", "first_token_ms", "ttft_ms", "ttft", "time_to_first_token"),
        tokens_in=counts.read,
        tokens_out=counts.written,
        tokens_cached=counts.cached,
        tokens_cache_write=counts.cache_write,
        tokens_reasoning=counts.reasoning,
        cost_usd=cost if currency is None else None,
        currency=currency,
        status=_status(record, response),
        error_code=record.text("error_code") or answer.error or _error(record),
        temperature=request.temperature,
        max_output_tokens=request.max_output_tokens,
        stream=request.stream or bool(record.flag("stream")),
        has_tools=request.has_tools,
        cache=record.text("cache"),
        score=_score(record, extra),
    )


def _first(read: Any, read_extra: Any, *names: str) -> Any:
    found = read(*names)
    return read_extra(*names) if found is None else found


def _own_counts(record: Record) -> Counts:
    return Counts(
        read=record.integer("prompt_tokens", "input_tokens", "tokens_in"),
        written=record.integer("completion_tokens", "output_tokens", "tokens_out"),
        cached=record.integer("cached_tokens", "tokens_cached"),
    )


def _dialect(record: Record, request: Asked) -> Dialect:
    where = record.text("path", "url", "request_path") or ""
    return Dialect.EMBEDDINGS if _EMBEDDING in where else request.dialect


def _money(record: Record, extra: Record) -> tuple[Decimal | None, str | None]:
    """USD, or the currency that it is in instead."""
    names = ("cost_usd", "total_cost_usd", "cost", "total_cost", "response_cost", "spend", "price")
    found = record if record.value(*names) is not None else extra
    cost, sign = found.money(*names) if not isinstance(found.value(*names), dict) else found.child(*names).money("total", "total_cost")
    if cost is None:
        return None, None
    currency = (sign or record.text("currency", "cost_currency") or extra.text("currency") or "USD").upper()
    return cost, None if currency == "USD" else currency


def _latency(record: Record, extra: Record, started: float | None, ended: float | None) -> float | None:
    said = _seconds(
        record, extra, "latency_s", "duration_s", "latency_ms", "duration_ms", "response_time_ms", "elapsed_ms", "latency", "duration", "elapsed"
    )
    if said is not None:
        return said
    return ended - started if started is not None and ended is not None and ended >= started else None


def _seconds(record: Record, extra: Record, *names: str) -> float | None:
    for key in names:
        found = _first(record.number, extra.number, key)
        if found is not None and found >= 0:
            return found / 1000 if key.endswith("_ms") or (not key.endswith("_s") and found > _NOT_SECONDS) else found
    return None


def _status(record: Record, response: Record) -> int | None:
    for found in (record.value("status_code", "http_status", "status"), response.value("status_code", "status")):
        if isinstance(found, int) or (isinstance(found, str) and found.isdecimal()):
            return int(found)
        if isinstance(found, str):
            return {"success": 200, "ok": 200, "completed": 200, "failure": 500, "error": 500, "failed": 500}.get(found.lower())
    return None


def _error(record: Record) -> str | None:
    error = record.structure("error", "exception")
    if isinstance(error, dict):
        return Record.of(cast(object, error)).text("code", "type", "message") or "error"
    return str(error)[:200] if error else None


def _score(record: Record, extra: Record) -> float | None:
    found = _first(record.value, extra.value, "score", "grade", "rating")
    return float(found) if isinstance(found, int | float) and 0 <= found <= 1 else None
