"""Whole answers: read from every service, given to every client in types that its SDK accepts."""

import json
from typing import Any

import anthropic.types
import openai.types.responses
import pytest
from openai.types.chat import ChatCompletion

from farthing.core.conversation import Answer, Finish, Thinking, ToolCall
from farthing.core.errors import UpstreamBroken, UpstreamRefused
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.dialects import LANGUAGES
from farthing.wire.whole import read_account
from tests.wire.samples import ANSWER, ANSWERS, CHAT_ANSWER, MESSAGES_ANSWER, NOTES, RESPONSES_ANSWER, TEXT, dump

DIALECTS = list(LANGUAGES)
SDK_TYPES: dict[Dialect, Any] = {
    Dialect.CHAT: ChatCompletion,
    Dialect.RESPONSES: openai.types.responses.Response,
    Dialect.MESSAGES: anthropic.types.Message,
}


def known(answer: Answer) -> Answer:
    """Without its id and date; what nobody counted and what was counted as nothing alike."""
    usage = answer.usage
    counted = usage and Usage(usage.input_tokens, usage.output_tokens, usage.cached_tokens or 0, None, usage.reasoning_tokens or 0)
    return Answer(**{name: getattr(answer, name) for name in answer.__struct_fields__} | {"id": "", "created": None, "usage": counted})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_reads_the_golden_answer(dialect: Dialect) -> None:
    answer = LANGUAGES[dialect].parse_answer(dump(ANSWERS[dialect]))
    assert known(answer) == known(ANSWER)
    assert answer.id == "a1"
    assert answer.created == (None if dialect is Dialect.MESSAGES else 1700000000)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_golden_answers_are_what_the_sdk_expects(dialect: Dialect) -> None:
    assert SDK_TYPES[dialect].model_validate(ANSWERS[dialect]).id == "a1"


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", DIALECTS)
def test_every_pair(source: Dialect, target: Dialect) -> None:
    told = LANGUAGES[target].render_answer(LANGUAGES[source].parse_answer(dump(ANSWERS[source])), request_id="req_1", created=5)
    assert known(LANGUAGES[target].parse_answer(told)) == known(ANSWER)
    assert SDK_TYPES[target].model_validate_json(told).id.endswith("req_1")


ODD_ANSWERS = [
    Answer(id="", model="m", text=""),
    Answer(id="", model="m", text="x", finish=Finish.LENGTH),
    Answer(id="", model="m", text="", refusal="No.", finish=Finish.STOP),
    Answer(id="", model="m", text="x", finish=Finish.CONTENT_FILTER, usage=Usage(1, 1, 1, 0, 1)),
    Answer(id="", model="m", text="x", reasoning=(NOTES, Thinking("more"), Thinking("", "d", redacted=True)), finish=Finish.STOP),
    Answer(id="", model="m", text="", tool_calls=(ToolCall("c", "f", ""), ToolCall("d", "f", "[1"))),
]


