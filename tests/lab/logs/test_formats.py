"""Every format gives the same call."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from farthing.core.request import Dialect, Turn
from farthing.lab.logs import LoggedCall, Logs, open_logs
from tests.lab.logs import samples

MIDNIGHT = 1763337600.0
TURNS = (Turn("system", samples.SYSTEM), Turn("user", samples.QUESTION))


def read(tmp_path: Path, *records: Any, name: str = "log") -> tuple[list[LoggedCall], Logs]:
    path = tmp_path / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    logs = open_logs([path])
    return list(logs), logs


def as_csv(*records: dict[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]))
    writer.writeheader()
    for record in records:
        writer.writerow({key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in record.items()})
    return out.getvalue()


def the_usual(call: LoggedCall) -> None:
    assert call.turns == TURNS
    assert (call.answer, call.received_at) == (samples.ANSWER, MIDNIGHT)
    assert call.latency_s == pytest.approx(0.8)
    assert (call.tokens_in, call.tokens_out, call.tokens_cached) == (12, 3, 4)


@pytest.mark.parametrize("shape", samples.EXCHANGES)
def test_requests_and_responses(tmp_path: Path, shape: str) -> None:
    (call,), logs = read(tmp_path, samples.EXCHANGES[shape])
    the_usual(call)
    assert (call.temperature, call.max_output_tokens) == (0.2, 64)
    assert call.model in ("gpt-4o", "gpt-4o-2024-08-06", "claude-sonnet-4-5")
    assert json.loads(call.body or b"")["model"] in ("gpt-4o", "claude-sonnet-4-5")
    assert logs.counts.formats == {"request/response JSON": 1}


def test_bodies_keep_their_bytes_and_say_their_dialect(tmp_path: Path) -> None:
    (chat, responses, messages), _ = read(tmp_path, *(samples.EXCHANGES[shape] for shape in ("request and response", "responses", "anthropic")))
    assert chat.body == json.dumps(samples.CHAT_BODY).encode()
    assert (chat.dialect, responses.dialect, messages.dialect) == (Dialect.CHAT, Dialect.RESPONSES, Dialect.MESSAGES)
    assert messages.tokens_cache_write == 0


def test_batch_output_openai_and_anthropic(tmp_path: Path) -> None:
    body = {"custom_id": "q1", "method": "POST", "url": "/v1/chat/completions", "body": samples.CHAT_BODY}
    done = {"id": "batch_req_1", "custom_id": "q1", "response": {"status_code": 200, "request_id": "x", "body": samples.COMPLETION}, "error": None}
    failed = {"id": "batch_req_2", "custom_id": "q2", "response": None, "error": {"code": "batch_expired", "message": "late"}}
    theirs = {"custom_id": "q3", "result": {"type": "succeeded", "message": samples.ANTHROPIC_ANSWER}}
    (first, second, third), logs = read(tmp_path, body, done, failed, theirs)
    assert (first.request_id, first.answer, first.tokens_in, first.status, first.turns) == ("q1", "Paris.", 12, 200, ())
    assert (second.error_code, second.tokens_in) == ("batch_expired", None)
    assert (third.answer, third.tokens_in, third.tokens_out) == ("Paris.", 12, 3)
    assert logs.counts.skipped == 1


def test_a_conversation_that_ends_with_its_answer(tmp_path: Path) -> None:
    (call,), logs = read(tmp_path, {"messages": [*samples.MESSAGES, {"role": "assistant", "content": samples.ANSWER}]})
    assert (call.turns, call.answer, call.tokens_in, call.cost_usd) == (TURNS, samples.ANSWER, None, None)
    assert logs.counts.without_usage == 1


def test_a_recording(tmp_path: Path) -> None:
    record = {"prompt": samples.QUESTION, "system": samples.SYSTEM, "model": "small", "answer": samples.ANSWER, "score": 0.5}
    (call,), _ = read(tmp_path, record)
    assert (call.turns, call.answer, call.model, call.score) == (TURNS, samples.ANSWER, "small", 0.5)


def test_tools_and_streams(tmp_path: Path) -> None:
    asks = {**samples.CHAT_BODY, "tools": [{"type": "function", "function": {"name": "search"}}], "stream": True}
    called = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "search", "arguments": "{}"}}],
    }
    whole = {**samples.COMPLETION, "choices": [{"message": called, "finish_reason": "tool_calls"}]}
    chunks = [
        {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": piece}}]}
        for piece in ("Par", "is.")
    ]
    chunks.append({"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o", "choices": [], "usage": samples.USAGE})
    (tool, stream), _ = read(tmp_path, {"request": asks, "response": whole}, {"request": asks, "response": chunks})
    assert (tool.tool_calls, tool.finish, tool.answer, tool.has_tools, tool.stream) == (("search",), "tool_calls", None, True, True)
    assert (stream.answer, stream.tokens_in, stream.model) == (samples.ANSWER, 12, "gpt-4o")


@pytest.mark.parametrize("written", ["jsonl", "csv"])
def test_litellm(tmp_path: Path, written: str) -> None:
    path = tmp_path / "spend"
    path.write_text(json.dumps(samples.LITELLM) + "\n" if written == "jsonl" else as_csv(samples.LITELLM))
    logs = open_logs([path])
    (call,) = logs
    the_usual(call)
    assert (float(call.cost_usd or 0), call.provider, call.endpoint, call.tenant, call.user) == (0.00006, "openai", "faq", "acme", "u1")
    assert (call.run_id, call.first_token_s, call.status) == ("run-1", pytest.approx(0.3), 200)
    assert logs.counts.formats == {"LiteLLM spend logs": 1}


def test_litellm_says_zero_where_it_knows_no_price(tmp_path: Path) -> None:
    unknown, cached = {**samples.LITELLM, "spend": 0.0}, {**samples.LITELLM, "spend": 0.0, "cache_hit": "True"}
    failed = {**samples.LITELLM, "spend": 0.0, "prompt_tokens": 0, "completion_tokens": 0, "status": "failure", "response": {}}
    (first, second, third), _ = read(tmp_path, unknown, cached, failed)
    assert (first.cost_usd, second.cost_usd, second.cache) == (None, 0, "exact")
    assert (third.status, third.tokens_in) == (500, None)


@pytest.mark.parametrize("record", [samples.LANGFUSE, samples.LANGFUSE_BLOB], ids=["api", "blob"])
@pytest.mark.parametrize("written", ["lines", "array", "csv"])
def test_langfuse(tmp_path: Path, record: dict[str, Any], written: str) -> None:
    path = tmp_path / "export"
    span = {**record, "type": "SPAN"}
    writers = {"lines": lambda: f"{json.dumps(span)}\n{json.dumps(record)}\n", "array": lambda: json.dumps([span, record], indent=2)}
    path.write_text(as_csv(span, record) if written == "csv" else writers[written]())
    logs = open_logs([path])
    (call,) = logs
    the_usual(call)
    assert (call.endpoint, call.run_id, call.session, call.user, call.stream) == ("faq", "run-1", "s1", "u1", True)
    assert (float(call.cost_usd or 0), call.temperature, call.max_output_tokens) == (0.00006, 0.2, 64)
    assert logs.counts.skipped == 1


def test_a_langfuse_trace_with_its_observations(tmp_path: Path) -> None:
    bare = {key: value for key, value in samples.LANGFUSE.items() if key not in ("sessionId", "traceId")}
    trace = {"id": "run-9", "name": "chat", "sessionId": "s9", "observations": [{**bare, "type": "SPAN"}, bare]}
    (call,), _ = read(tmp_path, trace)
    the_usual(call)
    assert (call.run_id, call.session) == ("run-9", "s9")


@pytest.mark.parametrize("written", ["jsonl", "csv", "page"])
def test_helicone(tmp_path: Path, written: str) -> None:
    path = tmp_path / "requests"
    text = {"jsonl": json.dumps(samples.HELICONE), "csv": as_csv(samples.HELICONE), "page": json.dumps({"data": [samples.HELICONE], "error": None})}
    path.write_text(text[written] + "\n")
    (call,) = open_logs([path])
    the_usual(call)
    assert (call.provider, call.endpoint, call.run_id, call.user) == ("openai", "faq", "run-1", "u1")
    assert (float(call.cost_usd or 0), call.first_token_s) == (0.00006, 0.3)


@pytest.mark.parametrize("shape", samples.SPANS)
@pytest.mark.parametrize("indent", [None, 1], ids=["line", "document"])
def test_otel(tmp_path: Path, shape: str, indent: int | None) -> None:
    path = tmp_path / "traces"
    path.write_text(json.dumps(samples.SPANS[shape], indent=indent) + "\n")
    (call,) = open_logs([path])
    the_usual(call)
    assert (call.provider, call.endpoint, call.run_id) == ("openai", "faq", "5b8efff798038103d269b633813fc60c")
    assert (call.temperature, call.max_output_tokens) == (0.2, 64)


def test_spans_without_a_model_call_are_none(tmp_path: Path) -> None:
    calls, logs = read(tmp_path, samples.otlp({"http.method": "GET"}))
    assert (calls, logs.counts.skipped, logs.counts.broken) == ([], 1, 0)
