"""A `Conversation` as an Anthropic messages body.

`max_tokens` is required there: 4096 when the caller set none. Turns of one role are joined and empty texts left out, which the service would refuse.
A schema goes into `output_config.format`, an effort into `output_config.effort`. Labels (`metadata`) have no place there but the user's id.
"""

from typing import Any

import msgspec

from farthing.core.conversation import Conversation, Image, Message, Part, Reasoning, Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult
from farthing.core.errors import InvalidRequest
from farthing.wire.strict import unsupported

DEFAULT_MAX_TOKENS = 4096

_ENCODE = msgspec.json.Encoder().encode
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_CHOICES = {"auto": "auto", "required": "any", "none": "none", "tool": "tool"}
_HOTTEST = 1.0


def render_request(conversation: Conversation, *, model: str, stream: bool) -> bytes:
    """The body to send. Raises `UnsupportedFeature`, or `InvalidRequest` for tool arguments that are not JSON."""
    _refuse(conversation)
    sampling = conversation.sampling
    fields: dict[str, Any] = {
        "model": model,
        "max_tokens": DEFAULT_MAX_TOKENS if conversation.max_output_tokens is None else conversation.max_output_tokens,
        "system": _system(conversation.system),
        "messages": _messages(conversation.messages),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "stop_sequences": list(conversation.stop) or None,
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "tool_choice": _tool_choice(conversation.tool_choice, conversation.parallel_tool_calls) if conversation.tools else None,
        "thinking": _thinking(conversation.reasoning),
        "output_config": _output_config(conversation),
        "metadata": {"user_id": conversation.user} if conversation.user else None,
        "stream": stream or None,
    }
    return _ENCODE({name: value for name, value in fields.items() if value is not None})


def _refuse(conversation: Conversation) -> None:
    sampling = conversation.sampling
    for name in ("frequency_penalty", "presence_penalty", "seed"):
        if getattr(sampling, name) is not None:
            raise unsupported(name)
    if sampling.temperature is not None and sampling.temperature > _HOTTEST:
        raise unsupported("temperature", "Anthropic models take 0 to 1")
    if conversation.verbosity is not None:
        raise unsupported("verbosity")
    if conversation.answer is not None and conversation.answer.schema is None:
        raise unsupported("response_format", "Anthropic models need a schema; send json_schema")


def _system(system: tuple[str, ...]) -> Any:
    texts = [text for text in system if text]
    if len(texts) <= 1:
        return texts[0] if texts else None
    return [{"type": "text", "text": text} for text in texts]


def _messages(turns: tuple[Message, ...]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for at, turn in enumerate(turns):
        blocks = _blocks(turn, f"messages[{at}]")
        if not blocks:
            continue
        if messages and messages[-1]["role"] == turn.role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": turn.role, "content": blocks})
    for message in messages:
        blocks = message["content"]
        if len(blocks) == 1 and blocks[0]["type"] == "text":
            message["content"] = blocks[0]["text"]
    return messages


def _blocks(turn: Message, at: str) -> list[dict[str, Any]]:
    blocks = [_block(part, at) for part in turn.parts if not isinstance(part, Text | Thinking) or _speaks(part)]
    # Results must come first in the turn that follows the calls.
    return sorted(blocks, key=lambda block: block["type"] != "tool_result") if turn.role == "user" else blocks


def _speaks(part: Text | Thinking) -> bool:
    """Unsigned notes come from another model, and this service takes only its own."""
    return bool(part.text) if isinstance(part, Text) else bool(part.signature)


def _block(part: Part, at: str) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            return _image(part, at)
        case ToolCall(call_id, name, arguments):
            return {"type": "tool_use", "id": call_id, "name": name, "input": _arguments(arguments, at)}
        case ToolResult(call_id, content, is_error):
            result: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id, "content": [_block(piece, at) for piece in content]}
            if len(content) == 1 and isinstance(content[0], Text):
                result["content"] = content[0].text
            return result | ({"is_error": True} if is_error else {})
        case Thinking(text, signature, redacted):
            if redacted:
                return {"type": "redacted_thinking", "data": signature}
            return {"type": "thinking", "thinking": text, "signature": signature}


def _image(image: Image, at: str) -> dict[str, Any]:
    if image.detail is not None:
        raise unsupported(f"{at}.content.image_url.detail")
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.base64}}


def _arguments(arguments: str, at: str) -> msgspec.Raw:
    try:
        decoded = msgspec.json.decode(arguments or "{}")
    except (ValueError, RecursionError):
        decoded = None
    if not isinstance(decoded, dict):
        raise InvalidRequest("The arguments of a tool call are not a JSON object.", param=f"{at}.tool_calls")
    return msgspec.Raw((arguments or "{}").encode())


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": tool.name,
        "input_schema": tool.parameters if "type" in tool.parameters else {"type": "object", **tool.parameters},
    }
    if tool.description is not None:
        fields["description"] = tool.description
    if tool.strict:
        fields["strict"] = True
    return fields


def _tool_choice(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any] | None:
    if choice is None and parallel is not False:
        return None
    fields: dict[str, Any] = {"type": _CHOICES[choice.mode] if choice else "auto"}
    if choice is not None and choice.name is not None:
        fields["name"] = choice.name
    if parallel is False and fields["type"] != "none":
        fields["disable_parallel_tool_use"] = True
    return fields


def _thinking(reasoning: Reasoning | None) -> dict[str, Any] | None:
    if reasoning is None:
        return None
    if reasoning.budget_tokens is not None:
        return {"type": "enabled", "budget_tokens": reasoning.budget_tokens}
    return {"type": "disabled"} if reasoning.effort == "none" else None


def _output_config(conversation: Conversation) -> dict[str, Any] | None:
    fields: dict[str, Any] = {}
    effort = conversation.reasoning.effort if conversation.reasoning else None
    if effort is not None and effort != "none":
        if effort not in _EFFORTS:
            raise unsupported("reasoning_effort", f"Anthropic models know {', '.join(_EFFORTS)}")
        fields["effort"] = effort
    if conversation.answer is not None:
        fields["format"] = {"type": "json_schema", "schema": conversation.answer.schema}
    return fields or None
