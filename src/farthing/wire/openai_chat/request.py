"""A chat completions body as a `Conversation`.

Strict: what the structs below do not list cannot be translated. Labels and cache hints (`metadata`, `prompt_cache_key`) ask nothing of the model.
"""

from typing import Any, Literal

import msgspec

from farthing.core.conversation import (
    Conversation,
    Image,
    Message,
    Part,
    Reasoning,
    ResponseSchema,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from farthing.core.errors import InvalidRequest
from farthing.wire.media import parse_image_url
from farthing.wire.strict import decode, refuse_unless, unsupported


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _TextPart(_Strict, tag="text"):
    text: str
    prompt_cache_breakpoint: msgspec.Raw = msgspec.Raw()


class _ImageUrl(_Strict):
    url: str
    detail: str | None = None


class _ImagePart(_Strict, tag="image_url"):
    image_url: _ImageUrl
    prompt_cache_breakpoint: msgspec.Raw = msgspec.Raw()


class _RefusalPart(_Strict, tag="refusal"):
    refusal: str


class _Function(_Strict):
    name: str
    arguments: str = ""


class _ToolCall(_Strict):
    id: str
    function: _Function
    type: Literal["function"] = "function"
    index: int | None = None  # clients that put a streamed call back leave it in


class _System(_Strict, tag_field="role", tag="system"):
    content: str | list[_TextPart]


class _Developer(_Strict, tag_field="role", tag="developer"):
    content: str | list[_TextPart]


class _User(_Strict, tag_field="role", tag="user"):
    content: str | list[_TextPart | _ImagePart]


class _Assistant(_Strict, tag_field="role", tag="assistant"):
    content: str | list[_TextPart | _RefusalPart] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: None = None
    audio: None = None
    annotations: list[Any] | None = None


class _ToolMessage(_Strict, tag_field="role", tag="tool"):
    tool_call_id: str
    content: str | list[_TextPart]


_Message = _System | _Developer | _User | _Assistant | _ToolMessage


class _FunctionTool(_Strict):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(_Strict, tag="function"):
    function: _FunctionTool


class _Name(_Strict):
    name: str


class _NamedChoice(_Strict, tag="function"):
    function: _Name


class _JsonSchema(_Strict):
    name: str
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class _TextFormat(_Strict, tag="text"):
    pass


class _JsonFormat(_Strict, tag="json_object"):
    pass


class _SchemaFormat(_Strict, tag="json_schema"):
    json_schema: _JsonSchema


class _Request(_Strict):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _TextFormat | _JsonFormat | _SchemaFormat | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    n: int | None = None
    store: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    modalities: list[str] | None = None
    service_tier: str | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    audio: Any = None
    prediction: Any = None
    moderation: Any = None
    web_search_options: Any = None


# Fields without a counterpart, and the values at which they ask for nothing.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "store": (False,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "service_tier": ("auto", "default"),
    "functions": ([],),
    "function_call": ("auto", "none"),
    "audio": (),
    "prediction": (),
    "moderation": (),
    "web_search_options": (),
}

_REQUEST = msgspec.json.Decoder(_Request)


def parse_request(body: bytes) -> Conversation:
    """Raises `UnsupportedFeature` for what no other dialect can say, `InvalidRequest` for wrong types."""
    asked = decode(_REQUEST, body)
    refuse_unless(_HARMLESS, asked)
    system, turns = _split_system(asked.messages)
    return Conversation(
        messages=tuple(_merge_tool_results([_turn(message, f"messages[{len(system) + at}]") for at, message in enumerate(turns)])),
        system=system,
        tools=tuple(_tool(tool) for tool in asked.tools or ()),
        tool_choice=_tool_choice(asked.tool_choice),
        parallel_tool_calls=asked.parallel_tool_calls,
        answer=_answer_schema(asked),
        sampling=Sampling(asked.temperature, asked.top_p, asked.top_k, asked.frequency_penalty or None, asked.presence_penalty or None, asked.seed),
        max_output_tokens=asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens,
        stop=(asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ()),
        reasoning=Reasoning(effort=asked.reasoning_effort) if asked.reasoning_effort else None,
        verbosity=asked.verbosity,
        user=asked.safety_identifier or asked.user,
        metadata=asked.metadata,
    )


def _split_system(messages: list[_Message]) -> tuple[tuple[str, ...], list[_Message]]:
    first = next((at for at, message in enumerate(messages) if not isinstance(message, _System | _Developer)), len(messages))
    return tuple(_joined(message.content) for message in messages[:first] if isinstance(message, _System | _Developer)), messages[first:]


def _joined(content: str | list[_TextPart]) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _turn(message: _Message, at: str) -> Message:
    match message:
        case _User():
            return Message("user", _user_parts(message.content, at))
        case _Assistant():
            return Message("assistant", _assistant_parts(message, at))
        case _ToolMessage():
            return Message("user", (ToolResult(message.tool_call_id, (Text(_joined(message.content)),)),))
        case _:
            return Message("system", (Text(_joined(message.content)),))


def _user_parts(content: str | list[_TextPart | _ImagePart], at: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(
        Text(part.text) if isinstance(part, _TextPart) else _image(part.image_url, f"{at}.content[{index}].image_url.url")
        for index, part in enumerate(content)
    )


def _image(image: _ImageUrl, at: str) -> Image:
    return parse_image_url(image.url, None if image.detail == "auto" else image.detail, at)


def _assistant_parts(message: _Assistant, at: str) -> tuple[Part, ...]:
    if message.annotations:
        raise unsupported(f"{at}.annotations")
    parts: list[Part] = [Thinking(message.reasoning_content)] if message.reasoning_content else []
    texts = [message.content] if isinstance(message.content, str) else [_text_of(part) for part in message.content or ()]
    parts += [Text(text) for text in (*texts, message.refusal) if text]
    parts += [ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]
    return tuple(parts)


def _text_of(part: _TextPart | _RefusalPart) -> str:
    return part.text if isinstance(part, _TextPart) else part.refusal


def _merge_tool_results(turns: list[Message]) -> list[Message]:
    """Results of calls made together come back together: one user turn, as the other dialects want it."""
    merged: list[Message] = []
    for turn in turns:
        if merged and _only_results(turn) and _only_results(merged[-1]):
            merged[-1] = Message("user", merged[-1].parts + turn.parts)
        else:
            merged.append(turn)
    return merged


def _only_results(turn: Message) -> bool:
    return bool(turn.parts) and all(isinstance(part, ToolResult) for part in turn.parts)


def _tool(tool: _Tool) -> Tool:
    function = tool.function
    return Tool(function.name, function.description, function.parameters or {"type": "object", "properties": {}}, function.strict)


def _tool_choice(choice: Literal["none", "auto", "required"] | _NamedChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    return ToolChoice("tool", choice.function.name) if isinstance(choice, _NamedChoice) else ToolChoice(choice)


def _answer_schema(asked: _Request) -> ResponseSchema | None:
    wanted = asked.response_format
    if isinstance(wanted, _JsonFormat):
        return ResponseSchema(None)
    if not isinstance(wanted, _SchemaFormat):
        return None
    schema = wanted.json_schema
    if schema.schema is None:
        raise InvalidRequest("The field 'response_format.json_schema.schema' is missing.", param="response_format.json_schema.schema")
    return ResponseSchema(schema.schema, schema.name, schema.description, schema.strict)
