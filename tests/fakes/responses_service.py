"""The OpenAI responses dialect of the fake service, whole and as its typed events."""

import json
from collections.abc import Iterator
from typing import Any

from tests.fakes.script import Ask, Plan


def _usage(plan: Plan) -> dict[str, Any]:
    return {
        "input_tokens": plan.input_tokens,
        "input_tokens_details": {"cached_tokens": plan.cached_tokens},
        "output_tokens": plan.output_tokens,
        "output_tokens_details": {"reasoning_tokens": plan.reasoning_tokens},
        "total_tokens": plan.input_tokens + plan.output_tokens,
    }


def _item(plan: Plan, number: int, status: str) -> dict[str, Any]:
    done = status == "completed"
    if plan.tool:
        arguments = plan.arguments if done else ""
        item = {"id": f"fc_{number:08d}", "type": "function_call", "status": status, "arguments": arguments}
        return item | {"call_id": f"call_{number:08d}", "name": plan.tool.name}
    content = [_part(plan.text)] if done else []
    return {"id": f"msg_{number:08d}", "type": "message", "status": status, "content": content, "role": "assistant"}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _response(ask: Ask, plan: Plan, body: dict[str, Any], number: int, status: str) -> dict[str, Any]:
    done = status in ("completed", "incomplete")
    return {
        "id": f"resp_{number:08d}",
        "object": "response",
        "created_at": 1741476542,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": f"{ask.model}-2024-07-18",
        "output": [_item(plan, number, "completed")] if done else [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(plan) if done else None,
        "user": None,
        "metadata": {},
    }


def _end(plan: Plan) -> str:
    return "incomplete" if plan.finish == "length" else "completed"


def whole_response(ask: Ask, plan: Plan, body: dict[str, Any], number: int) -> bytes:
    return json.dumps(_response(ask, plan, body, number, _end(plan)), indent=2).encode()


def response_events(ask: Ask, plan: Plan, body: dict[str, Any], number: int) -> Iterator[bytes]:
    """The typed events, numbered, as the real service sends them."""
    for sequence, (kind, fields) in enumerate(_steps(ask, plan, body, number)):
        event = {"type": kind, "sequence_number": sequence, **fields}
        yield f"event: {kind}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()


def _steps(ask: Ask, plan: Plan, body: dict[str, Any], number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    opening = _response(ask, plan, body, number, "in_progress")
    yield "response.created", {"response": opening}
    yield "response.in_progress", {"response": opening}
    yield "response.output_item.added", {"output_index": 0, "item": _item(plan, number, "in_progress")}
    yield from _call_steps(plan, number) if plan.tool else _text_steps(plan, number)
    yield "response.output_item.done", {"output_index": 0, "item": _item(plan, number, "completed")}
    yield f"response.{_end(plan)}", {"response": _response(ask, plan, body, number, _end(plan))}


def _text_steps(plan: Plan, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"item_id": f"msg_{number:08d}", "output_index": 0, "content_index": 0}
    yield "response.content_part.added", {**place, "part": _part("")}
    for piece in plan.pieces:
        yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**place, "text": plan.text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": _part(plan.text)}


def _call_steps(plan: Plan, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"item_id": f"fc_{number:08d}", "output_index": 0}
    for start in range(0, len(plan.arguments), 5):
        yield "response.function_call_arguments.delta", {**place, "delta": plan.arguments[start : start + 5]}
    assert plan.tool is not None
    yield "response.function_call_arguments.done", {**place, "arguments": plan.arguments, "name": plan.tool.name}
