"""OpenTelemetry GenAI spans as OTLP JSON: the file exporter's lines, a collector's document, old and new attribute names.

Content is read from the attributes `gen_ai.input.messages`, `gen_ai.prompt.N.content` (OpenLLMetry), `llm.input_messages.N...` (OpenInference),
or the events `gen_ai.user.message`, `gen_ai.choice`, `gen_ai.content.prompt`, `gen_ai.client.inference.operation.details`.
Spans that are no model call are counted and skipped. A record that holds none at all is no call.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from farthing.core.request import Dialect, Turn
from farthing.lab.logs.asked import Asked, flat, told, turns
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.exchange import composed
from farthing.lab.logs.outcome import NoCall
from farthing.lab.logs.record import Record, structured, unix

name = "OpenTelemetry GenAI spans"
looks_for = "resourceSpans with gen_ai.* or llm.* attributes (OTLP JSON)"

_OPERATIONS = frozenset({"chat", "text_completion", "generate_content", "completion", "embeddings", ""})
_INDEXED = re.compile(r"(?:gen_ai\.(prompt|completion)|llm\.(input|output)_messages)\.(\d+)\.(?:message\.)?(role|content|finish_reason)$")
_MESSAGE_EVENT = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message$")


def fits(names: frozenset[str]) -> bool:
    return not names.isdisjoint({"resourceSpans", "resource_spans"}) or names >= {"traceId", "spanId", "startTimeUnixNano"}


def read(record: Record, source: str) -> Iterable[LoggedCall]:
    """The model calls among the spans of a record."""
    calls = list(_calls(record, source))
    if not calls:
        raise NoCall("no span in it is a model call")
    return calls


def _calls(record: Record, source: str) -> Iterator[LoggedCall]:
    for at, (resource, span) in enumerate(_spans(record), start=1):
        says = attributes(span.structure("attributes"))
        if _is_call(says):
            yield _call(span, says, resource, f"{source}#{at}")


def _spans(record: Record) -> Iterator[tuple[dict[str, Any], Record]]:
    if "spanId" in record.fields:
        yield {}, record
    for resource in (*record.children("resourceSpans"), *record.children("resource_spans")):
        about = attributes(resource.child("resource").structure("attributes"))
        for key in ("scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            for scope in resource.children(key):
                for span in scope.children("spans"):
                    yield about, span


def attributes(found: Any) -> dict[str, Any]:
    """OTLP's list of keys and typed values as a dictionary; a dictionary as it is."""
    if isinstance(found, dict):
        return cast(dict[str, Any], found)
    pairs = (Record.of(pair) for pair in cast(list[Any], found)) if isinstance(found, list) else ()
    return {key: _value(pair.value("value")) for pair in pairs if (key := pair.text("key"))}


def _value(wrapped: Any) -> Any:
    fields = Record.of(wrapped).fields
    for kind, held in fields.items():
        if kind == "intValue":
            return int(held)
        if kind == "arrayValue":
            return [_value(inner) for inner in Record.of(held).structure("values") or ()]
        if kind == "kvlistValue":
            return attributes(Record.of(held).structure("values"))
        return held
    return None if isinstance(wrapped, dict) else wrapped


def _is_call(says: dict[str, Any]) -> bool:
    kind = says.get("openinference.span.kind") or says.get("traceloop.span.kind")
    if kind is not None and str(kind).upper() not in ("LLM", "EMBEDDING"):
        return False
    if str(says.get("gen_ai.operation.name", "")) not in _OPERATIONS:
        return False
    return any(key in says for key in ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "llm.request.model"))


