"""A `Conversation` as a chat completions body.

Notes of earlier turns (`Thinking`) are left out: they are sealed for the model that wrote them, and this dialect has no place for them.
A failed tool result says so in its text, because a chat tool message cannot be marked as an error.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from farthing.core.conversation import Conversation, Image, Message, Part, ResponseSchema, Text, Tool, ToolCall, ToolChoice, ToolResult
from farthing.wire.media import image_url
from farthing.wire.strict import unsupported

_ENCODE = msgspec.json.Encoder().encode

# A thinking budget has no chat field; these are the efforts whose usual spend is nearest.
_BUDGET_EFFORTS = ((4_096, "low"), (16_384, "medium"))


def render_request(conversation: Conversation, *, model: str, stream: bool) -> bytes:
    """The body to send. Streams ask for usage. Raises `UnsupportedFeature`."""
    sampling = conversation.sampling
    if sampling.top_k is not None:
        raise unsupported("top_k")
    fields: dict[str, Any] = {
        "model": model,
        "messages": _messages(conversation),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "max_tokens": conversation.max_output_tokens,
        "stop": list(conversation.stop) or None,
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "tool_choice": _tool_choice(conversation.tool_choice),
        "parallel_tool_calls": conversation.parallel_tool_calls if conversation.tools else None,
        "response_format": _response_format(conversation.answer),
        "reasoning_effort": _effort(conversation),
        "verbosity": conversation.verbosity,
        "user": conversation.user,
        "stream": stream or None,
        "stream_options": {"include_usage": True} if stream else None,
    }
    return _ENCODE({name: value for name, value in fields.items() if value is not None})


def _effort(conversation: Conversation) -> str | None:
    reasoning = conversation.reasoning
    if reasoning is None or reasoning.budget_tokens is None:
        return reasoning.effort if reasoning else None
    budget = reasoning.budget_tokens
    return next((effort for most, effort in _BUDGET_EFFORTS if budget <= most), "high")


def _messages(conversation: Conversation) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": text} for text in conversation.system]
    for at, turn in enumerate(conversation.messages):
        if turn.role == "assistant":
            messages.append(_assistant(turn))
        elif turn.role == "system":
            messages.append({"role": "system", "content": _texts(turn.parts)})
        else:
            messages += _user(turn, f"messages[{at}]")
    return messages


def _texts(parts: Iterable[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def _assistant(turn: Message) -> dict[str, Any]:
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in turn.parts
        if isinstance(part, ToolCall)
    ]
    text = "".join(part.text for part in turn.parts if isinstance(part, Text))
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        message["tool_calls"] = calls
    return message


def _user(turn: Message, at: str) -> list[dict[str, Any]]:
    """Tool results first: a chat model wants them right after the calls."""
    messages: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": part.call_id, "content": _result_text(part, at)} for part in turn.parts if isinstance(part, ToolResult)
    ]
    spoken = [part for part in turn.parts if isinstance(part, Text | Image)]
    if len(spoken) == 1 and isinstance(spoken[0], Text):
        messages.append({"role": "user", "content": spoken[0].text})
    elif spoken:
        messages.append({"role": "user", "content": [_content_part(part) for part in spoken]})
    return messages


def _result_text(result: ToolResult, at: str) -> str:
    if any(isinstance(part, Image) for part in result.content):
        raise unsupported(f"{at}.content", "a chat tool message cannot hold an image")
    text = _texts(result.content)
    return f"Error: {text}" if result.is_error and not text.lower().startswith("error") else text


def _content_part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    image = {"url": image_url(part)} | ({"detail": part.detail} if part.detail else {})
    return {"type": "image_url", "image_url": image}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice | None) -> Any:
    if choice is None or choice.mode != "tool":
        return choice.mode if choice else None
    return {"type": "function", "function": {"name": choice.name}}


def _response_format(answer: ResponseSchema | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    if answer.schema is None:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": answer.name, "schema": answer.schema}
    if answer.description is not None:
        schema["description"] = answer.description
    if answer.strict is not None:
        schema["strict"] = answer.strict
    return {"type": "json_schema", "json_schema": schema}
