"""A settled request as spans: one for the request, and one below it for each call to a model.

The request is a SERVER span under the caller's own trace, if a `traceparent` came with it; calls are CLIENT spans by the GenAI conventions. Tokens
stand on the calls alone, so that whoever adds them up over all spans counts each once. Decisions are events at the end of the request,
in their order: levers do not say when they decided.
"""

import random
from collections.abc import Mapping

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from farthing.core.decision import Decision
from farthing.core.exchange import Attempt
from farthing.core.money import PICO
from farthing.measure.otel import names
from farthing.measure.otel.settled import Settled

Value = str | bool | int | float | tuple[str, ...]
Address = tuple[str, int]

_NANOS = 1_000_000_000
_INT64 = 1 << 63
_MOST_CHARS = 1024  # of one attribute; callers choose the names of models
_NAME_CHARS = 128
_OWN_FAULTS = frozenset({"upstream_error", "invalid_answer", "error", "interrupted"})
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_LOW_BITS = (1 << 63) - 1  # of the trace id: what samplers of other languages draw by


class Parent(msgspec.Struct, frozen=True):
    """A caller's trace context."""

    trace_id: int
    span_id: int
    sampled: bool


def read_traceparent(text: str | None) -> Parent | None:
    """W3C trace context; `None` for none, or one that is not valid."""
    parts = (text or "").strip().split("-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff" or (parts[0] == "00" and len(parts) > 4):
        return None
    if any(char not in "0123456789abcdef" for part in parts[:4] for char in part):
        return None
    trace_id, span_id = int(parts[1], 16), int(parts[2], 16)
    return Parent(trace_id, span_id, bool(int(parts[3], 16) & 1)) if trace_id and span_id else None


class Tracer:
    """Makes spans. `addresses` say where services are reached; `share` of the requests without a caller's trace is traced."""

    def __init__(self, resource: Resource, version: str, *, share: float, content: bool) -> None:
        self._resource = resource
        self._scope = InstrumentationScope(names.SCOPE, version)
        self._share = share
        self._content = content
        self.addresses: Mapping[str, Address] = {}

    def spans(self, settled: Settled) -> list[ReadableSpan]:
        """The request first, then its calls; empty when it is not sampled."""
        parent = read_traceparent(settled.traceparent)
        trace_id = parent.trace_id if parent else random.getrandbits(128) or 1
        if not (parent.sampled if parent else (trace_id & _LOW_BITS) < self._share * _LOW_BITS):
            return []
        request = self._request(settled, trace_id, parent)
        context = request.context
        assert context is not None
        return [request, *(self._call(settled, attempt, context) for attempt in settled.attempts)]

    def _request(self, settled: Settled, trace_id: int, parent: Parent | None) -> ReadableSpan:
        row = settled.row
        began_ns = int(row.received_at * _NANOS)
        ended_ns = began_ns + int(row.latency_total_ms * 1e6)
        failed = row.outcome in _OWN_FAULTS
        return ReadableSpan(
            _clean(f"{names.OPERATIONS[row.dialect]} {row.requested_model[:_NAME_CHARS]}"),
            context=_context(trace_id),
            parent=None if parent is None else SpanContext(trace_id, parent.span_id, is_remote=True, trace_flags=_SAMPLED),
            resource=self._resource,
            attributes=request_attributes(settled) | (_content(settled) if self._content else {}),
            events=[_event(decision, ended_ns) for decision in settled.decisions],
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR, row.error_code) if failed else Status(),
            start_time=began_ns,
            end_time=ended_ns,
            instrumentation_scope=self._scope,
        )

    def _call(self, settled: Settled, attempt: Attempt, above: SpanContext) -> ReadableSpan:
        row = settled.row
        began_ns = int((row.received_at + (attempt.after_s or 0.0)) * _NANOS)
        return ReadableSpan(
            _clean(f"{names.OPERATIONS[row.dialect]} {attempt.target.model[:_NAME_CHARS]}"),
            context=_context(above.trace_id),
            parent=above,
            resource=self._resource,
            attributes=call_attributes(settled, attempt, self.addresses.get(attempt.target.service)),
            kind=SpanKind.CLIENT,
            status=Status(StatusCode.ERROR, attempt.error_code) if attempt.error_code else Status(),
            start_time=began_ns,
            end_time=began_ns + int(attempt.latency_s * _NANOS),
            instrumentation_scope=self._scope,
        )


def _context(trace_id: int) -> SpanContext:
    return SpanContext(trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=_SAMPLED)


