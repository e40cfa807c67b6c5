"""A responses body as a `Conversation`.

Strict: what the structs here and in `items` do not list cannot be translated; state kept at the provider and its own tools cannot either.
Labels, cache hints, and the wish for summaries or sealed reasoning where there may be none (`reasoning.summary: auto`, `include`) ask nothing more
of a model than it gives.
"""

from typing import Any, Literal

import msgspec

from farthing.core.conversation import Conversation, Message, Reasoning, ResponseSchema, Sampling, Text, Tool, ToolChoice
from farthing.core.errors import InvalidRequest
from farthing.wire.openai_responses.items import parse_items
from farthing.wire.strict import decode, refuse_unless, unsupported


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Reasoning(_Strict):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class _TextFormat(_Strict, tag="text"):
    pass


class _JsonFormat(_Strict, tag="json_object"):
    pass


class _SchemaFormat(_Strict, tag="json_schema"):
    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class _Text(_Strict):
    format: _TextFormat | _JsonFormat | _SchemaFormat | None = None
    verbosity: str | None = None


class _Function(_Strict, tag="function"):
    name: str
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None


class _NamedChoice(_Strict, tag="function"):
    name: str


class _Request(_Strict):
    model: str
    input: str | list[msgspec.Raw]
    instructions: str | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[_Function] | None = None
    tool_choice: Literal["none", "auto", "required"] | _NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, str] | None = None
    client_metadata: Any = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    include: list[str] | None = None
    background: bool | None = None
    context_management: Any = None
    conversation: Any = None
    max_tool_calls: int | None = None
    moderation: Any = None
    previous_response_id: str | None = None
    prompt: Any = None
    service_tier: str | None = None
    store: bool | None = None
    top_logprobs: int | None = None
    truncation: str | None = None


# Fields without a counterpart, and the values at which they ask for nothing.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "include": ([], ["reasoning.encrypted_content"]),
    "background": (False,),
    "context_management": ([],),
    "conversation": (),
    "max_tool_calls": (),
    "moderation": (),
    "previous_response_id": (),
    "prompt": (),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "top_logprobs": (0,),
    "truncation": ("disabled",),
}

_REQUEST = msgspec.json.Decoder(_Request)


def parse_request(body: bytes) -> Conversation:
    """Raises `UnsupportedFeature` for what no other dialect can say, `InvalidRequest` for wrong types."""
    asked = decode(_REQUEST, body)
    refuse_unless(_HARMLESS, asked)
    system, turns = ((), (Message("user", (Text(asked.input),)),)) if isinstance(asked.input, str) else parse_items(asked.input)
    return Conversation(
        messages=turns,
        system=((asked.instructions,) if asked.instructions else ()) + system,
        tools=tuple(_tool(tool, f"tools[{at}]") for at, tool in enumerate(asked.tools or ())),
        tool_choice=_tool_choice(asked.tool_choice),
        parallel_tool_calls=asked.parallel_tool_calls,
        answer=_answer_schema(asked.text.format if asked.text else None),
        sampling=Sampling(asked.temperature, asked.top_p),
        max_output_tokens=asked.max_output_tokens,
        reasoning=_reasoning(asked.reasoning),
        verbosity=asked.text.verbosity if asked.text else None,
        user=asked.safety_identifier or asked.user,
        metadata=asked.metadata,
    )


def _tool(tool: _Function, at: str) -> Tool:
    if tool.defer_loading:
        raise unsupported(f"{at}.defer_loading")
    if tool.allowed_callers not in (None, ["direct"]):
        raise unsupported(f"{at}.allowed_callers")
    return Tool(tool.name, tool.description, tool.parameters or {"type": "object", "properties": {}}, tool.strict)


def _tool_choice(choice: Literal["none", "auto", "required"] | _NamedChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    return ToolChoice("tool", choice.name) if isinstance(choice, _NamedChoice) else ToolChoice(choice)


def _answer_schema(wanted: _TextFormat | _JsonFormat | _SchemaFormat | None) -> ResponseSchema | None:
    if isinstance(wanted, _SchemaFormat):
        return ResponseSchema(wanted.schema, wanted.name, wanted.description, wanted.strict)
    return ResponseSchema(None) if isinstance(wanted, _JsonFormat) else None


def _reasoning(asked: _Reasoning | None) -> Reasoning | None:
    if asked is None:
        return None
    for name, value, harmless in (
        ("summary", asked.summary, "auto"),
        ("generate_summary", asked.generate_summary, "auto"),
        ("context", asked.context, "auto"),
        ("mode", asked.mode, "standard"),
    ):
        if value is not None and value != harmless:
            raise unsupported(f"reasoning.{name}")
    if asked.effort == "":
        raise InvalidRequest("The field 'reasoning.effort' is empty.", param="reasoning.effort")
    return Reasoning(asked.effort) if asked.effort else None
