"""A `Conversation` as a responses body.

Nothing is kept at the provider (`store: false`). Notes of earlier turns are left out: they are sealed for the model that wrote them.
"""

from typing import Any

import msgspec

from farthing.core.conversation import Conversation, Image, Message, Reasoning, ResponseSchema, Text, Tool, ToolCall, ToolChoice, ToolResult
from farthing.wire.media import image_url
from farthing.wire.strict import unsupported

_ENCODE = msgspec.json.Encoder().encode

# A thinking budget has no field here; these are the efforts whose usual spend is nearest.
_BUDGET_EFFORTS = ((4_096, "low"), (16_384, "medium"))


def render_request(conversation: Conversation, *, model: str, stream: bool) -> bytes:
    """The body to send. Raises `UnsupportedFeature`."""
    _refuse(conversation)
    sampling = conversation.sampling
    fields: dict[str, Any] = {
        "model": model,
        "instructions": "\n\n".join(text for text in conversation.system if text) or None,
        "input": [item for turn in conversation.messages for item in _items(turn)],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": conversation.max_output_tokens,
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "tool_choice": _tool_choice(conversation.tool_choice),
        "parallel_tool_calls": conversation.parallel_tool_calls if conversation.tools else None,
        "text": _text(conversation),
        "reasoning": _reasoning(conversation.reasoning),
        "user": conversation.user,
        "metadata": conversation.metadata,
        "store": False,
        "stream": stream or None,
    }
    return _ENCODE({name: value for name, value in fields.items() if value is not None})


def _refuse(conversation: Conversation) -> None:
    for name in ("top_k", "frequency_penalty", "presence_penalty", "seed"):
        if getattr(conversation.sampling, name) is not None:
            raise unsupported(name)
    if conversation.stop:
        raise unsupported("stop")


def _items(turn: Message) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    spoken: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            items.append({"type": "function_call_output", "call_id": part.call_id, "output": _output(part)})
        elif isinstance(part, ToolCall):
            items.append({"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments})
        elif isinstance(part, Text | Image):
            spoken.append(_content_part(part, turn.role))
    if not spoken:
        return items
    message = {"role": turn.role, "content": spoken[0]["text"] if len(spoken) == 1 and "text" in spoken[0] else spoken}
    return [message, *items] if turn.role == "assistant" else [*items, message]


def _content_part(part: Text | Image, role: str) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
    return {"type": "input_image", "image_url": image_url(part), "detail": part.detail or "auto"}


def _output(result: ToolResult) -> Any:
    """A failed result says so in its text, because an output cannot be marked as an error."""
    if all(isinstance(part, Text) for part in result.content):
        text = "\n".join(part.text for part in result.content if isinstance(part, Text))
        return f"Error: {text}" if result.is_error and not text.lower().startswith("error") else text
    parts = [_content_part(part, "user") for part in result.content]
    return [{"type": "input_text", "text": "Error:"}, *parts] if result.is_error else parts


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool.parameters, "strict": tool.strict is True}
    if tool.description is not None:
        fields["description"] = tool.description
    return fields


def _tool_choice(choice: ToolChoice | None) -> Any:
    if choice is None or choice.mode != "tool":
        return choice.mode if choice else None
    return {"type": "function", "name": choice.name}


def _text(conversation: Conversation) -> dict[str, Any] | None:
    fields: dict[str, Any] = {}
    if conversation.answer is not None:
        fields["format"] = _format(conversation.answer)
    if conversation.verbosity is not None:
        fields["verbosity"] = conversation.verbosity
    return fields or None


def _format(answer: ResponseSchema) -> dict[str, Any]:
    if answer.schema is None:
        return {"type": "json_object"}
    fields: dict[str, Any] = {"type": "json_schema", "name": answer.name, "schema": answer.schema, "strict": answer.strict is True}
    if answer.description is not None:
        fields["description"] = answer.description
    return fields


def _reasoning(reasoning: Reasoning | None) -> dict[str, Any] | None:
    if reasoning is None:
        return None
    budget = reasoning.budget_tokens
    if budget is None:
        return {"effort": reasoning.effort} if reasoning.effort else None
    return {"effort": next((effort for most, effort in _BUDGET_EFFORTS if budget <= most), "high")}