def request_attributes(settled: Settled) -> dict[str, Value]:
    """Facts of the request; what is unknown is left out."""
    row = settled.row
    found: dict[str, Value | None] = {
        names.OPERATION: names.OPERATIONS[row.dialect],
        names.REQUEST_MODEL: row.requested_model,
        names.REQUEST_ID: row.request_id,
        names.RUN_ID: row.run_id,
        names.ENDPOINT: row.endpoint,
        names.DIALECT: row.dialect,
        names.TENANT: row.tenant,
        names.TASK: row.task_type,
        names.TIER: row.model_tier,
        names.MODEL: row.model_name,
        names.CACHE: row.cache,
        names.OUTCOME: row.outcome,
        names.STATUS: row.status,
        names.TRUNCATED: row.truncated,
        names.EXPERIMENT: row.experiment,
        names.ERROR_TYPE: row.error_code,
        names.COST_USD: _usd(row.cost_picousd),
        names.BASELINE_USD: _usd(row.baseline_cost_picousd),
        names.QUEUE_S: _seconds(row.latency_queue_ms),
        names.OVERHEAD_S: _seconds(row.overhead_ms),
    }
    saved = settled.account.saved if settled.account else {}
    return _known(found) | {f"{names.SAVED_USD}.{lever}": amount / float(PICO) for lever, amount in saved.items()}


def call_attributes(settled: Settled, attempt: Attempt, address: Address | None) -> dict[str, Value]:
    """Facts of one call; what is unknown is left out. The caller's settings go with the calls that carried them."""
    usage, target = attempt.usage, attempt.target
    found: dict[str, Value | None] = {
        names.OPERATION: names.OPERATIONS[settled.row.dialect],
        names.PROVIDER: names.PROVIDERS.get(target.service, target.service),
        names.REQUEST_MODEL: target.model,
        names.PURPOSE: attempt.purpose,
        names.TIER: target.tier or None,
        names.ERROR_TYPE: attempt.error_code,
        names.COST_USD: None if attempt.cost_usd is None else float(attempt.cost_usd),
        names.SERVER_ADDRESS: address[0] if address else None,
        names.SERVER_PORT: address[1] if address else None,
    }
    if usage is not None:
        found |= {
            names.INPUT_TOKENS: usage.input_tokens,
            names.OUTPUT_TOKENS: usage.output_tokens,
            names.CACHE_READ_TOKENS: usage.cached_tokens,
            names.CACHE_WRITE_TOKENS: usage.cache_write_tokens,
            names.REASONING_TOKENS: usage.reasoning_tokens,
            names.ESTIMATED: usage.estimated or None,
        }
    if attempt.purpose in ("answer", "escalate"):
        found |= _asked(settled, attempt)
    return _known(found)


def first_chunk_s(settled: Settled, attempt: Attempt) -> float | None:
    """From the call to its first piece, where it was streamed and answered the request."""
    if not settled.row.stream or attempt.purpose != "answer" or attempt.first_token_s is None or attempt.after_s is None:
        return None
    return attempt.first_token_s - attempt.after_s


def _asked(settled: Settled, attempt: Attempt) -> dict[str, Value | None]:
    answered = attempt.error_code is None and attempt.purpose == "answer" and settled.row.finish
    return {
        names.REQUEST_STREAM: settled.row.stream or None,
        names.REQUEST_TEMPERATURE: settled.temperature,
        names.REQUEST_TOP_P: settled.top_p,
        names.REQUEST_MAX_TOKENS: settled.max_tokens,
        names.REQUEST_SEED: settled.seed,
        names.REQUEST_CHOICES: settled.choices if settled.choices != 1 else None,
        names.OUTPUT_TYPE: "json" if settled.wants_json else None,
        names.FINISH_REASONS: (str(settled.row.finish),) if answered else None,
        names.TIME_TO_FIRST_CHUNK: first_chunk_s(settled, attempt),
    }


def _content(settled: Settled) -> dict[str, Value]:
    """Prompt and answer as the ledger has them: of the requests drawn for the log, redacted."""
    row = settled.row
    found = {names.INPUT_MESSAGES: ("user", row.prompt), names.OUTPUT_MESSAGES: ("assistant", row.answer)}
    return {
        name: msgspec.json.encode([{"role": role, "parts": [{"type": "text", "content": text}]}]).decode()
        for name, (role, text) in found.items()
        if text is not None
    }


def _event(decision: Decision, at_ns: int) -> Event:
    said: dict[str, Value] = {names.LEVER: decision.lever, names.ACTION: _clean(decision.action), names.REASON: _clean(decision.reason)}
    if decision.saved_usd is not None:
        said[names.SAVED_USD] = float(decision.saved_usd)
    if decision.failed_open:
        said[names.FAILED_OPEN] = True
    return Event(names.DECISION, said, at_ns)


def _known(found: Mapping[str, Value | None]) -> dict[str, Value]:
    """What is known, in a form that fits the protocol: one value that does not would lose its whole batch."""
    return {name: _clean(value) if isinstance(value, str) else value for name, value in found.items() if value is not None and _fits(value)}


def _fits(value: Value) -> bool:
    return not isinstance(value, int) or -_INT64 <= value < _INT64


def _clean(text: str) -> str:
    return text[:_MOST_CHARS].encode("utf-8", "replace").decode()


def _usd(picousd: int | None) -> float | None:
    return None if picousd is None else picousd / float(PICO)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
