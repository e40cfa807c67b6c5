"""Streams: read from every service, written for every client, the same answer as when it comes whole."""

import json
from decimal import Decimal
from typing import Any

import anthropic.types
import httpx
import openai
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from pydantic import TypeAdapter

from farthing.core.conversation import Answer, Event, Finish, Thinking, ToolArgsDelta, ToolCall, ToolCallStarted
from farthing.core.errors import Upstream, UpstreamBroken, UpstreamRefused
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.dialects import LANGUAGES, Collector, answer_events
from farthing.wire.sse import EventSplitter, event_data, event_name
from tests.wire.samples import ANSWER, ANSWERS, CHAT_STREAM, MESSAGES_STREAM, NOTES, RESPONSES_STREAM, STREAMS, TEXT, dump

DIALECTS = list(LANGUAGES)


def read(dialect: Dialect, *pieces: bytes) -> tuple[Answer, bool]:
    """The answer, and whether its end was seen."""
    reader, collector = LANGUAGES[dialect].reader(), Collector()
    for piece in pieces:
        for event in reader.feed(piece):
            collector.feed(event)
    for event in reader.end():
        collector.feed(event)
    if collector.failed is not None:
        raise collector.failed
    return collector.answer(), reader.ended


def write(dialect: Dialect, events: list[Event], usage: Usage | None, finish: str | None, **end: Any) -> bytes:
    writer = LANGUAGES[dialect].writer("req_1", 1700000000, wants_usage=end.pop("wants_usage", True))
    return b"".join(map(writer.feed, events)) + writer.end(usage, finish, end.pop("cost_usd", None), end.pop("truncated", None))


def payloads(stream: bytes) -> list[Any]:
    found = [event_data(event) for event in EventSplitter().feed(stream)]
    return [payload if payload == b"[DONE]" else json.loads(payload) for payload in found if payload is not None]


def same(answer: Answer, **changes: Any) -> dict[str, Any]:
    """What must be equal between two tellings of an answer: all but its id and date, with zero counts and unknown ones alike."""
    usage = answer.usage
    told = {
        "model": answer.model,
        "text": answer.text,
        "calls": answer.tool_calls,
        "refusal": answer.refusal,
        "finish": answer.finish,
        "notes": tuple(note.text for note in answer.reasoning),
        "usage": usage and (usage.input_tokens, usage.output_tokens, usage.cached_tokens or 0, usage.reasoning_tokens or 0),
    }
    return told | changes


