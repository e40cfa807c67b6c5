"""Native streams pass untouched; their end waits until the ledger has its row."""

import json
from decimal import Decimal
from typing import Any

import anthropic.types
import openai.types.responses
import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic import TypeAdapter

from farthing.core.errors import UpstreamBroken, UpstreamRefused
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.dialects import LANGUAGES
from farthing.wire.sse import EventSplitter, event_data
from farthing.wire.tap import Tap
from tests.wire.samples import (
    ANSWER,
    CHAT_DELTAS,
    CHAT_DONE,
    CHAT_FINISH,
    CHAT_STREAM,
    CHAT_USAGE,
    MESSAGES_DELTA,
    MESSAGES_HEAD,
    MESSAGES_STOP,
    MESSAGES_STREAM,
    RESPONSES_END,
    RESPONSES_HEAD,
    RESPONSES_STREAM,
    STREAMS,
    dump,
)

DIALECTS = list(LANGUAGES)
HEADS = {Dialect.CHAT: b"".join(CHAT_DELTAS), Dialect.RESPONSES: RESPONSES_HEAD, Dialect.MESSAGES: MESSAGES_HEAD}
ENDS = {Dialect.CHAT: CHAT_FINISH + CHAT_USAGE + CHAT_DONE, Dialect.RESPONSES: RESPONSES_END, Dialect.MESSAGES: MESSAGES_DELTA + MESSAGES_STOP}
SDK_EVENTS: dict[Dialect, Any] = {
    Dialect.CHAT: TypeAdapter(ChatCompletionChunk),
    Dialect.RESPONSES: TypeAdapter(openai.types.responses.ResponseStreamEvent),
    Dialect.MESSAGES: TypeAdapter(anthropic.types.RawMessageStreamEvent),
}


def run(dialect: Dialect, *pieces: bytes, wants_usage: bool = True, choices: int = 1) -> tuple[Tap, bytes]:
    """A tap that has seen these pieces and their end, and what it let through."""
    tap = Tap(dialect, wants_usage=wants_usage, choices=choices)
    passed = b"".join(map(tap.feed, pieces))
    tap.end()
    return tap, passed


def payloads(stream: bytes) -> list[Any]:
    found = [event_data(event) for event in EventSplitter().feed(stream)]
    return [payload if payload == b"[DONE]" else json.loads(payload) for payload in found if payload is not None]


def accepted_by_the_sdk(dialect: Dialect, stream: bytes) -> None:
    for event in payloads(stream):
        if event not in (b"[DONE]", {"type": "ping"}):
            SDK_EVENTS[dialect].validate_python(event)


