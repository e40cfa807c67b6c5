"""Requests say the same in every dialect, or are refused by the name of what cannot be said."""

import json
from typing import Any

import pytest

from farthing.core.conversation import (
    Conversation,
    Image,
    Message,
    Reasoning,
    ResponseSchema,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from farthing.core.errors import BadJson, InvalidRequest, TooDeep, UnsupportedFeature
from farthing.core.request import Dialect
from farthing.wire.dialects import LANGUAGES, translate_request
from tests.wire.samples import CHAT_REQUEST, MESSAGES_REQUEST, PNG, REQUESTS, RESPONSES_REQUEST, SCHEMA, WEATHER, dump

USER = {"role": "user", "content": "Hi"}
DIALECTS = list(LANGUAGES)
MINIMAL: dict[Dialect, dict[str, Any]] = {
    Dialect.CHAT: {"model": "m", "messages": [USER]},
    Dialect.RESPONSES: {"model": "m", "input": "Hi"},
    Dialect.MESSAGES: {"model": "m", "max_tokens": 9, "messages": [USER]},
}
ASKED = Conversation(
    messages=(
        Message("user", (Text("Weather?"), Image(base64=PNG, media_type="image/png"))),
        Message("assistant", (ToolCall("call_1", "weather", WEATHER),)),
        Message("user", (ToolResult("call_1", (Text("4 °C"),)),)),
        Message("user", (Text("And now?"),)),
    ),
    system=("Be brief.",),
    tools=(Tool("weather", "Weather now", SCHEMA, strict=True),),
    tool_choice=ToolChoice("auto"),
    parallel_tool_calls=False,
    answer=ResponseSchema(SCHEMA, "answer", None, strict=True),
    sampling=Sampling(temperature=0.5, top_p=0.9),
    max_output_tokens=100,
    user="user-1",
)


def parse(dialect: Dialect, **fields: Any) -> Conversation:
    return LANGUAGES[dialect].parse_request(dump(MINIMAL[dialect] | fields))


def render(dialect: Dialect, conversation: Conversation, *, stream: bool = False) -> dict[str, Any]:
    return json.loads(LANGUAGES[dialect].render_request(conversation, model="other", stream=stream))


def translate(source: Dialect, target: Dialect, *, stream: bool = False, **fields: Any) -> dict[str, Any]:
    return json.loads(translate_request(source, target, dump(MINIMAL[source] | fields), model="other", stream=stream))


def merged(conversation: Conversation) -> Conversation:
    """Turns of one role that follow each other made one, as Anthropic sees them."""
    turns: list[Message] = []
    for turn in conversation.messages:
        if turns and turns[-1].role == turn.role:
            turns[-1] = Message(turn.role, turns[-1].parts + turn.parts)
        else:
            turns.append(turn)
    return Conversation(**{name: getattr(conversation, name) for name in conversation.__struct_fields__} | {"messages": tuple(turns)})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_golden_requests_mean_the_same(dialect: Dialect) -> None:
    assert merged(LANGUAGES[dialect].parse_request(dump(REQUESTS[dialect]))) == merged(ASKED)


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_pair(source: Dialect, target: Dialect, stream: bool) -> None:
    told = translate_request(source, target, dump(REQUESTS[source] | {"stream": stream}), model="other", stream=stream)
    assert merged(LANGUAGES[target].parse_request(told)) == merged(ASKED)
    assert json.loads(told)["model"] == "other"
    assert json.loads(told).get("stream", False) is stream


@pytest.mark.parametrize(
    ("dialect", "golden"), [(Dialect.CHAT, CHAT_REQUEST), (Dialect.RESPONSES, RESPONSES_REQUEST), (Dialect.MESSAGES, MESSAGES_REQUEST)]
)
def test_rendering_gives_the_golden_request(dialect: Dialect, golden: dict[str, Any]) -> None:
    assert render(dialect, LANGUAGES[dialect].parse_request(dump(golden))) == golden | {"model": "other"}


def test_streams_ask_for_usage() -> None:
    told = translate(Dialect.MESSAGES, Dialect.CHAT, stream=True)
    assert (told["stream"], told["stream_options"]) == (True, {"include_usage": True})
    assert "stream_options" not in translate(Dialect.MESSAGES, Dialect.CHAT)


def test_anthropic_needs_a_limit() -> None:
    assert translate(Dialect.CHAT, Dialect.MESSAGES)["max_tokens"] == 4096
    assert translate(Dialect.CHAT, Dialect.MESSAGES, max_tokens=5, max_completion_tokens=7)["max_tokens"] == 7


REFUSED: list[tuple[Dialect, dict[str, Any], str]] = [
    (Dialect.CHAT, {"n": 2}, "n"),
    (Dialect.CHAT, {"logprobs": True}, "logprobs"),
    (Dialect.CHAT, {"top_logprobs": 3}, "top_logprobs"),
    (Dialect.CHAT, {"logit_bias": {"50256": -100}}, "logit_bias"),
    (Dialect.CHAT, {"store": True}, "store"),
    (Dialect.CHAT, {"modalities": ["text", "audio"]}, "modalities"),
    (Dialect.CHAT, {"audio": {"voice": "x"}}, "audio"),
    (Dialect.CHAT, {"prediction": {"type": "content", "content": "x"}}, "prediction"),
    (Dialect.CHAT, {"service_tier": "flex"}, "service_tier"),
    (Dialect.CHAT, {"web_search_options": {}}, "web_search_options"),
    (Dialect.CHAT, {"functions": [{"name": "f"}]}, "functions"),
    (Dialect.CHAT, {"beam_width": 7}, "beam_width"),
    (Dialect.CHAT, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
    (Dialect.CHAT, {"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice.type"),
    (Dialect.CHAT, {"response_format": {"type": "grammar"}}, "response_format.type"),
    (Dialect.CHAT, {"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "messages[0].name"),
    (Dialect.CHAT, {"messages": [USER, {"role": "function", "name": "f", "content": "x"}]}, "messages[1].role"),
    (Dialect.CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "messages[0].content[0].type"),
    (Dialect.RESPONSES, {"previous_response_id": "r"}, "previous_response_id"),
    (Dialect.RESPONSES, {"background": True}, "background"),
    (Dialect.RESPONSES, {"store": True}, "store"),
    (Dialect.RESPONSES, {"truncation": "auto"}, "truncation"),
    (Dialect.RESPONSES, {"include": ["file_search_call.results"]}, "include"),
    (Dialect.RESPONSES, {"reasoning": {"summary": "detailed"}}, "reasoning.summary"),
    (Dialect.RESPONSES, {"tools": [{"type": "web_search"}]}, "tools[0].type"),
    (Dialect.RESPONSES, {"tools": [{"type": "function", "name": "f", "defer_loading": True}]}, "tools[0].defer_loading"),
    (Dialect.RESPONSES, {"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
    (Dialect.RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input[0].content[0].type"),
    (Dialect.RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0].file_id"),
    (Dialect.RESPONSES, {"future": 1}, "future"),
    (Dialect.MESSAGES, {"container": "c"}, "container"),
    (Dialect.MESSAGES, {"speed": "fast"}, "speed"),
    (Dialect.MESSAGES, {"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
    (Dialect.MESSAGES, {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, "context_management"),
    (Dialect.MESSAGES, {"thinking": {"type": "between_tools"}}, "thinking.type"),
    (Dialect.MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
    (Dialect.MESSAGES, {"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}, "tools[0].defer_loading"),
    (Dialect.MESSAGES, {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}, "messages[0].content[0].type"),
    (
        Dialect.MESSAGES,
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
        "messages[0].content[0].source.type",
    ),
    (
        Dialect.MESSAGES,
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "citations": [{}]}]}]},
        "messages[0].content[0].citations",
    ),
    (Dialect.MESSAGES, {"future": 1}, "future"),
]


@pytest.mark.parametrize(("dialect", "fields", "param"), REFUSED)
def test_what_cannot_be_said_elsewhere_is_refused_by_name(dialect: Dialect, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        parse(dialect, **fields)
    assert caught.value.param == param
    assert param in caught.value.message


HARMLESS: list[tuple[Dialect, dict[str, Any]]] = [
    (
        Dialect.CHAT,
        {
            "n": 1,
            "store": False,
            "logprobs": False,
            "logit_bias": {},
            "modalities": ["text"],
            "service_tier": "auto",
            "functions": [],
            "audio": None,
            "prediction": None,
            "frequency_penalty": 0,
            "presence_penalty": 0.0,
            "stop": None,
            "tools": None,
            "stream": True,
            "stream_options": {"include_usage": True},
            "prompt_cache_key": "k",
            "response_format": {"type": "text"},
        },
    ),
    (
        Dialect.RESPONSES,
        {
            "store": False,
            "background": False,
            "include": ["reasoning.encrypted_content"],
            "truncation": "disabled",
            "reasoning": {"effort": None, "summary": "auto"},
            "text": {"format": {"type": "text"}},
            "service_tier": "auto",
            "top_logprobs": 0,
            "prompt_cache_key": "k",
            "tools": [],
            "stream": True,
        },
    ),
    (
        Dialect.MESSAGES,
        {
            "thinking": {"type": "disabled"},
            "service_tier": "standard_only",
            "cache_control": {"type": "ephemeral"},
            "container": None,
            "mcp_servers": [],
            "stop_sequences": [],
            "stream": True,
            "output_config": {},
        },
    ),
]


@pytest.mark.parametrize(("dialect", "fields"), HARMLESS)
def test_values_that_ask_for_nothing_pass(dialect: Dialect, fields: dict[str, Any]) -> None:
    assert parse(dialect, **fields) == parse(dialect)


RENDER_REFUSED: list[tuple[Dialect, dict[str, Any], Dialect, str]] = [
    (Dialect.CHAT, {"seed": 1}, Dialect.MESSAGES, "seed"),
    (Dialect.CHAT, {"frequency_penalty": 0.5}, Dialect.MESSAGES, "frequency_penalty"),
    (Dialect.CHAT, {"temperature": 1.5}, Dialect.MESSAGES, "temperature"),
    (Dialect.CHAT, {"verbosity": "low"}, Dialect.MESSAGES, "verbosity"),
    (Dialect.CHAT, {"reasoning_effort": "minimal"}, Dialect.MESSAGES, "reasoning_effort"),
    (Dialect.CHAT, {"response_format": {"type": "json_object"}}, Dialect.MESSAGES, "response_format"),
    (
        Dialect.CHAT,
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}}]}]},
        Dialect.MESSAGES,
        "messages[0].content.image_url.detail",
    ),
    (Dialect.CHAT, {"stop": "x"}, Dialect.RESPONSES, "stop"),
    (Dialect.CHAT, {"seed": 1}, Dialect.RESPONSES, "seed"),
    (Dialect.MESSAGES, {"top_k": 5}, Dialect.CHAT, "top_k"),
    (Dialect.MESSAGES, {"top_k": 5}, Dialect.RESPONSES, "top_k"),
    (
        Dialect.MESSAGES,
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}],
                }
            ]
        },
        Dialect.CHAT,
        "messages[0].content",
    ),
]