@pytest.mark.parametrize("dialect", DIALECTS)
def test_reads_the_golden_stream(dialect: Dialect) -> None:
    assert read(dialect, STREAMS[dialect]) == (ANSWER, True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_cut_at_every_byte(dialect: Dialect) -> None:
    stream = STREAMS[dialect]
    for cut in range(0, len(stream), 1 if dialect is Dialect.CHAT else 3):
        assert read(dialect, stream[:cut], stream[cut:]) == (ANSWER, True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_byte_at_a_time_with_crlf(dialect: Dialect) -> None:
    stream = STREAMS[dialect].replace(b"\n", b"\r\n")
    assert read(dialect, *(stream[at : at + 1] for at in range(len(stream)))) == (ANSWER, True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_stops_early_has_not_ended(dialect: Dialect) -> None:
    stream = STREAMS[dialect]
    events = EventSplitter().feed(stream)
    for kept in range(len(events)):
        _, ended = read(dialect, b"".join(events[:kept]))
        assert not ended


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_last_empty_line_may_be_missing(dialect: Dialect) -> None:
    assert read(dialect, STREAMS[dialect].rstrip()) == (ANSWER, True)


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", DIALECTS)
def test_every_pair_streamed(source: Dialect, target: Dialect) -> None:
    reader = LANGUAGES[source].reader()
    events = [event for event in reader.feed(STREAMS[source]) if event]
    told = write(target, events, ANSWER.usage, ANSWER.finish)
    answer, ended = read(target, told)
    assert ended
    assert same(answer) == same(ANSWER)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whole_and_streamed_say_the_same(dialect: Dialect) -> None:
    whole = LANGUAGES[dialect].parse_answer(dump(ANSWERS[dialect]))
    assert same(whole) == same(read(dialect, STREAMS[dialect])[0])


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CALLS = st.builds(
    ToolCall, st.from_regex(r"call_[a-z0-9]{4}", fullmatch=True), st.sampled_from(["f", "g_h"]), st.sampled_from(["{}", '{"a":[1,"x"]}'])
)
USAGES = st.builds(Usage, st.integers(50, 99), st.integers(50, 99), st.integers(0, 25), st.none(), st.integers(0, 25))
ANSWER_SHAPES = st.builds(
    Answer,
    id=st.just("x"),
    model=TEXTS,
    text=TEXTS,
    tool_calls=st.lists(CALLS, max_size=3).map(tuple),
    reasoning=st.lists(st.builds(Thinking, TEXTS.filter(bool), st.just("sig")), max_size=1).map(tuple),
    usage=USAGES,
).map(lambda answer: Answer(**{name: getattr(answer, name) for name in answer.__struct_fields__} | {"finish": _natural_finish(answer)}))


def _natural_finish(answer: Answer) -> Finish:
    return Finish.TOOL_CALLS if answer.tool_calls else Finish.STOP


@settings(max_examples=60, deadline=None)
@given(answer=ANSWER_SHAPES, dialect=st.sampled_from(DIALECTS), cut=st.integers(0, 2000))
def test_written_streamed_and_whole_are_one(answer: Answer, dialect: Dialect, cut: int) -> None:
    stream = write(dialect, answer_events(answer), answer.usage, answer.finish)
    streamed, ended = read(dialect, stream[:cut], stream[cut:])
    whole = LANGUAGES[dialect].parse_answer(LANGUAGES[dialect].render_answer(answer, request_id="req_1", created=1))
    assert ended
    assert same(streamed) == same(whole) == same(answer)


def test_collector_gives_back_what_events_told() -> None:
    answer = Answer(
        id="a",
        model="m",
        text="t",
        reasoning=(NOTES, Thinking("", "sealed", redacted=True), Thinking("open")),
        tool_calls=ANSWER.tool_calls,
        refusal="no",
        finish=Finish.STOP,
        usage=ANSWER.usage,
    )
    collector = Collector()
    for event in answer_events(answer):
        collector.feed(event)
    assert collector.answer() == answer
    assert collector.text_bytes == len("t" + "no" + "Let me see." + "open") + sum(len(call.arguments) for call in ANSWER.tool_calls)


class TestChatRules:
    """The rules that chat clients check, in their order in the stream."""

    def chunks(self, **end: Any) -> list[Any]:
        return payloads(write(Dialect.CHAT, answer_events(ANSWER), ANSWER.usage, ANSWER.finish, **end))

    def test_role_first_and_done_last(self) -> None:
        chunks = self.chunks()
        assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert chunks[-1] == b"[DONE]"

    def test_one_id_created_and_model(self) -> None:
        assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in self.chunks()[:-1]} == {("chatcmpl-req_1", 1700000000, "model-1")}

    def test_usage_chunk_only_where_wanted(self) -> None:
        usage_chunk = self.chunks(cost_usd=Decimal("0.0000012"))[-2]
        assert usage_chunk["choices"] == []
        assert usage_chunk["usage"]["cost"] == 0.0000012
        assert usage_chunk["usage"]["prompt_tokens_details"] == {"cached_tokens": 5, "cache_write_tokens": 0}
        assert all("usage" not in chunk for chunk in self.chunks(wants_usage=False)[:-1])

    def test_a_cut_is_told(self) -> None:
        chunks = payloads(write(Dialect.CHAT, answer_events(ANSWER), None, "length", truncated="latency cap"))
        assert chunks[-2]["choices"][0]["finish_reason"] == "length"
        assert chunks[-2]["farthing"] == {"truncated": True, "reason": "latency cap"}

    def test_an_answer_of_nothing_still_has_a_role_and_an_end(self) -> None:
        chunks = payloads(write(Dialect.CHAT, [], None, None))
        assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None, "stop"]

    def test_sdk_types_accept_every_chunk(self) -> None:
        for chunk in self.chunks()[:-1]:
            ChatCompletionChunk.model_validate(chunk)


def openai_client(stream: bytes) -> openai.OpenAI:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=stream, headers={"content-type": "text/event-stream"}))
    return openai.OpenAI(api_key="x", base_url="http://test/v1", http_client=httpx.Client(transport=transport), max_retries=0)


def test_the_openai_sdk_streams_a_chat() -> None:
    stream = write(Dialect.CHAT, answer_events(ANSWER), ANSWER.usage, ANSWER.finish)
    with openai_client(stream) as client, client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "x"}]) as events:
        final = events.until_done().get_final_completion()
    message = final.choices[0].message
    assert message.content == TEXT
    assert [call.function.arguments for call in message.tool_calls or ()] == ['{"city":"Oslo"}', "{}"]
    assert final.usage is not None
    assert final.usage.total_tokens == 29


def test_the_openai_sdk_streams_a_response() -> None:
    noted = answer_events(Answer(id="r", model="model-1", text="", reasoning=(NOTES,))) + answer_events(ANSWER)[1:]
    stream = write(Dialect.RESPONSES, noted, ANSWER.usage, ANSWER.finish)
    with openai_client(stream) as client, client.responses.stream(model="m", input="x") as events:
        final = events.until_done().get_final_response()
    assert final.output_text == TEXT
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call", "function_call"]
    assert final.usage is not None
    assert final.usage.total_tokens == 29


