"""An Anthropic messages body as a `Conversation`.

Strict: what the structs below do not list cannot be translated. `cache_control` asks nothing of the model: other services cache by themselves.
`thinking: adaptive` leaves the depth to the model, which is what other dialects do when nothing is said.
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
from farthing.wire.strict import decode, refuse_unless, unsupported

_ENCODE = msgspec.json.Encoder().encode
_DIRECT = [None, {"type": "direct"}]


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Text(_Strict, tag="text"):
    text: str
    cache_control: Any = None
    citations: list[Any] | None = None


class _Base64(_Strict, tag="base64"):
    media_type: str
    data: str


class _Url(_Strict, tag="url"):
    url: str


class _Image(_Strict, tag="image"):
    source: _Base64 | _Url
    cache_control: Any = None


class _Thinking(_Strict, tag="thinking"):
    thinking: str
    signature: str | None = None


class _Redacted(_Strict, tag="redacted_thinking"):
    data: str


class _ToolUse(_Strict, tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]
    cache_control: Any = None
    caller: dict[str, Any] | None = None


class _ToolResult(_Strict, tag="tool_result"):
    tool_use_id: str
    content: str | list[_Text | _Image] | None = None
    is_error: bool | None = None
    cache_control: Any = None


_Block = _Text | _Image | _Thinking | _Redacted | _ToolUse | _ToolResult


class _Message(_Strict):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Block]


class _Tool(_Strict):
    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool | None = None
    cache_control: Any = None
    eager_input_streaming: bool | None = None


class _Choice(_Strict):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Metadata(_Strict):
    user_id: str | None = None


class _Format(_Strict, tag="json_schema"):
    schema: dict[str, Any]


class _OutputConfig(_Strict):
    effort: str | None = None
    format: _Format | None = None


class _ThinkingEnabled(_Strict, tag="enabled"):
    budget_tokens: int
    display: str | None = None


class _ThinkingAdaptive(_Strict, tag="adaptive"):
    display: str | None = None


class _ThinkingDisabled(_Strict, tag="disabled"):
    pass


class _Request(_Strict):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    system: str | list[_Text] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: _ThinkingEnabled | _ThinkingAdaptive | _ThinkingDisabled | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    metadata: _Metadata | None = None
    cache_control: Any = None
    service_tier: str | None = None
    speed: str | None = None
    container: Any = None
    context_management: Any = None
    diagnostics: Any = None
    inference_geo: str | None = None
    mcp_servers: list[Any] | None = None


# Fields without a counterpart, and the values at which they ask for nothing.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "service_tier": ("auto", "standard_only"),
    "speed": ("standard",),
    "container": (),
    "context_management": ({"edits": []},),
    "diagnostics": ({},),
    "inference_geo": (),
    "mcp_servers": ([],),
}

_REQUEST = msgspec.json.Decoder(_Request)


def parse_request(body: bytes) -> Conversation:
    """Raises `UnsupportedFeature` for what no other dialect can say, `InvalidRequest` for wrong types."""
    asked = decode(_REQUEST, body)
    refuse_unless(_HARMLESS, asked)
    choice = asked.tool_choice
    wanted = asked.output_config.format if asked.output_config else asked.output_format
    return Conversation(
        messages=tuple(Message(message.role, _parts(message.content, f"messages[{at}]")) for at, message in enumerate(asked.messages)),
        system=_system(asked.system),
        tools=tuple(Tool(tool.name, tool.description, tool.input_schema, tool.strict) for tool in asked.tools or ()),
        tool_choice=_tool_choice(choice),
        parallel_tool_calls=False if choice and choice.disable_parallel_tool_use else None,
        answer=ResponseSchema(wanted.schema, strict=True) if wanted else None,
        sampling=Sampling(asked.temperature, asked.top_p, asked.top_k),
        max_output_tokens=asked.max_tokens,
        stop=tuple(asked.stop_sequences or ()),
        reasoning=_reasoning(asked),
        user=asked.metadata.user_id if asked.metadata else None,
    )


def _system(system: str | list[_Text] | None) -> tuple[str, ...]:
    if isinstance(system, str):
        return (system,) if system else ()
    return tuple(block.text for block in system or ())


def _parts(content: str | list[_Block], at: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(block, f"{at}.content[{index}]") for index, block in enumerate(content))


def _part(block: _Block, at: str) -> Part:
    match block:
        case _Text():
            return _text(block, at)
        case _Image():
            return _image(block)
        case _Thinking():
            return Thinking(block.thinking, block.signature)
        case _Redacted():
            return Thinking("", block.data, redacted=True)
        case _ToolUse():
            if block.caller not in _DIRECT:
                raise unsupported(f"{at}.caller")
            return ToolCall(block.id, block.name, _ENCODE(block.input).decode())
        case _ToolResult():
            return ToolResult(block.tool_use_id, _result(block.content, at), block.is_error is True)


def _text(block: _Text, at: str) -> Text:
    if block.citations:
        raise unsupported(f"{at}.citations")
    return Text(block.text)


def _image(block: _Image) -> Image:
    source = block.source
    return Image(url=source.url) if isinstance(source, _Url) else Image(base64=source.data, media_type=source.media_type)


def _result(content: str | list[_Text | _Image] | None, at: str) -> tuple[Text | Image, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_text(block, at) if isinstance(block, _Text) else _image(block) for block in content or ())


def _tool_choice(choice: _Choice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if choice.type == "tool":
        return ToolChoice("tool", choice.name)
    return ToolChoice("required" if choice.type == "any" else choice.type)


def _reasoning(asked: _Request) -> Reasoning | None:
    effort = asked.output_config.effort if asked.output_config else None
    if isinstance(asked.thinking, _ThinkingEnabled):
        return Reasoning(effort, None if effort else asked.thinking.budget_tokens)
    return Reasoning(effort) if effort else None