def _call(span: Record, says: dict[str, Any], about: dict[str, Any], source: str) -> LoggedCall:
    flatly = Record(says)
    events = [(event.text("name") or "", attributes(event.structure("attributes")), event) for event in span.children("events")]
    asked_turns, answer, calls = _content(says, events)
    started, ended = _nanos(span, "startTimeUnixNano", "start_time_unix_nano"), _nanos(span, "endTimeUnixNano", "end_time_unix_nano")
    model = flatly.text("gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "llm.request.model")
    temperature, limit = flatly.number("gen_ai.request.temperature"), flatly.integer("gen_ai.request.max_tokens", "llm.request.max_tokens")
    first = next((_nanos(event, "timeUnixNano") for name, _, event in events if name in ("gen_ai.first_token", "llm.content.completion.chunk")), None)
    failed = span.child("status").text("code") in ("2", "STATUS_CODE_ERROR")
    cost, _ = flatly.money("gen_ai.usage.cost", "gen_ai.usage.cost_usd", "llm.cost.total")
    request = Asked(turns=asked_turns, temperature=temperature, max_output_tokens=limit)
    return LoggedCall(
        source=source,
        model=model,
        provider=flatly.text("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"),
        dialect=Dialect.EMBEDDINGS if says.get("gen_ai.operation.name") == "embeddings" else Dialect.CHAT,
        body=composed(model, request),
        turns=asked_turns,
        answer=answer,
        tool_calls=calls,
        finish=_finish(flatly),
        request_id=flatly.text("gen_ai.response.id") or span.text("spanId", "span_id"),
        run_id=span.text("traceId", "trace_id"),
        session=flatly.text("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id"),
        endpoint=flatly.text("gen_ai.prompt.name", "traceloop.workflow.name", "gen_ai.agent.name") or Record(about).text("service.name"),
        tenant=flatly.text("tenant", "tenant.id", "traceloop.association.properties.tenant"),
        user=flatly.text("enduser.id", "user.id", "llm.user"),
        received_at=started,
        latency_s=ended - started if started is not None and ended is not None else None,
        first_token_s=_first_token(flatly, first, started),
        tokens_in=flatly.integer("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens", "llm.token_count.prompt"),
        tokens_out=flatly.integer(
            "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens", "llm.token_count.completion"
        ),
        tokens_cached=flatly.integer(
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.input_tokens.cached",
            "llm.token_count.prompt_details.cache_read",
        ),
        tokens_cache_write=flatly.integer(
            "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write"
        ),
        tokens_reasoning=flatly.integer("gen_ai.usage.reasoning.output_tokens", "llm.token_count.completion_details.reasoning"),
        cost_usd=cost,
        status=500 if failed else None,
        error_code=flatly.text("error.type") or ("error" if failed else None),
        temperature=temperature,
        max_output_tokens=limit,
        stream=bool(flatly.flag("gen_ai.request.stream", "llm.is_streaming", "gen_ai.is_streaming")),
        has_tools=bool(says.get("gen_ai.tool.definitions")) or "llm.request.functions.0.name" in says or "llm.tools.0.tool.json_schema" in says,
    )


def _first_token(flatly: Record, first: float | None, started: float | None) -> float | None:
    said = flatly.number("gen_ai.server.time_to_first_token", "gen_ai.response.time_to_first_chunk")
    if said is not None:
        return said
    return first - started if first is not None and started is not None else None


def _finish(flatly: Record) -> str | None:
    """The reason of the first choice."""
    found = flatly.structure("gen_ai.response.finish_reasons", "gen_ai.completion.0.finish_reason", "llm.finish_reason")
    reasons = cast(list[object], found) if isinstance(found, list) else [found]
    return str(reasons[0]) if reasons and reasons[0] is not None else None


def _nanos(span: Record, *names: str) -> float | None:
    found = span.value(*names)
    return None if found is None else unix(int(found) if isinstance(found, str) and found.isdecimal() else found)


def _content(says: dict[str, Any], events: list[tuple[str, dict[str, Any], Record]]) -> tuple[tuple[Turn, ...], str | None, tuple[str, ...]]:
    """Turns, answer and tools called, wherever the instrumentation put them."""
    for name, held, _ in events:
        if name == "gen_ai.client.inference.operation.details":
            says = {**says, **held}
        elif name in ("gen_ai.content.prompt", "gen_ai.content.completion"):
            key = name.replace("content.", "")
            says = {**says, key: held.get(key) or held.get("content")}
    given, answer, calls = _from_attributes(says)
    if not given:
        given, said = _from_events(events)
        answer = answer or said
    return given, answer, calls


def _from_attributes(says: dict[str, Any]) -> tuple[tuple[Turn, ...], str | None, tuple[str, ...]]:
    messages = structured(says.get("gen_ai.input.messages") or says.get("gen_ai.prompt"))
    output = structured(says.get("gen_ai.output.messages") or says.get("gen_ai.completion"))
    given: list[Turn] = []
    if system := flat(structured(says.get("gen_ai.system_instructions"))):
        given.append(Turn("system", system))
    if isinstance(messages, list):
        given += turns(cast(list[Any], messages))
    elif isinstance(messages, str) and messages:
        given.append(Turn("user", messages))
    indexed = _indexed(says)
    given += [Turn(role, text) for (side, _), (role, text) in sorted(indexed.items()) if side == "in"]
    said = told(output) if output else None
    answer = (said.answer if said else None) or next((text for (side, _), (_, text) in sorted(indexed.items()) if side == "out"), None)
    return tuple(given), answer, said.tool_calls if said else ()


def _indexed(says: dict[str, Any]) -> dict[tuple[str, int], tuple[str, str]]:
    """Messages that are spread over attributes with numbers in their names."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for key, value in says.items():
        if match := _INDEXED.match(key):
            side = "in" if (match[1] or match[2]) in ("prompt", "input") else "out"
            found.setdefault((side, int(match[3])), {})[match[4]] = flat(structured(value))
    return {at: (fields.get("role") or "user", fields.get("content", "")) for at, fields in found.items()}


def _from_events(events: list[tuple[str, dict[str, Any], Record]]) -> tuple[tuple[Turn, ...], str | None]:
    given: list[Turn] = []
    answer: str | None = None
    for name, held, event in events:
        body = event.structure("body") or held
        content = structured(Record.of(body).value("content")) if Record.of(body).value("content") is not None else body
        if match := _MESSAGE_EVENT.match(name):
            given.append(Turn(match[1], flat(content)))
        elif name == "gen_ai.choice":
            answer = flat(structured(Record.of(body).value("message")) or content) or None
    return tuple(given), answer
