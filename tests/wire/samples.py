"""Bodies and streams as the services send them, written from the SDKs' type definitions."""

import json
from typing import Any

from farthing.core.conversation import Answer, Finish, Thinking, ToolCall
from farthing.core.request import Dialect
from farthing.core.usage import Usage

PNG = "iVBORw0KGgo="
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
WEATHER = '{"city":"Oslo"}'

CHAT_REQUEST: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Weather?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": WEATHER}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "4 °C"},
        {"role": "user", "content": "And now?"},
    ],
    "max_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.9,
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Weather now", "parameters": SCHEMA, "strict": True}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
    "user": "user-1",
}

RESPONSES_REQUEST: dict[str, Any] = {
    "model": "gpt-4o",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Weather?"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
            ],
        },
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": WEATHER},
        {"type": "function_call_output", "call_id": "call_1", "output": "4 °C"},
        {"role": "user", "content": "And now?"},
    ],
    "max_output_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.9,
    "tools": [{"type": "function", "name": "weather", "description": "Weather now", "parameters": SCHEMA, "strict": True}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}},
    "user": "user-1",
    "store": False,
}

MESSAGES_REQUEST: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "system": "Be brief.",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "4 °C"}, {"type": "text", "text": "And now?"}]},
    ],
    "temperature": 0.5,
    "top_p": 0.9,
    "tools": [{"name": "weather", "description": "Weather now", "input_schema": SCHEMA, "strict": True}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "user-1"},
}

REQUESTS = {Dialect.CHAT: CHAT_REQUEST, Dialect.RESPONSES: RESPONSES_REQUEST, Dialect.MESSAGES: MESSAGES_REQUEST}

TEXT = 'Grüße \U0001f600 "quoted"\n[DONE] data: x'
# What the golden answers and streams below say.
ANSWER = Answer(
    id="a1",
    model="model-1",
    text=TEXT,
    tool_calls=(ToolCall("call_1", "weather", WEATHER), ToolCall("call_2", "now", "{}")),
    finish=Finish.TOOL_CALLS,
    usage=Usage(input_tokens=20, output_tokens=9, cached_tokens=5, cache_write_tokens=0, reasoning_tokens=2),
)
NOTES = Thinking("Let me see.", "c2ln")

CHAT_ANSWER: dict[str, Any] = {
    "id": "a1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "model-1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": TEXT,
                "refusal": None,
                "annotations": [],
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": WEATHER}},
                    {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2, "accepted_prediction_tokens": 0},
    },
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}

RESPONSES_OUTPUT: list[dict[str, Any]] = [
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}],
    },
    {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "weather", "arguments": WEATHER},
    {"id": "fc_2", "type": "function_call", "status": "completed", "call_id": "call_2", "name": "now", "arguments": "{}"},
]
RESPONSES_ANSWER: dict[str, Any] = {
    "id": "a1",
    "object": "response",
    "created_at": 1700000000,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "model": "model-1",
    "output": RESPONSES_OUTPUT,
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "metadata": {},
    "usage": {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 29,
    },
}

MESSAGES_ANSWER: dict[str, Any] = {
    "id": "a1",
    "type": "message",
    "role": "assistant",
    "model": "model-1",
    "content": [
        {"type": "text", "text": TEXT},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": "call_2", "name": "now", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 15,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 0,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 2},
        "service_tier": "standard",
    },
}

ANSWERS = {Dialect.CHAT: CHAT_ANSWER, Dialect.RESPONSES: RESPONSES_ANSWER, Dialect.MESSAGES: MESSAGES_ANSWER}


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _chat_chunk(choices: list[dict[str, Any]], **fields: Any) -> bytes:
    head = {"id": "a1", "object": "chat.completion.chunk", "created": 1700000000, "model": "model-1", "choices": choices}
    return b"data: " + dump(head | {"usage": None} | fields) + b"\n\n"


def _chat_delta(finish: str | None = None, **delta: Any) -> bytes:
    return _chat_chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


def _chat_call(index: int, **call: Any) -> bytes:
    return _chat_delta(tool_calls=[{"index": index, **call}])