@pytest.mark.parametrize(("source", "fields", "target", "param"), RENDER_REFUSED)
def test_what_the_target_lacks_is_refused_by_name(source: Dialect, fields: dict[str, Any], target: Dialect, param: str) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        translate(source, target, **fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("dialect", "body", "error", "param"),
    [
        (Dialect.CHAT, b"{", BadJson, None),
        (Dialect.CHAT, b"[]", InvalidRequest, None),
        (Dialect.CHAT, b'{"model":"m","messages":[{"role":"user","content":7}]}', InvalidRequest, "messages[0].content"),
        (Dialect.CHAT, b'{"model":"m","messages":[{"role":"tool","content":"x"}]}', InvalidRequest, "messages[0].tool_call_id"),
        (Dialect.CHAT, b'{"model":"m","messages":[],"stream_options":' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}", TooDeep, None),
        (Dialect.RESPONSES, b'{"model":"m","input":[{"type":"function_call","name":"f"}]}', InvalidRequest, "input[0].call_id"),
        (Dialect.RESPONSES, b'{"model":"m","input":[7]}', InvalidRequest, "input[0]"),
        (
            Dialect.RESPONSES,
            b'{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]}',
            InvalidRequest,
            "input[0].content[0].image_url",
        ),
        (Dialect.MESSAGES, b'{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}', InvalidRequest, "messages[0].content[0].text"),
    ],
)
def test_wrong_types_are_invalid(dialect: Dialect, body: bytes, error: type[InvalidRequest], param: str | None) -> None:
    with pytest.raises(error) as caught:
        LANGUAGES[dialect].parse_request(body)
    assert caught.value.param == param
    assert not isinstance(caught.value, UnsupportedFeature)


