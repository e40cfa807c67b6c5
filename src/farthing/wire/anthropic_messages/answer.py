"""Whole Anthropic messages."""

from decimal import Decimal
from typing import Any

import msgspec

from farthing.core.conversation import Answer, Finish, Thinking, ToolCall
from farthing.core.usage import Usage
from farthing.wire.broken import broken, decode_answer
from farthing.wire.usages import MessagesUsage, cost_number

_ENCODE = msgspec.json.Encoder().encode
_FINISHES = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "pause_turn": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
    "refusal": Finish.CONTENT_FILTER,
}
_STOP_REASONS = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.CONTENT_FILTER: "refusal",
}


def parse_finish(reason: str | None) -> Finish | None:
    return None if reason is None else _FINISHES.get(reason, Finish.STOP)


def stop_reason(finish: str | None, has_calls: bool) -> str:
    """Anthropic's word for it."""
    if finish is None:
        return "tool_use" if has_calls else "end_turn"
    return _STOP_REASONS[Finish(finish)]


class Block(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class Body(msgspec.Struct, gc=False):
    type: str
    content: list[Block]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    usage: MessagesUsage | None = None


_MESSAGE = msgspec.json.Decoder(Body)


def parse_answer(body: bytes) -> Answer:
    """Raises `UpstreamBroken` when this is no message or holds blocks of server tools, `UpstreamRefused` when it is an error."""
    message = decode_answer(_MESSAGE, body, lambda found: found.type == "message")
    texts: list[str] = []
    notes: list[Thinking] = []
    calls: list[ToolCall] = []
    for block in message.content:
        match block.type:
            case "text":
                texts.append(block.text or "")
            case "thinking":
                notes.append(Thinking(block.thinking or "", block.signature or None))
            case "redacted_thinking":
                notes.append(Thinking("", block.data or "", redacted=True))
            case "tool_use":
                calls.append(ToolCall(block.id or "", block.name or "", bytes(block.input).decode()))
            case _:
                raise broken(body, f"a translatable answer (it holds a block of type '{block.type}')")
    return Answer(
        id=message.id,
        model=message.model,
        text="".join(texts),
        reasoning=tuple(notes),
        tool_calls=tuple(calls),
        finish=parse_finish(message.stop_reason),
        usage=message.usage.neutral() if message.usage else None,
    )


def render_answer(answer: Answer, *, request_id: str, created: int) -> bytes:  # noqa: ARG001  # one signature for all dialects; this one has no date
    """The answer as Anthropic would give it, under an id of our own."""
    content: list[dict[str, Any]] = [_note(note) for note in answer.reasoning]
    content += [{"type": "text", "text": text} for text in (answer.text, answer.refusal) if text]
    content += [{"type": "tool_use", "id": call.id, "name": call.name, "input": call_input(call.arguments)} for call in answer.tool_calls]
    finish = Finish.CONTENT_FILTER if answer.refusal else answer.finish
    return _ENCODE(
        {
            "id": f"msg_{request_id}",
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": content,
            "stop_reason": stop_reason(finish, bool(answer.tool_calls)),
            "stop_sequence": None,
            "usage": render_usage(answer.usage),
        }
    )


def _note(note: Thinking) -> dict[str, Any]:
    if note.redacted:
        return {"type": "redacted_thinking", "data": note.signature}
    return {"type": "thinking", "thinking": note.text, "signature": note.signature or ""}


def call_input(arguments: str) -> msgspec.Raw:
    """The arguments as the object that Anthropic wants. What the model garbled is kept, as text under one name, for the caller to see."""
    try:
        decoded = msgspec.json.decode(arguments or "{}")
    except (ValueError, RecursionError):
        decoded = None
    return msgspec.Raw((arguments or "{}").encode()) if isinstance(decoded, dict) else msgspec.Raw(_ENCODE({"invalid_json": arguments}))


def render_usage(usage: Usage | None, cost_usd: Decimal | None = None) -> dict[str, Any]:
    """Anthropic's clients need both totals; nobody having counted is zero there, for want of a word."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    read, written = usage.cached_tokens, usage.cache_write_tokens
    fields: dict[str, Any] = {"input_tokens": usage.input_tokens - (read or 0) - (written or 0), "output_tokens": usage.output_tokens}
    if read is not None:
        fields["cache_read_input_tokens"] = read
    if written is not None:
        fields["cache_creation_input_tokens"] = written
    if usage.reasoning_tokens is not None:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if cost_usd is not None:
        fields["cost"] = cost_number(cost_usd)
    return fields
