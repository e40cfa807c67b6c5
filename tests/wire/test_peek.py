"""Real bodies of real clients pass; every other body gets a typed 400 that names the field."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.core.errors import BadJson, FarthingError, InvalidRequest, TooDeep
from farthing.core.request import Dialect, Peek, Turn
from farthing.wire.peek import peek

BENCH_BODY = Path(__file__).parents[3] / "shared" / "bench" / "body.json"
USER = {"role": "user", "content": "Hi"}


def look(dialect: Dialect, body: Any, *, json_depth: int = 64, max_messages: int = 2048) -> Peek:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return peek(dialect, raw, json_depth=json_depth, max_messages=max_messages)


def verdict(dialect: Dialect, body: bytes) -> str:
    """The model of a body that passes, else what the error says of where."""
    try:
        return look(dialect, body).model
    except InvalidRequest as error:
        return error.param or error.message


def chat(**fields: Any) -> Peek:
    return look(Dialect.CHAT, {"model": "m", "messages": [USER]} | fields)


def responses(**fields: Any) -> Peek:
    return look(Dialect.RESPONSES, {"model": "m", "input": "Hi"} | fields)


def messages(**fields: Any) -> Peek:
    return look(Dialect.MESSAGES, {"model": "m", "max_tokens": 5, "messages": [USER]} | fields)


def test_chat_fields() -> None:
    seen = chat(
        stream=True, temperature=0.5, top_p=0.9, n=2, seed=7, max_tokens=10, max_completion_tokens=20, logprobs=True, user="u", prompt_cache_key="s"
    )
    assert seen == Peek(
        model="m",
        turns=(Turn("user", "Hi"),),
        stream=True,
        wants_usage=False,
        temperature=0.5,
        top_p=0.9,
        n=2,
        seed=7,
        max_output_tokens=20,
        wants_logprobs=True,
        end_user="u",
        session="s",
        text_bytes=2,
    )


def test_nulls_are_not_said() -> None:
    assert chat(temperature=None, n=None, stream=None, tools=None, response_format=None, user=None) == chat()


@pytest.mark.parametrize(
    ("options", "wants"),
    [
        ({}, True),
        ({"stream": True}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
        ({"stream": True, "stream_options": None}, False),
    ],
)
def test_who_wants_usage(options: dict[str, Any], wants: bool) -> None:
    assert chat(**options).wants_usage is wants


def test_chat_turns_of_every_shape() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    seen = chat(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief"}]},
            {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "user", "content": [{"type": "hologram_2027", "beam": [1]}, {"type": "text", "text": "naïve"}]},
        ]
    )
    assert seen.turns == (Turn("developer", "Be\nbrief"), Turn("user", "See"), Turn("assistant", ""), Turn("tool", "42"), Turn("user", "naïve"))
    assert (seen.has_tools, seen.has_media) == (True, True)
    assert seen.text_bytes == 8 + 3 + 2 + 6 + len(json.dumps([call]))
    assert seen.system_text == "Be\nbrief"
    assert seen.last_user_text == "naïve"


@pytest.mark.parametrize("field", ["tools", "functions"])
def test_tools_are_seen_and_counted(field: str) -> None:
    tools = [{"name": "f"}]
    assert chat(**{field: tools}).has_tools
    assert chat(**{field: tools}).text_bytes == 2 + len(json.dumps(tools))
    assert not chat(**{field: []}).has_tools


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def test_answer_schemas() -> None:
    assert chat(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}).answer_schema == SCHEMA
    assert responses(text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}).answer_schema == SCHEMA
    assert messages(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}).answer_schema == SCHEMA
    assert chat(response_format={"type": "json_object"}).wants_json
    assert responses(text={"format": {"type": "json_object"}, "verbosity": "low"}).wants_json
    assert not chat(response_format={"type": "text"}).wants_json


def test_responses_items() -> None:
    seen = responses(
        instructions="Be brief",
        input=[
            {"role": "user", "content": "One"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Two", "annotations": []}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "content": None},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Three"}, {"type": "input_image", "image_url": "data:x"}]},
        ],
    )
    assert [(turn.role, turn.text) for turn in seen.turns] == [("system", "Be brief"), ("user", "One"), ("assistant", "Two"), ("user", "Three")]
    assert seen.has_tools
    assert seen.has_media
    assert not seen.stored_upstream


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"prompt": {"id": "p"}},
        {"input": [{"type": "item_reference", "id": "x"}]},
    ],
)
def test_state_at_the_provider(fields: dict[str, Any]) -> None:
    assert responses(**fields).stored_upstream


def test_anthropic_blocks() -> None:
    seen = messages(
        system=[{"type": "text", "text": "Be brief", "cache_control": {"type": "ephemeral"}}],
        metadata={"user_id": "user_1_session_2"},
        messages=[
            {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "42"}]}]},
            {
                "role": "user",
                "content": [{"type": "web_search_tool_result", "tool_use_id": "t", "content": {"type": "web_search_tool_result_error"}}],
            },
        ],
    )
    assert [turn.text for turn in seen.turns] == ["Be brief", "", "hm", "42", ""]
    assert (seen.has_tools, seen.has_media, seen.end_user, seen.session) == (True, True, "user_1_session_2", "user_1_session_2")
    assert seen.max_output_tokens == 5


@pytest.mark.parametrize(("given_input", "size"), [("Hello", 5), (["Hello", "you"], 8), ([1, 2, 3], 12), ([[1, 2], [3]], 12)])
def test_embeddings(given_input: Any, size: int) -> None:
    seen = look(Dialect.EMBEDDINGS, {"model": "e", "input": given_input, "user": "u"})
    assert (seen.model, seen.text_bytes, seen.end_user) == ("e", size, "u")


@pytest.mark.parametrize(
    ("dialect", "body", "param"),
    [
        (Dialect.CHAT, {"messages": [USER]}, "model"),
        (Dialect.CHAT, {"model": "", "messages": [USER]}, "model"),
        (Dialect.CHAT, {"model": 4, "messages": [USER]}, "model"),
        (Dialect.CHAT, {"model": "m"}, "messages"),
        (Dialect.CHAT, {"model": "m", "messages": []}, "messages"),
        (Dialect.CHAT, {"model": "m", "messages": "Hi"}, "messages"),
        (Dialect.CHAT, {"model": "m", "messages": [USER] * 4}, "messages"),
        (Dialect.CHAT, {"model": "m", "messages": [USER, {"content": "x"}]}, "messages[1].role"),
        (Dialect.CHAT, {"model": "m", "messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        (Dialect.CHAT, {"model": "m", "messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        (Dialect.CHAT, {"model": "m", "messages": [USER], "temperature": "hot"}, "temperature"),
        (Dialect.CHAT, {"model": "m", "messages": [USER], "n": 1.5}, "n"),
        (
            Dialect.CHAT,
            {"model": "m", "messages": [USER], "response_format": {"type": "json_schema", "json_schema": {"schema": 1}}},
            "response_format.json_schema.schema",
        ),
        (Dialect.RESPONSES, {"model": "m"}, "input"),
        (Dialect.RESPONSES, {"model": "m", "input": ""}, "input"),
        (Dialect.RESPONSES, {"model": "m", "input": []}, "input"),
        (Dialect.MESSAGES, {"model": "m", "messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        (Dialect.MESSAGES, {"model": "m", "messages": [USER], "metadata": {"user_id": 1}}, "metadata.user_id"),
        (Dialect.EMBEDDINGS, {"model": "m", "input": []}, "input"),
        (Dialect.EMBEDDINGS, {"model": "m", "input": [[]]}, None),
        (Dialect.EMBEDDINGS, {"model": "m", "input": ["a"] * 4}, "input"),
        (Dialect.CHAT, [], None),
        (Dialect.CHAT, "x", None),
    ],
)
def test_wrong_bodies_name_the_field(dialect: Dialect, body: Any, param: str | None) -> None:
    if param is None and isinstance(body, dict):
        assert look(dialect, body, max_messages=3).text_bytes == 0
        return
    with pytest.raises(InvalidRequest) as caught:
        look(dialect, body, max_messages=3)
    assert caught.value.param == param
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "byte 0"),
        (b'{"model":', "byte 9"),
        (b'{"model": oops}', "byte 10"),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', "surrogate"),
        (b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}', "utf-8"),
        (b'{"model":"m","temperature":NaN}', "byte 27"),
        (b'\xef\xbb\xbf{"model":"m"}', "byte 0"),
    ],
)
def test_broken_json_says_where(body: bytes, says: str) -> None:
    with pytest.raises(BadJson, match=says):
        look(Dialect.CHAT, body)


@pytest.mark.parametrize("number", [b"1e400", b"9" * 5000, b"-1e999", b"1e-9999"])
@pytest.mark.parametrize("field", [b"temperature", b"max_tokens", b"seed", b"unknown"])
def test_huge_numbers_are_typed_or_taken(field: bytes, number: bytes) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"' + field + b'":' + number + b"}"
    assert verdict(Dialect.CHAT, body) in ("m", field.decode())


def test_last_of_doubled_keys_counts() -> None:
    assert look(Dialect.CHAT, b'{"model":"a","messages":[{"role":"user","content":"x"}],"model":"b"}').model == "b"


@pytest.mark.parametrize("levels", [65, 400, 5_000, 200_000])
@pytest.mark.parametrize("opens", [b"[", b'{"a":'])
def test_too_deep(levels: int, opens: bytes) -> None:
    closes = b"]" if opens == b"[" else b"}"
    for body in (opens * levels + b"1" + closes * levels, b'{"model":"m","x":' + opens * levels):
        with pytest.raises(InvalidRequest) as caught:
            look(Dialect.CHAT, body)
        assert isinstance(caught.value, TooDeep) or levels > 100_000


def test_depth_is_exact_and_blind_to_strings() -> None:
    inner = "[" * 61 + "]" * 61
    body = '{"model":"m","messages":[{"role":"user","content":"' + '[{\\"\\\\' * 50 + '"}],"x":' + inner + "}"
    assert look(Dialect.CHAT, body.encode(), json_depth=62).model == "m"
    with pytest.raises(TooDeep, match="61 levels"):
        look(Dialect.CHAT, body.encode(), json_depth=61)


def test_bombs_of_empty_objects_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="200,000"):
        look(Dialect.CHAT, b'{"model":"m","messages":[' + b"{}," * 200_001 + b"{}]}")


@settings(max_examples=200, deadline=None)
@given(dialect=st.sampled_from(list(Dialect)), body=st.binary(max_size=200))
def test_any_bytes_end_typed(dialect: Dialect, body: bytes) -> None:
    with pytest.raises(FarthingError):
        look(dialect, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "format", "schema", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["messages", "input", "stream", "tools", "metadata", "system", "text", "response_format", "n", "user", "max_tokens", "stream_options"]
)


@settings(max_examples=200, deadline=None)
@given(dialect=st.sampled_from(list(Dialect)), fields=st.dictionaries(FIELDS, JSON))
def test_any_json_ends_typed(dialect: Dialect, fields: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [USER], "input": "x"} | fields
    assert verdict(dialect, json.dumps(body).encode())


def test_the_bench_body_is_read_whole() -> None:
    if not BENCH_BODY.exists():
        pytest.skip("../shared/bench/body.json is not here")
    seen = look(Dialect.CHAT, BENCH_BODY.read_bytes())
    assert (seen.model, len(seen.turns), seen.max_output_tokens, seen.end_user) == ("gpt-4o-mini", 4, 256, "user-8842")
    assert seen.text_bytes == sum(len(turn.text.encode()) for turn in seen.turns)