def test_responses_events_are_whole_and_numbered() -> None:
    stream = write(Dialect.RESPONSES, answer_events(ANSWER), ANSWER.usage, ANSWER.finish, cost_usd=Decimal("0.5"))
    seen = payloads(stream)
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    assert [event_name(event) for event in EventSplitter().feed(stream)] == [event["type"] for event in seen]
    adapter = TypeAdapter(openai.types.responses.ResponseStreamEvent)
    assert [adapter.validate_python(event).type for event in seen] == [event["type"] for event in seen]
    assert [event["type"] for event in seen][:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert seen[-1]["response"]["usage"]["cost"] == 0.5
    assert seen[-1]["response"]["output"] == [event["item"] for event in seen if event["type"] == "response.output_item.done"]


def test_a_cut_response_is_incomplete() -> None:
    last = payloads(write(Dialect.RESPONSES, answer_events(ANSWER)[:2], None, "length", truncated="token cap"))[-1]
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "incomplete")
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["farthing"] == {"truncated": True, "reason": "token cap"}


def test_a_refusal_streams_everywhere() -> None:
    refused = Answer(id="r", model="m", text="", refusal="I cannot.", finish=Finish.STOP)
    for dialect in (Dialect.CHAT, Dialect.RESPONSES):
        assert read(dialect, write(dialect, answer_events(refused), None, "stop"))[0].refusal == "I cannot."
    told = read(Dialect.MESSAGES, write(Dialect.MESSAGES, answer_events(refused), None, "stop"))[0]
    assert (told.text, told.finish) == ("I cannot.", Finish.CONTENT_FILTER)


class TestMessagesRules:
    """The sequence that Anthropic's clients expect."""

    def events(self, answer: Answer, **end: Any) -> list[Any]:
        return payloads(write(Dialect.MESSAGES, answer_events(answer), answer.usage, answer.finish, **end))

    def test_the_sdk_accumulates_it(self) -> None:
        noted = Answer(id="r", model="model-1", text=TEXT, reasoning=(NOTES,), tool_calls=ANSWER.tool_calls, finish=ANSWER.finish, usage=ANSWER.usage)
        adapter: TypeAdapter[Any] = TypeAdapter(anthropic.types.RawMessageStreamEvent)
        snapshot: Any = None
        buffers: dict[int, bytes] = {}
        for event in self.events(noted):
            snapshot = accumulate_event(event=adapter.validate_python(event), current_snapshot=snapshot, json_bufs=buffers)
        assert [block.type for block in snapshot.content] == ["thinking", "text", "tool_use", "tool_use"]
        assert (snapshot.content[0].thinking, snapshot.content[0].signature) == (NOTES.text, NOTES.signature)
        assert (snapshot.content[1].text, snapshot.content[2].input, snapshot.content[3].input) == (TEXT, {"city": "Oslo"}, {})
        assert (snapshot.usage.input_tokens, snapshot.usage.cache_read_input_tokens, snapshot.usage.output_tokens) == (15, 5, 9)
        assert snapshot.stop_reason == "tool_use"

    def test_blocks_are_begun_and_ended_one_after_the_other(self) -> None:
        seen = [(event["type"], event.get("index")) for event in self.events(ANSWER)]
        assert seen[0][0] == "message_start"
        assert [kind for kind, _ in seen[-2:]] == ["message_delta", "message_stop"]
        open_block = None
        for kind, index in seen[1:-2]:
            if kind == "content_block_start":
                assert open_block is None
                open_block = index
            assert index == open_block
            if kind == "content_block_stop":
                open_block = None
        assert open_block is None

    def test_cost_and_cut_are_told(self) -> None:
        delta = self.events(ANSWER, cost_usd=Decimal("0.25"), truncated="budget")[-2]
        assert delta["usage"]["cost"] == 0.25
        assert delta["farthing"] == {"truncated": True, "reason": "budget"}

    def test_redacted_notes_stay_sealed(self) -> None:
        sealed = Answer(id="r", model="m", text="x", reasoning=(Thinking("", "blob", redacted=True),), finish=Finish.STOP)
        assert self.events(sealed)[1]["content_block"] == {"type": "redacted_thinking", "data": "blob"}


@pytest.mark.parametrize("dialect", [Dialect.MESSAGES, Dialect.RESPONSES])
def test_a_call_taken_up_again_is_no_stream(dialect: Dialect) -> None:
    writer = LANGUAGES[dialect].writer("r", 0)
    for event in (ToolCallStarted(0, "a", "f"), ToolCallStarted(1, "b", "g")):
        writer.feed(event)
    with pytest.raises(UpstreamBroken):
        writer.feed(ToolArgsDelta(0, "{}"))


