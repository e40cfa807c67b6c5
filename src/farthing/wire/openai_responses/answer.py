"""Whole responses."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from farthing.core.conversation import Answer, Finish, Thinking, ToolCall
from farthing.core.usage import Usage
from farthing.wire.broken import broken, decode_answer
from farthing.wire.usages import ResponsesUsage, cost_number

_ENCODE = msgspec.json.Encoder().encode


class Content(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    refusal: str | None = None


class Item(msgspec.Struct, gc=False):
    """An output item of any kind."""

    type: str
    id: str | None = None
    content: list[Content] | None = None
    summary: list[Content] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class Incomplete(msgspec.Struct, gc=False):
    reason: str | None = None


class Body(msgspec.Struct, gc=False):
    output: list[Item]
    id: str = ""
    model: str = ""
    created_at: float | None = None
    status: str | None = None
    error: Any = None
    incomplete_details: Incomplete | None = None
    usage: ResponsesUsage | None = None


_RESPONSE = msgspec.json.Decoder(Body)


def parse_finish(status: str | None, incomplete: Incomplete | None, has_calls: bool) -> Finish | None:
    """The neutral reason; `None` while it is not finished."""
    if status == "incomplete":
        return Finish.CONTENT_FILTER if incomplete is not None and incomplete.reason == "content_filter" else Finish.LENGTH
    if status == "completed":
        return Finish.TOOL_CALLS if has_calls else Finish.STOP
    return None


def parse_answer(body: bytes) -> Answer:
    """Raises `UpstreamBroken` when this is no response or holds items of provider tools, `UpstreamRefused` when it failed."""
    response = decode_answer(_RESPONSE, body, lambda found: found.status != "failed" and found.error is None)
    texts: list[str] = []
    refusals: list[str] = []
    notes: list[Thinking] = []
    calls: list[ToolCall] = []
    for item in response.output:
        match item.type:
            case "message":
                texts += [part.text for part in item.content or () if part.text]
                refusals += [part.refusal for part in item.content or () if part.refusal]
            case "reasoning":
                notes.append(item_note(item))
            case "function_call":
                calls.append(ToolCall(item.call_id or item.id or "", item.name or "", item.arguments or ""))
            case _:
                raise broken(body, f"a translatable answer (it holds an item of type '{item.type}')")
    return Answer(
        id=response.id,
        model=response.model,
        text="".join(texts),
        created=None if response.created_at is None else int(response.created_at),
        reasoning=tuple(note for note in notes if note.text or note.signature),
        tool_calls=tuple(calls),
        refusal="".join(refusals) or None,
        finish=parse_finish(response.status, response.incomplete_details, bool(calls)),
        usage=response.usage.neutral() if response.usage else None,
    )


def item_note(item: Item) -> Thinking:
    """A reasoning item's summary, or its text where a service shows it."""
    return Thinking("".join(part.text or "" for part in item.summary or item.content or ()), item.encrypted_content)


def render_answer(answer: Answer, *, request_id: str, created: int) -> bytes:
    """The answer as OpenAI would give it, under an id of our own."""
    finish = answer.finish
    status = "incomplete" if finish in (Finish.LENGTH, Finish.CONTENT_FILTER) else "completed"
    items: list[dict[str, Any]] = [note_item(note, f"rs_{request_id}_{at}") for at, note in enumerate(answer.reasoning)]
    if answer.text or answer.refusal or not answer.tool_calls:
        items.append(message_item(answer.text, answer.refusal, f"msg_{request_id}", status))
    items += [call_item(call.id, call.name, call.arguments, f"fc_{request_id}_{at}") for at, call in enumerate(answer.tool_calls)]
    return _ENCODE(response_object(request_id, created, answer.model, items, status, finish=finish, usage=answer.usage))


def note_item(note: Thinking, item_id: str) -> dict[str, Any]:
    item: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": [{"type": "summary_text", "text": note.text}] if note.text else []}
    return item | ({"encrypted_content": note.signature} if note.signature else {})


def message_item(text: str, refusal: str | None, item_id: str, status: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = [text_part(text)] if text or not refusal else []
    if refusal:
        content.append({"type": "refusal", "refusal": refusal})
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": content}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(call_id: str, name: str, arguments: str, item_id: str, status: str = "completed") -> dict[str, Any]:
    return {"id": item_id, "type": "function_call", "status": status, "call_id": call_id, "name": name, "arguments": arguments}


def response_object(
    request_id: str,
    created: int,
    model: str,
    output: Sequence[dict[str, Any]],
    status: str,
    *,
    finish: Finish | None = None,
    usage: Usage | None = None,
    cost_usd: Decimal | None = None,
) -> dict[str, Any]:
    """The response with every field that SDKs require."""
    reason = "content_filter" if finish is Finish.CONTENT_FILTER else "max_output_tokens"
    return {
        "id": f"resp_{request_id}",
        "object": "response",
        "created_at": created,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None if usage is None else render_usage(usage, cost_usd),
    }


def render_usage(usage: Usage, cost_usd: Decimal | None = None) -> dict[str, Any]:
    """OpenAI's clients need the details too; what nobody counted is zero there, for want of a word."""
    fields: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens or 0, "cache_write_tokens": usage.cache_write_tokens or 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if cost_usd is not None:
        fields["cost"] = cost_number(cost_usd)
    return fields