CHAT_FINISH = _chat_delta("tool_calls")
CHAT_USAGE = _chat_chunk([], usage=CHAT_ANSWER["usage"])
CHAT_DONE = b"data: [DONE]\n\n"
CHAT_DELTAS = [
    _chat_delta(role="assistant", content="", refusal=None),
    _chat_delta(content=TEXT[:9]),
    _chat_delta(content=TEXT[9:]),
    _chat_call(0, id="call_1", type="function", function={"name": "weather", "arguments": ""}),
    _chat_call(0, function={"arguments": WEATHER[:5]}),
    _chat_call(0, function={"arguments": WEATHER[5:]}),
    _chat_call(1, id="call_2", type="function", function={"name": "now", "arguments": "{}"}),
]
CHAT_STREAM = b"".join((*CHAT_DELTAS, CHAT_FINISH, CHAT_USAGE, CHAT_DONE))


def _named(name: str, /, **fields: Any) -> bytes:
    return f"event: {name}\ndata: ".encode() + dump({"type": name} | fields) + b"\n\n"


def _block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    filled = b"".join(_named("content_block_delta", index=index, delta=delta) for delta in deltas)
    return _named("content_block_start", index=index, content_block=block) + filled + _named("content_block_stop", index=index)


MESSAGES_DELTA = _named(
    "message_delta",
    delta={"stop_reason": "tool_use", "stop_sequence": None},
    usage={"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 2}},
)
MESSAGES_STOP = _named("message_stop")
MESSAGES_HEAD = b"".join(
    (
        _named(
            "message_start",
            message=MESSAGES_ANSWER
            | {
                "content": [],
                "stop_reason": None,
                "usage": {"input_tokens": 15, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0, "output_tokens": 1},
            },
        ),
        _named("ping"),
        _block(
            0,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": TEXT[:9]},
            {"type": "text_delta", "text": TEXT[9:]},
        ),
        _block(
            1,
            {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": WEATHER[:5]},
            {"type": "input_json_delta", "partial_json": WEATHER[5:]},
        ),
        _block(2, {"type": "tool_use", "id": "call_2", "name": "now", "input": {}}, {"type": "input_json_delta", "partial_json": ""}),
    )
)
MESSAGES_STREAM = MESSAGES_HEAD + MESSAGES_DELTA + MESSAGES_STOP


def _responses_stream() -> tuple[bytes, bytes]:
    begun = RESPONSES_ANSWER | {"status": "in_progress", "output": [], "usage": None}
    message, first, second = RESPONSES_OUTPUT
    part = message["content"][0]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": message | {"status": "in_progress", "content": []}}),
        ("response.content_part.added", place | {"part": part | {"text": ""}}),
        ("response.output_text.delta", place | {"delta": TEXT[:9], "logprobs": []}),
        ("response.output_text.delta", place | {"delta": TEXT[9:], "logprobs": []}),
        ("response.output_text.done", place | {"text": TEXT, "logprobs": []}),
        ("response.content_part.done", place | {"part": part}),
        ("response.output_item.done", {"output_index": 0, "item": message}),
    ]
    for at, call in ((1, first), (2, second)):
        where = {"item_id": call["id"], "output_index": at}
        events += [
            ("response.output_item.added", {"output_index": at, "item": call | {"status": "in_progress", "arguments": ""}}),
            ("response.function_call_arguments.delta", where | {"delta": call["arguments"]}),
            ("response.function_call_arguments.done", where | {"arguments": call["arguments"], "name": call["name"]}),
            ("response.output_item.done", {"output_index": at, "item": call}),
        ]
    head = b"".join(_named(name, sequence_number=number, **fields) for number, (name, fields) in enumerate(events))
    return head, _named("response.completed", sequence_number=len(events), response=RESPONSES_ANSWER)


RESPONSES_HEAD, RESPONSES_END = _responses_stream()
RESPONSES_STREAM = RESPONSES_HEAD + RESPONSES_END

STREAMS = {Dialect.CHAT: CHAT_STREAM, Dialect.RESPONSES: RESPONSES_STREAM, Dialect.MESSAGES: MESSAGES_STREAM}
