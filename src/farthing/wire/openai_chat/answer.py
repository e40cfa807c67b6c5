"""Whole chat completions."""

from typing import Any

import msgspec

from farthing.core.conversation import Answer, Finish, Thinking, ToolCall
from farthing.core.usage import Usage
from farthing.wire.broken import decode_answer
from farthing.wire.usages import ChatUsage, Timings

_ENCODE = msgspec.json.Encoder().encode
_FINISHES = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
}


def parse_finish(reason: str | None) -> Finish | None:
    """The neutral reason; one that OpenAI does not have (`eos`, `end_turn`) is a plain stop."""
    return None if reason is None else _FINISHES.get(reason, Finish.STOP)


class _Function(msgspec.Struct, gc=False):
    name: str
    arguments: str | None = None


class _Call(msgspec.Struct, gc=False):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct, gc=False):
    choices: list[_Choice]
    id: str | None = None
    created: float | None = None
    model: str | None = None
    usage: ChatUsage | None = None
    timings: Timings | None = None


_COMPLETION = msgspec.json.Decoder(_Completion)


def parse_answer(body: bytes) -> Answer:
    """The first choice. Raises `UpstreamBroken` when this is no chat completion, `UpstreamRefused` when it is an error."""
    completion = decode_answer(_COMPLETION, body, lambda found: bool(found.choices))
    choice = completion.choices[0]
    message = choice.message
    notes = message.reasoning_content or message.reasoning
    return Answer(
        id=completion.id or "",
        model=completion.model or "",
        text=message.content or "",
        created=None if completion.created is None else int(completion.created),
        reasoning=(Thinking(notes),) if notes else (),
        tool_calls=tuple(
            ToolCall(call.id or f"call_{at}", call.function.name, call.function.arguments or "") for at, call in enumerate(message.tool_calls or ())
        ),
        refusal=message.refusal or None,
        finish=parse_finish(choice.finish_reason),
        usage=completion.usage.neutral(completion.timings) if completion.usage else None,
    )


def render_answer(answer: Answer, *, request_id: str, created: int) -> bytes:
    """The answer as OpenAI would give it, under an id of our own."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": answer.refusal}
    if not answer.tool_calls and not answer.refusal:
        message["content"] = answer.text
    if notes := "\n".join(note.text for note in answer.reasoning if note.text):
        message["reasoning_content"] = notes
    if answer.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in answer.tool_calls
        ]
    finish = answer.finish or (Finish.TOOL_CALLS if answer.tool_calls else Finish.STOP)
    fields: dict[str, Any] = {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion",
        "created": created,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
    }
    if answer.usage is not None:
        fields["usage"] = render_usage(answer.usage)
    return _ENCODE(fields)


def render_usage(usage: Usage) -> dict[str, Any]:
    """Details that nobody counted stay out."""
    fields: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    given = {
        name: count for name, count in (("cached_tokens", usage.cached_tokens), ("cache_write_tokens", usage.cache_write_tokens)) if count is not None
    }
    if given:
        fields["prompt_tokens_details"] = given
    if usage.reasoning_tokens is not None:
        fields["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return fields