@pytest.mark.parametrize("answer", ODD_ANSWERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_odd_answers_are_what_the_sdk_expects(dialect: Dialect, answer: Answer) -> None:
    told = LANGUAGES[dialect].render_answer(answer, request_id="req_1", created=5)
    SDK_TYPES[dialect].model_validate_json(told)
    back = LANGUAGES[dialect].parse_answer(told)
    assert back.text in (answer.text, answer.refusal)
    assert len(back.tool_calls) == len(answer.tool_calls)


def test_garbled_arguments_stay_visible_in_anthropics_words() -> None:
    told = json.loads(LANGUAGES[Dialect.MESSAGES].render_answer(ODD_ANSWERS[5], request_id="r", created=0))
    assert [block["input"] for block in told["content"]] == [{}, {"invalid_json": "[1"}]


def test_notes_and_refusals() -> None:
    noted = CHAT_ANSWER["choices"][0]["message"] | {"content": None, "tool_calls": None, "reasoning_content": "hm", "refusal": "No."}
    answer = LANGUAGES[Dialect.CHAT].parse_answer(dump(CHAT_ANSWER | {"choices": [{"message": noted, "finish_reason": "stop"}]}))
    assert (answer.text, answer.reasoning, answer.refusal) == ("", (Thinking("hm"),), "No.")
    told = json.loads(LANGUAGES[Dialect.MESSAGES].render_answer(answer, request_id="r", created=0))
    assert told["stop_reason"] == "refusal"
    assert [block["type"] for block in told["content"]] == ["thinking", "text"]


@pytest.mark.parametrize(
    ("dialect", "fields", "finish"),
    [
        (Dialect.CHAT, {"choices": [{"message": {"content": "x"}, "finish_reason": "eos"}]}, "stop"),
        (Dialect.CHAT, {"choices": [{"message": {"content": "x"}, "finish_reason": "function_call"}]}, "tool_calls"),
        (Dialect.CHAT, {"choices": [{"message": {"content": "x"}, "finish_reason": None}]}, None),
        (Dialect.MESSAGES, {"stop_reason": "stop_sequence"}, "stop"),
        (Dialect.MESSAGES, {"stop_reason": "model_context_window_exceeded"}, "length"),
        (Dialect.MESSAGES, {"stop_reason": "refusal"}, "content_filter"),
        (Dialect.RESPONSES, {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        (Dialect.RESPONSES, {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        (Dialect.RESPONSES, {"output": []}, "stop"),
    ],
)
def test_why_it_ended(dialect: Dialect, fields: dict[str, Any], finish: str | None) -> None:
    body = dump(ANSWERS[dialect] | fields)
    assert LANGUAGES[dialect].parse_answer(body).finish == finish
    assert read_account(dialect, body)[1] == finish


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_account_is_read_without_the_answer(dialect: Dialect) -> None:
    usage, finish, model = read_account(dialect, dump(ANSWERS[dialect]))
    assert usage == ANSWER.usage
    assert (finish, model) == ("tool_calls", "model-1")


def test_an_account_of_tools_of_the_provider_is_no_trouble() -> None:
    body = dump(MESSAGES_ANSWER | {"content": [{"type": "server_tool_use", "id": "x"}, {"type": "text", "text": TEXT}]})
    assert read_account(Dialect.MESSAGES, body)[0] == ANSWER.usage
    with pytest.raises(UpstreamBroken, match="server_tool_use"):
        LANGUAGES[Dialect.MESSAGES].parse_answer(body)


def test_embeddings_account() -> None:
    body = {"object": "list", "model": "e", "data": [{"index": 0, "embedding": [0.1]}], "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    assert read_account(Dialect.EMBEDDINGS, dump(body)) == (Usage(8, 0), None, "e")
    assert read_account(Dialect.EMBEDDINGS, dump(body | {"usage": None}))[0] is None
    assert read_account(Dialect.EMBEDDINGS, dump(body | {"usage": {"prompt_tokens": -1}}))[0] is None


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "body", [b"", b"<html>502</html>", b"[]", b"null", b"{}", b'{"choices":[]}', b'"x"', b"\xff", b"[" * 5000, b'{"output":7,"content":7,"data"']
)
def test_what_is_no_answer(dialect: Dialect, body: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        read_account(dialect, body)
    if dialect in LANGUAGES:
        with pytest.raises(UpstreamBroken):
            LANGUAGES[dialect].parse_answer(body)


@pytest.mark.parametrize(
    ("dialect", "body", "status"),
    [
        (Dialect.CHAT, {"error": {"message": "Overloaded", "type": "server_error", "code": None}}, 500),
        (Dialect.CHAT, {"error": {"message": "x", "code": 429}}, 429),
        (Dialect.CHAT, {"error": "boom"}, 502),
        (Dialect.EMBEDDINGS, {"error": {"message": "x", "type": "insufficient_quota"}}, 429),
        (Dialect.MESSAGES, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        (Dialect.RESPONSES, RESPONSES_ANSWER | {"status": "failed", "error": {"code": "server_error", "message": "x"}}, 500),
        (Dialect.RESPONSES, RESPONSES_ANSWER | {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}}, 429),
    ],
)
def test_an_error_under_status_200(dialect: Dialect, body: dict[str, Any], status: int) -> None:
    readers = [lambda raw: read_account(dialect, raw)] + ([LANGUAGES[dialect].parse_answer] if dialect in LANGUAGES else [])
    for read in readers:
        with pytest.raises(UpstreamRefused) as caught:
            read(dump(body))
        assert caught.value.status == status
        assert caught.value.body == dump(body)
