"""The OpenAI dialect of the fake service: chat completions, responses and embeddings, as the real API shapes them."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

from tests.fakes.script import Ask, Plan, Tool

FOREIGN_FIELDS = ("system", "stop_sequences", "top_k", "thinking", "anthropic_version")
ERROR_TYPES = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "service_unavailable"),
}


def error(status: int, message: str, param: str | None = None) -> bytes:
    kind, code = ERROR_TYPES.get(status, ("server_error", None))
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}, indent=2).encode() + b"\n"


def complaint(body: dict[str, Any], messages_key: str) -> bytes | None:
    """What the real API refuses."""
    for name in FOREIGN_FIELDS:
        if name in body:
            return error(400, f"Unrecognized request argument supplied: {name}", name)
    if messages_key not in body:
        return error(400, f"Missing required parameter: '{messages_key}'.", messages_key)
    return None


def _texts(content: Any) -> tuple[str, int]:
    """Text and number of images of one message's content."""
    if content is None:
        return "", 0
    if isinstance(content, str):
        return content, 0
    text = " ".join(part.get("text", "") for part in content if part["type"] in ("text", "input_text", "output_text"))
    return text, sum(part["type"] in ("image_url", "input_image") for part in content)


def _schema(wanted: dict[str, Any] | None) -> dict[str, Any] | None:
    if not wanted or wanted["type"] == "text":
        return None
    if wanted["type"] == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return wanted["json_schema"]["schema"] if "json_schema" in wanted else wanted["schema"]


def _forced(choice: Any, tools: tuple[Tool, ...]) -> str | None:
    if isinstance(choice, dict):
        return choice["function"]["name"] if "function" in choice else choice.get("name")
    return tools[0].name if choice == "required" and tools else None


def read_chat(body: dict[str, Any]) -> Ask:
    last, images, results, everything = "", 0, [], []
    for message in body["messages"]:
        text, count = _texts(message.get("content"))
        everything.append(text)
        if message["role"] == "user":
            last, images, results = text, count, []
        elif message["role"] == "tool":
            results.append(text)
    tools = tuple(Tool(tool["function"]["name"], tool["function"].get("parameters", {})) for tool in body.get("tools") or ())
    return Ask(
        model=body["model"],
        text=last,
        all_text=" ".join(everything),
        tools=tools,
        forced_tool=_forced(body.get("tool_choice"), tools),
        schema=_schema(body.get("response_format")),
        images=images,
        tool_results=tuple(results),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
    )


def read_responses(body: dict[str, Any]) -> Ask:
    last, images, results, everything = "", 0, [], [body.get("instructions") or ""]
    items = [{"role": "user", "content": body["input"]}] if isinstance(body["input"], str) else body["input"]
    for item in items:
        if item.get("type") == "function_call_output":
            results.append(item["output"])
            continue
        text, count = _texts(item.get("content"))
        everything.append(text)
        if item.get("role") == "user":
            last, images, results = text, count, []
    tools = tuple(Tool(tool["name"], tool.get("parameters") or {}) for tool in body.get("tools") or () if tool["type"] == "function")
    return Ask(
        model=body["model"],
        text=last,
        all_text=" ".join(everything),
        tools=tools,
        forced_tool=_forced(body.get("tool_choice"), tools),
        schema=_schema((body.get("text") or {}).get("format")),
        images=images,
        tool_results=tuple(results),
        max_tokens=body.get("max_output_tokens"),
    )


def chat_usage(plan: Plan) -> dict[str, Any]:
    return {
        "prompt_tokens": plan.input_tokens,
        "completion_tokens": plan.output_tokens,
        "total_tokens": plan.input_tokens + plan.output_tokens,
        "prompt_tokens_details": {"cached_tokens": plan.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": plan.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _logprobs(pieces: tuple[str, ...], wanted: bool) -> dict[str, Any] | None:
    if not wanted:
        return None
    content = [{"token": piece, "logprob": -0.25, "bytes": list(piece.encode()), "top_logprobs": []} for piece in pieces]
    return {"content": content, "refusal": None}


def _call(plan: Plan, number: int) -> dict[str, Any]:
    assert plan.tool is not None
    return {"id": f"call_{number:08d}", "type": "function", "function": {"name": plan.tool.name, "arguments": plan.arguments}}


def _chat_finish(plan: Plan) -> str:
    return {"stop": "stop", "length": "length", "tool": "tool_calls"}[plan.finish]


def whole_chat(ask: Ask, plan: Plan, body: dict[str, Any], number: int) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": plan.text or None, "refusal": None, "annotations": []}
    if plan.tool:
        message["tool_calls"] = [_call(plan, number)]
    choice = {"index": 0, "message": message, "logprobs": _logprobs(plan.pieces, body.get("logprobs", False)), "finish_reason": _chat_finish(plan)}
    answer = {
        "id": f"chatcmpl-fake{number:08d}",
        "object": "chat.completion",
        "created": 1741569952,
        "model": f"{ask.model}-2024-07-18",
        "choices": [choice],
        "usage": chat_usage(plan),
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }
    return json.dumps(answer, indent=2).encode()


def chat_events(ask: Ask, plan: Plan, body: dict[str, Any], number: int) -> Iterator[bytes]:
    """The stream, event by event, as OpenAI cuts it."""
    include = bool((body.get("stream_options") or {}).get("include_usage"))
    base: dict[str, Any] = {"id": f"chatcmpl-fake{number:08d}", "object": "chat.completion.chunk", "created": 1741569952}
    base |= {"model": f"{ask.model}-2024-07-18", "service_tier": "default", "system_fingerprint": "fp_44709d6fcb"}

    def event(delta: dict[str, Any], finish: str | None = None, pieces: tuple[str, ...] = ()) -> bytes:
        logprobs = _logprobs(pieces, bool(pieces) and body.get("logprobs", False))
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return _data(base | {"choices": [choice]} | ({"usage": None} if include else {}))

    if plan.tool:
        call = _call(plan, number)
        opening = {"index": 0, **call, "function": {"name": plan.tool.name, "arguments": ""}}
        yield event({"role": "assistant", "content": None, "tool_calls": [opening], "refusal": None})
        for start in range(0, len(plan.arguments), 5):
            yield event({"tool_calls": [{"index": 0, "function": {"arguments": plan.arguments[start : start + 5]}}]})
    else:
        yield event({"role": "assistant", "content": "", "refusal": None})
        for piece in plan.pieces:
            yield event({"content": piece}, pieces=(piece,))
    yield event({}, _chat_finish(plan))
    if include:
        yield _data(base | {"choices": [], "usage": chat_usage(plan)})
    yield b"data: [DONE]\n\n"


def embeddings(body: dict[str, Any]) -> bytes:
    wanted = body["input"]
    inputs = [wanted] if isinstance(wanted, str) else wanted
    rows = []
    for index, text in enumerate(inputs):
        vector = [float(len(str(text))), float(index), 0.5]
        packed: Any = vector if body.get("encoding_format") != "base64" else base64.b64encode(struct.pack("<3f", *vector)).decode()
        rows.append({"object": "embedding", "index": index, "embedding": packed})
    tokens = sum(len(str(text).split()) for text in inputs)
    return json.dumps({"object": "list", "data": rows, "model": body["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}).encode()


def _data(fields: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(fields, separators=(",", ":")).encode() + b"\n\n"