def chunk(finish: str | None = None, usage: Any = None, index: int = 0, **delta: Any) -> bytes:
    choices = [{"index": index, "delta": delta, "finish_reason": finish}]
    return (
        b"data: "
        + dump({"id": "a1", "object": "chat.completion.chunk", "created": 5, "model": "model-1", "choices": choices, "usage": usage})
        + b"\n\n"
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_but_the_end_passes_and_the_end_is_held(dialect: Dialect) -> None:
    tap, passed = run(dialect, STREAMS[dialect])
    assert passed == HEADS[dialect]
    assert tap.finish(None) == ENDS[dialect]
    assert (tap.usage, tap.finish_reason, tap.model, tap.complete, tap.failed) == (ANSWER.usage, "tool_calls", "model-1", True, None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_cut_at_every_byte(dialect: Dialect) -> None:
    stream = STREAMS[dialect]
    for cut in range(0, len(stream), 1 if dialect is Dialect.CHAT else 7):
        tap, passed = run(dialect, stream[:cut], stream[cut:])
        assert passed + tap.finish(None) == stream
        assert passed == HEADS[dialect]
        assert tap.usage == ANSWER.usage


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_one_byte_at_a_time(dialect: Dialect, line_end: bytes) -> None:
    stream = STREAMS[dialect].replace(b"\n", line_end)
    tap, passed = run(dialect, *(stream[at : at + 1] for at in range(len(stream))))
    assert passed == HEADS[dialect].replace(b"\n", line_end)
    assert passed + tap.finish(None) == stream
    assert (tap.usage, tap.finish_reason, tap.complete) == (ANSWER.usage, "tool_calls", True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whole_events_pass_at_once(dialect: Dialect) -> None:
    tap = Tap(dialect, wants_usage=True)
    for event in EventSplitter().feed(HEADS[dialect]):
        assert tap.feed(event) == event


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_answer_can_be_read(dialect: Dialect) -> None:
    tap, _ = run(dialect, STREAMS[dialect])
    assert tap.answer() == ANSWER
    assert run(dialect, STREAMS[dialect], choices=2)[0].answer() is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_text_is_counted_as_it_comes(dialect: Dialect) -> None:
    tap = Tap(dialect, wants_usage=True)
    counts = []
    for at in range(0, len(STREAMS[dialect]), 50):
        tap.feed(STREAMS[dialect][at : at + 50])
        counts.append(tap.text_bytes)
    assert counts == sorted(counts)
    truth = len(ANSWER.text.encode()) + sum(len(call.arguments) for call in ANSWER.tool_calls)
    assert truth - 2 <= counts[-1] <= truth + 20  # escapes count as they are sent; Anthropic leaves out empty arguments


def test_a_chat_client_that_did_not_ask_sees_no_usage() -> None:
    tap, passed = run(Dialect.CHAT, CHAT_STREAM, wants_usage=False)
    assert passed + tap.finish(Decimal(1)) == b"".join((*CHAT_DELTAS, CHAT_FINISH, CHAT_DONE))
    assert tap.usage == ANSWER.usage


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_cost_goes_into_the_last_usage(dialect: Dialect) -> None:
    tap, passed = run(dialect, STREAMS[dialect])
    stream = passed + tap.finish(Decimal("0.000012"))
    costs = [usage["cost"] for event in payloads(stream) if (usage := _usage(event)) and "cost" in usage]
    assert costs == [0.000012]
    accepted_by_the_sdk(dialect, stream)
    again, _ = run(dialect, stream)
    assert (again.usage, again.complete) == (ANSWER.usage, True)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("cost_usd", [None, Decimal("0.000012")])
def test_why_an_answer_grew_no_longer_is_said_once_in_its_end(dialect: Dialect, cost_usd: Decimal | None) -> None:
    tap, passed = run(dialect, STREAMS[dialect])
    stream = passed + tap.finish(cost_usd, "token cap")
    marks = [event["farthing"] for event in map(_marked, payloads(stream)) if event]
    assert marks[-1] == {"truncated": True, "reason": "token cap"}
    assert len(marks) == 1
    accepted_by_the_sdk(dialect, stream)
    again, _ = run(dialect, stream)
    assert (again.usage, again.complete, again.finish_reason) == (ANSWER.usage, True, tap.finish_reason)


def _usage(event: Any) -> dict[str, Any] | None:
    if event == b"[DONE]":
        return None
    return event.get("usage") or event.get("response", {}).get("usage")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_stops_in_the_middle_is_not_complete(dialect: Dialect) -> None:
    tap, passed = run(dialect, HEADS[dialect])
    assert (passed, tap.complete, tap.usage) == (HEADS[dialect], False, None)
    assert not run(dialect)[0].complete


def test_an_end_without_its_last_mark_is_given_one() -> None:
    tap, passed = run(Dialect.CHAT, b"".join((*CHAT_DELTAS, CHAT_FINISH, CHAT_USAGE)))
    assert tap.complete
    assert passed + tap.finish(None) == CHAT_STREAM
    tap, passed = run(Dialect.CHAT, CHAT_STREAM.rstrip())
    assert passed + tap.finish(None) == CHAT_STREAM
    tap, passed = run(Dialect.MESSAGES, MESSAGES_HEAD + MESSAGES_DELTA)
    assert tap.complete
    assert payloads(passed + tap.finish(None)) == payloads(MESSAGES_STREAM)


def test_spaces_and_unknown_fields_do_not_matter() -> None:
    spaced = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in payloads(CHAT_STREAM)[:-1]) + CHAT_DONE
    tap, passed = run(Dialect.CHAT, spaced, wants_usage=False)
    assert len(payloads(passed)) == len(CHAT_DELTAS)
    assert tap.usage == ANSWER.usage
    assert len(payloads(tap.finish(None))) == 2


def test_text_that_looks_like_an_end_passes() -> None:
    sly = [
        chunk(content='"finish_reason":"stop"'),
        chunk(content="data: [DONE]\n\n"),
        chunk(content='"usage":{"prompt_tokens":1}'),
        chunk(content="error"),
    ]
    tap = Tap(Dialect.CHAT, wants_usage=True)
    assert [tap.feed(event) for event in sly] == sly


def test_usage_with_every_chunk_is_passed_on() -> None:
    counted = [chunk(usage={"prompt_tokens": 5, "completion_tokens": at}, content="x") for at in range(3)]
    last = chunk("stop", usage={"prompt_tokens": 5, "completion_tokens": 3})
    tap, passed = run(Dialect.CHAT, *counted, last, CHAT_DONE)
    assert passed == b"".join(counted)
    assert tap.usage == Usage(5, 3)
    assert payloads(tap.finish(Decimal("0.5")))[0]["usage"]["cost"] == 0.5


def test_the_last_of_several_choices_ends_it() -> None:
    stream = [chunk("stop", index=0), chunk(index=1, content="more"), chunk("stop", index=1), CHAT_USAGE, CHAT_DONE]
    tap, passed = run(Dialect.CHAT, *stream, choices=2)
    assert passed == stream[0] + stream[1]
    assert tap.finish(None) == b"".join(stream[2:])


@pytest.mark.parametrize("usage", [{"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": 1, "completion_tokens": 10**15}, {}])
def test_counts_that_cannot_be_true_are_unknown(usage: dict[str, int]) -> None:
    tap, _ = run(Dialect.CHAT, chunk("stop", content="x"), b"data: " + dump({"choices": [], "usage": usage}) + b"\n\n", CHAT_DONE)
    assert tap.usage is None
    assert payloads(tap.finish(Decimal(1)))[-1] == b"[DONE]"


def test_usage_twice_is_counted_once() -> None:
    twice = b"data: " + dump({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}) + b"\n\n"
    tap, _ = run(Dialect.CHAT, chunk("stop"), CHAT_USAGE, twice, CHAT_DONE)
    assert tap.usage == Usage(7, 5)
    costs = ["cost" in event["usage"] for event in payloads(tap.finish(Decimal(1)))[1:-1]]
    assert costs == [False, True]


@pytest.mark.parametrize(
    ("dialect", "error"),
    [
        (Dialect.CHAT, b'data: {"error":{"message":"Boom","type":"server_error"}}\n\n'),
        (Dialect.MESSAGES, b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Boom"}}\n\n'),
        (Dialect.RESPONSES, b'event: error\ndata: {"type":"error","code":"server_error","message":"Boom"}\n\n'),
    ],
)
def test_an_error_inside_is_seen(dialect: Dialect, error: bytes) -> None:
    tap, passed = run(dialect, HEADS[dialect], error)
    assert passed == HEADS[dialect]
    assert isinstance(tap.failed, UpstreamRefused)
    assert "Boom" in tap.failed.message


def test_a_burst_with_the_end_in_it_is_split_at_the_end() -> None:
    """Finish and text in one burst, after and before other chunks, with an empty comment between."""
    burst = b": hello\n\n" + b"".join(CHAT_DELTAS) * 5
    tap, passed = run(Dialect.CHAT, burst + CHAT_FINISH + CHAT_USAGE + CHAT_DONE)
    assert passed == burst
    assert tap.finish(None) == CHAT_FINISH + CHAT_USAGE + CHAT_DONE
    only_end, nothing = run(Dialect.CHAT, CHAT_FINISH + CHAT_DONE)
    assert (nothing, only_end.finish(None)) == (b"", CHAT_FINISH + CHAT_DONE)


def test_garbage_at_the_end_is_a_broken_upstream() -> None:
    tap = Tap(Dialect.CHAT, wants_usage=True)
    tap.feed(b"".join(CHAT_DELTAS) + CHAT_FINISH + b"data: {oops\n\n")
    with pytest.raises(UpstreamBroken):
        tap.end()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_cut_at_every_event_is_a_stream_that_the_sdk_takes(dialect: Dialect) -> None:
    events = EventSplitter().feed(HEADS[dialect])
    for kept in range(len(events) + 1):
        tap = Tap(dialect, wants_usage=True)
        passed = b"".join(map(tap.feed, events[:kept])) + tap.feed(b"data: {")
        stream = passed + tap.cut("latency cap", Usage(20, 4))
        assert stream.startswith(b"".join(events[:kept]))
        seen = payloads(stream)
        accepted_by_the_sdk(dialect, stream)
        again, _ = run(dialect, stream)
        assert (again.complete, again.finish_reason) == (True, "length")
        assert [event["farthing"] for event in map(_marked, seen) if event] == [{"truncated": True, "reason": "latency cap"}]


def _marked(event: Any) -> Any:
    """The object that carries the mark, if this event has one."""
    return next((place for place in (event, event.get("response", {})) if "farthing" in place), None) if event != b"[DONE]" else None


def test_a_cut_chat_keeps_its_identity() -> None:
    tap = Tap(Dialect.CHAT, wants_usage=True)
    stream = tap.feed(CHAT_DELTAS[0]) + tap.cut("cap", Usage(20, 4))
    chunks = payloads(stream)
    assert {(event["id"], event["created"], event["model"]) for event in chunks[:-1]} == {("a1", 1700000000, "model-1")}
    assert chunks[-2]["choices"] == []
    assert chunks[-2]["usage"]["completion_tokens"] == 4
    silent = Tap(Dialect.CHAT, wants_usage=False)
    assert all("usage" not in event for event in payloads(silent.cut("cap", Usage(20, 4)))[:-1])


def test_a_cut_message_closes_its_block() -> None:
    events = EventSplitter().feed(MESSAGES_STREAM)
    tap = Tap(Dialect.MESSAGES, wants_usage=True)
    stream = tap.feed(b"".join(events[:4])) + tap.cut("cap")
    assert [event["type"] for event in payloads(stream)[3:]] == ["content_block_delta", "content_block_stop", "message_delta", "message_stop"]


def test_a_cut_response_keeps_its_text_and_its_numbers() -> None:
    events = EventSplitter().feed(RESPONSES_STREAM)
    tap = Tap(Dialect.RESPONSES, wants_usage=True)
    seen = payloads(tap.feed(b"".join(events[:5])) + tap.cut("cap"))
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    last = seen[-1]["response"]
    assert (last["id"], last["status"]) == ("a1", "incomplete")
    assert last["output"][0]["content"][0]["text"] == ANSWER.text[:9]
    assert last["output"][0]["status"] == "incomplete"
