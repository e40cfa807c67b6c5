"""The Anthropic messages dialect of the fake service, as strict about its input as the real API."""

import json
from collections.abc import Iterator
from typing import Any

from tests.fakes.script import Ask, Plan, Tool

KNOWN_FIELDS = {
    *("model", "messages", "max_tokens", "system", "metadata", "stop_sequences", "stream", "temperature", "top_k", "top_p", "tools", "tool_choice"),
    *("thinking", "container", "mcp_servers", "service_tier", "context_management", "output_config", "output_format", "cache_control"),
}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error(status: int, message: str) -> bytes:
    body = {"type": "error", "error": {"type": ERROR_TYPES.get(status, "api_error"), "message": message}, "request_id": "req_fake0000000000000001"}
    return json.dumps(body).encode()


def complaint(body: dict[str, Any]) -> bytes | None:
    """What the real API refuses. Fields named `future_*` stand for those it will learn."""
    for name in body:
        if name not in KNOWN_FIELDS and not name.startswith("future_"):
            return error(400, f"{name}: Extra inputs are not permitted")
    if not isinstance(body.get("max_tokens"), int):
        return error(400, "max_tokens: Field required")
    if not body.get("messages"):
        return error(400, "messages: at least one message is required")
    if body.get("temperature", 0) > 1:
        return error(400, "temperature: range: 0..1")
    return _message_complaint(body["messages"])


def _message_complaint(messages: list[dict[str, Any]]) -> bytes | None:
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            return error(400, f"messages.{index}.role: Input should be 'user' or 'assistant'")
        blocks = [{"type": "text", "text": message["content"]}] if isinstance(message["content"], str) else message["content"]
        if any(block["type"] == "text" and not block["text"] for block in blocks):
            return error(400, "messages: text content blocks must be non-empty")
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if answered - open_calls:
            return error(400, f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {sorted(answered)}")
        if open_calls - answered:
            return error(400, f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {sorted(open_calls)}")
        open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
    return None


def _texts(content: Any) -> tuple[str, int, list[str]]:
    """Text, number of images and tool results of one content."""
    if isinstance(content, str):
        return content, 0, []
    texts, images, results = [], 0, []
    for block in content:
        if block["type"] == "text":
            texts.append(block["text"])
        elif block["type"] == "image":
            images += 1
        elif block["type"] == "tool_result":
            results.append(_texts(block.get("content") or "")[0])
    return " ".join(texts), images, results


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format")
    return wanted["schema"] if wanted else None


def read_messages(body: dict[str, Any]) -> Ask:
    last, images, results, everything = "", 0, [], [_texts(body.get("system") or "")[0]]
    for message in body["messages"]:
        text, count, found = _texts(message["content"])
        everything.append(text)
        if message["role"] == "user":
            results = found
            if text or not found:
                last, images = text, count
    tools = tuple(Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or () if "input_schema" in tool)
    choice = body.get("tool_choice") or {}
    forced = choice.get("name") if choice.get("type") == "tool" else (tools[0].name if choice.get("type") == "any" and tools else None)
    return Ask(
        model=body["model"],
        text=last,
        all_text=" ".join(everything),
        tools=tools,
        forced_tool=forced,
        schema=_schema(body),
        images=images,
        tool_results=tuple(results),
        max_tokens=body["max_tokens"],
    )


def usage(plan: Plan) -> dict[str, Any]:
    return {
        "input_tokens": plan.input_tokens - plan.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": plan.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": plan.output_tokens,
        "service_tier": "standard",
    }


def _stop_reason(plan: Plan) -> str:
    return {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}[plan.finish]


def _block(plan: Plan, number: int) -> dict[str, Any]:
    if plan.tool:
        return {"type": "tool_use", "id": f"toolu_{number:08d}", "name": plan.tool.name, "input": json.loads(plan.arguments)}
    return {"type": "text", "text": plan.text}


def _message(ask: Ask, number: int) -> dict[str, Any]:
    return {"id": f"msg_fake{number:08d}", "type": "message", "role": "assistant", "model": f"{ask.model}-20250929"}


def whole_message(ask: Ask, plan: Plan, number: int) -> bytes:
    answer = _message(ask, number) | {
        "content": [_block(plan, number)],
        "stop_reason": _stop_reason(plan),
        "stop_sequence": None,
        "usage": usage(plan),
    }
    return json.dumps(answer).encode()


def message_events(ask: Ask, plan: Plan, number: int) -> Iterator[bytes]:
    """The stream as Anthropic cuts it, ping included."""
    start = _message(ask, number) | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage(plan) | {"output_tokens": 1}}
    yield _event("message_start", {"message": start})
    empty = _block(plan, number) | ({"input": {}} if plan.tool else {"text": ""})
    yield _event("content_block_start", {"index": 0, "content_block": empty})
    yield _event("ping", {})
    if plan.tool:
        for cut in range(0, len(plan.arguments), 5):
            yield _event("content_block_delta", {"index": 0, "delta": {"type": "input_json_delta", "partial_json": plan.arguments[cut : cut + 5]}})
    for piece in plan.pieces:
        yield _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})
    yield _event("content_block_stop", {"index": 0})
    counted = {key: value for key, value in usage(plan).items() if key not in ("service_tier", "cache_creation")}
    yield _event("message_delta", {"delta": {"stop_reason": _stop_reason(plan), "stop_sequence": None}, "usage": counted})
    yield _event("message_stop", {})


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, separators=(',', ':'))}\n\n".encode()