@pytest.mark.parametrize(
    ("dialect", "payload", "status"),
    [
        (Dialect.CHAT, b'data: {"error":{"message":"Overloaded","type":"server_error","code":503}}\n\n', 503),
        (Dialect.CHAT, b'data: {"error":{"message":"Slow down","type":"rate_limit_error","code":"x"}}\n\n', 429),
        (Dialect.CHAT, b'data: {"error":"Boom"}\n\n', 502),
        (Dialect.MESSAGES, b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n', 529),
        (Dialect.RESPONSES, b'event: error\ndata: {"type":"error","code":"server_error","message":"Boom","param":null,"sequence_number":1}\n\n', 500),
        (Dialect.RESPONSES, b'data: {"type":"response.failed","response":{"error":{"code":"server_error","message":"Boom"}}}\n\n', 500),
    ],
)
def test_errors_inside_a_stream(dialect: Dialect, payload: bytes, status: int) -> None:
    with pytest.raises(UpstreamRefused) as caught:
        read(dialect, STREAMS[dialect][: STREAMS[dialect].index(b"\n\n") + 2], payload)
    assert caught.value.status == status


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "garbage",
    [
        b"data: nonsense\n\n",
        b"data: [1]\n\n",
        b'data: {"choices":7,"type":7}\n\n',
        b"data: \xff\xfe\n\n",
        b"data: {\n\n",
        b"data: " + b"[" * 9999 + b"\n\n",
    ],
)
def test_garbage_is_a_broken_upstream(dialect: Dialect, garbage: bytes) -> None:
    with pytest.raises(UpstreamBroken, match="something that is not"):
        read(dialect, garbage)


@pytest.mark.parametrize(
    ("dialect", "event"),
    [
        (Dialect.MESSAGES, b'data: {"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"x"}}\n\n'),
        (Dialect.RESPONSES, b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"web_search_call","id":"x"}}\n\n'),
    ],
)
def test_tools_of_the_provider_cannot_be_translated(dialect: Dialect, event: bytes) -> None:
    with pytest.raises(UpstreamBroken, match=r"server_tool_use|web_search_call"):
        read(dialect, event)


@settings(max_examples=200, deadline=None)
@given(dialect=st.sampled_from(DIALECTS), data=st.binary(max_size=60))
def test_any_bytes_end_typed(dialect: Dialect, data: bytes) -> None:
    try:
        read(dialect, b"data: " + data + b"\n\n")
    except Upstream as error:
        assert error.status >= 400  # noqa: PT017  # either outcome is right; only an untyped error is not


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": -1, "completion_tokens": 5}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 5}, None),
        ({"prompt_tokens": 7}, Usage(7, 0)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 99}}, Usage(7, 5)),
        ({"prompt_tokens": 7, "completion_tokens": 5, "completion_tokens_details": None}, Usage(7, 5)),
    ],
)
def test_only_counts_that_can_be_true(usage: dict[str, Any], counted: Usage | None) -> None:
    assert read(Dialect.CHAT, b"data: " + dump({"id": "x", "choices": [], "usage": usage}) + b"\n\n")[0].usage == counted


def test_the_last_sane_count_wins() -> None:
    counts = [
        {"prompt_tokens": 1, "completion_tokens": 1},
        {"prompt_tokens": 7, "completion_tokens": 5},
        {"prompt_tokens": -7, "completion_tokens": 5},
    ]
    stream = b"".join(b"data: " + dump({"choices": [], "usage": usage}) + b"\n\n" for usage in counts)
    assert read(Dialect.CHAT, stream)[0].usage == Usage(7, 5)


def test_calls_that_share_an_index_are_told_apart() -> None:
    def call(call_id: str) -> bytes:
        delta = {"tool_calls": [{"index": 0, "id": call_id, "function": {"name": "f", "arguments": "{}"}}]}
        return b"data: " + dump({"choices": [{"index": 0, "delta": delta}]}) + b"\n\n"

    assert read(Dialect.CHAT, call("a"), call("b"))[0].tool_calls == (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))


def test_comments_and_empty_data_are_passed_over() -> None:
    stream = b": ping\n\ndata:\n\n" + CHAT_STREAM
    assert read(Dialect.CHAT, stream) == (ANSWER, True)
    assert read(Dialect.MESSAGES, b'event: ping\ndata: {"type": "ping"}\n\n' + MESSAGES_STREAM) == (ANSWER, True)
    assert read(Dialect.RESPONSES, b'data: {"type":"response.audio.delta","delta":{"x":1}}\n\n' + RESPONSES_STREAM) == (ANSWER, True)