def test_embeddings_are_not_translated() -> None:
    with pytest.raises(UnsupportedFeature):
        translate_request(Dialect.EMBEDDINGS, Dialect.MESSAGES, b'{"model":"m","input":"x"}', model="m", stream=False)


def test_images_keep_their_address() -> None:
    content = [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    told = translate(Dialect.CHAT, Dialect.MESSAGES, messages=[{"role": "user", "content": content}])
    assert told["messages"][0]["content"] == [{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}]
    with pytest.raises(InvalidRequest, match="base64"):
        parse(Dialect.CHAT, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:oops"}}]}])


def test_tool_choices() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    for chat, messages in (
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ):
        told = translate(Dialect.CHAT, Dialect.MESSAGES, tools=tools, tool_choice=chat)
        assert told["tool_choice"] == messages
        back = translate(Dialect.MESSAGES, Dialect.CHAT, tools=told["tools"], tool_choice=messages)
        assert back["tool_choice"] == chat


def test_parallel_calls_can_be_switched_off_alone() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    told = translate(Dialect.CHAT, Dialect.MESSAGES, tools=tools, parallel_tool_calls=False)
    assert told["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_results_of_parallel_calls_are_one_turn() -> None:
    calls = [{"id": name, "type": "function", "function": {"name": "f", "arguments": ""}} for name in ("a", "b")]
    results = [{"role": "tool", "tool_call_id": name, "content": name} for name in ("a", "b")]
    told = translate(Dialect.CHAT, Dialect.MESSAGES, messages=[USER, {"role": "assistant", "content": "", "tool_calls": calls}, *results, USER])
    assert [turn["role"] for turn in told["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in told["messages"][1]["content"]] == ["tool_use", "tool_use"]
    assert [block["type"] for block in told["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]


def test_arguments_that_are_no_object_cannot_go_to_anthropic() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[1"}}
    with pytest.raises(InvalidRequest, match="not a JSON object"):
        translate(Dialect.CHAT, Dialect.MESSAGES, messages=[USER, {"role": "assistant", "tool_calls": [call]}])


def test_failed_results_say_so() -> None:
    failed = {"type": "tool_result", "tool_use_id": "t", "content": "no such city", "is_error": True}
    fields: dict[str, Any] = {"messages": [{"role": "user", "content": [failed]}]}
    assert translate(Dialect.MESSAGES, Dialect.CHAT, **fields)["messages"][0]["content"] == "Error: no such city"
    assert translate(Dialect.MESSAGES, Dialect.RESPONSES, **fields)["input"][0]["output"] == "Error: no such city"
    assert render(Dialect.MESSAGES, parse(Dialect.MESSAGES, **fields))["messages"][0]["content"] == [failed]


def test_a_picture_as_a_result_reaches_responses() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "See"}, image]}
    told = translate(Dialect.MESSAGES, Dialect.RESPONSES, messages=[{"role": "user", "content": [result]}])
    assert told["input"][0]["output"] == [
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "auto"},
    ]


def test_notes_stay_with_the_model_that_wrote_them() -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}, {"type": "text", "text": "Hi"}]
    fields: dict[str, Any] = {"messages": [USER, {"role": "assistant", "content": blocks}]}
    assert parse(Dialect.MESSAGES, **fields).messages[1].parts == (Thinking("hm", "s"), Thinking("", "d", redacted=True), Text("Hi"))
    assert translate(Dialect.MESSAGES, Dialect.CHAT, **fields)["messages"][1] == {"role": "assistant", "content": "Hi"}
    assert render(Dialect.MESSAGES, parse(Dialect.MESSAGES, **fields))["messages"][1]["content"] == blocks
    unsigned = translate(Dialect.CHAT, Dialect.MESSAGES, messages=[USER, {"role": "assistant", "content": "Hi", "reasoning_content": "hm"}])
    assert unsigned["messages"][1]["content"] == "Hi"


@pytest.mark.parametrize(
    ("asked", "chat", "messages"),
    [
        (Reasoning(effort="high"), {"reasoning_effort": "high"}, {"output_config": {"effort": "high"}}),
        (Reasoning(effort="none"), {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (Reasoning(budget_tokens=2000), {"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (Reasoning(budget_tokens=8000), {"reasoning_effort": "medium"}, {"thinking": {"type": "enabled", "budget_tokens": 8000}}),
        (Reasoning(budget_tokens=32000), {"reasoning_effort": "high"}, {"thinking": {"type": "enabled", "budget_tokens": 32000}}),
    ],
)
def test_how_hard_to_think(asked: Reasoning, chat: dict[str, Any], messages: dict[str, Any]) -> None:
    conversation = Conversation(messages=(Message("user", (Text("Hi"),)),), reasoning=asked)
    assert render(Dialect.CHAT, conversation).items() >= chat.items()
    assert render(Dialect.MESSAGES, conversation).items() >= messages.items()
    assert render(Dialect.RESPONSES, conversation)["reasoning"] == {"effort": chat["reasoning_effort"]}


def test_thinking_on_the_wire() -> None:
    assert parse(Dialect.MESSAGES, thinking={"type": "enabled", "budget_tokens": 2048}).reasoning == Reasoning(budget_tokens=2048)
    assert parse(Dialect.MESSAGES, thinking={"type": "adaptive"}).reasoning is None
    assert parse(Dialect.MESSAGES, output_config={"effort": "low"}).reasoning == Reasoning("low")
    assert parse(Dialect.RESPONSES, reasoning={"effort": "low"}).reasoning == Reasoning("low")


def test_system_texts_lead_or_stay_in_place() -> None:
    later = [
        {"role": "developer", "content": "A"},
        {"role": "system", "content": [{"type": "text", "text": "B"}]},
        USER,
        {"role": "system", "content": "C"},
    ]
    asked = parse(Dialect.CHAT, messages=later)
    assert asked.system == ("A", "B")
    assert asked.messages[1] == Message("system", (Text("C"),))
    assert render(Dialect.MESSAGES, asked)["system"] == [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    assert render(Dialect.MESSAGES, asked)["messages"][1] == {"role": "system", "content": "C"}
    assert render(Dialect.RESPONSES, asked)["instructions"] == "A\n\nB"
    assert render(Dialect.CHAT, asked)["messages"][3] == {"role": "system", "content": "C"}


def test_labels_go_where_there_is_a_place() -> None:
    fields = {"metadata": {"team": "a"}, "user": "u", "safety_identifier": "s"}
    assert translate(Dialect.CHAT, Dialect.RESPONSES, **fields)["metadata"] == {"team": "a"}
    assert translate(Dialect.CHAT, Dialect.MESSAGES, **fields)["metadata"] == {"user_id": "s"}


def test_json_mode_and_stops() -> None:
    assert translate(Dialect.CHAT, Dialect.RESPONSES, response_format={"type": "json_object"})["text"] == {"format": {"type": "json_object"}}
    assert translate(Dialect.RESPONSES, Dialect.CHAT, text={"format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    assert translate(Dialect.CHAT, Dialect.MESSAGES, stop=["a", "b"])["stop_sequences"] == ["a", "b"]
    assert translate(Dialect.MESSAGES, Dialect.CHAT, stop_sequences=["a"])["stop"] == ["a"]


def test_responses_items_of_one_turn_are_joined() -> None:
    items = [
        {"role": "developer", "content": "Be brief"},
        {"role": "user", "content": "Q"},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
        {
            "type": "message",
            "role": "assistant",
            "id": "m",
            "status": "completed",
            "content": [{"type": "output_text", "text": "A", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc", "status": "completed"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "R"}]},
    ]
    asked = parse(Dialect.RESPONSES, input=items, instructions="First")
    assert asked.system == ("First", "Be brief")
    assert asked.messages == (
        Message("user", (Text("Q"),)),
        Message("assistant", (Thinking("hm", "e"), Text("A"), ToolCall("c", "f", "{}"))),
        Message("user", (ToolResult("c", (Text("R"),)),)),
    )
