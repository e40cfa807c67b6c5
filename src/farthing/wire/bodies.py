"""The shapes of request bodies, as far as we read them; everything else in a body is skipped unseen.

Every field takes `null` for "not said", as SDKs send it. `Raw` fields are checked to be JSON and left undecoded.
"""

from typing import Annotated, Any

import msgspec

ABSENT = msgspec.Raw(b"")
# A negative number of tokens would be a negative price, and give back budget that others hold.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Part(msgspec.Struct, gc=False):
    """A content part of any dialect, also of a kind invented next year."""

    type: str
    text: str | None = None
    refusal: str | None = None
    thinking: str | None = None
    content: "str | list[Part] | dict[str, msgspec.Raw] | None" = None  # of a tool result
    input: msgspec.Raw = ABSENT  # of a tool call


class ChatMessage(msgspec.Struct, gc=False):
    role: str
    content: str | list[Part] | None = None
    tool_calls: msgspec.Raw = ABSENT
    function_call: msgspec.Raw = ABSENT


class StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class NamedSchema(msgspec.Struct, gc=False):
    schema: dict[str, Any] | None = None


class ResponseFormat(msgspec.Struct, gc=False):
    """chat `response_format`, responses `text.format` and Anthropic `output_config.format` in one."""

    type: str = "text"
    json_schema: NamedSchema | None = None
    schema: dict[str, Any] | None = None


class ChatBody(msgspec.Struct, gc=False):
    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: Count | None = None
    seed: int | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    response_format: ResponseFormat | None = None
    tools: msgspec.Raw = ABSENT
    functions: msgspec.Raw = ABSENT
    web_search_options: msgspec.Raw = ABSENT
    audio: msgspec.Raw = ABSENT
    logprobs: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class InputItem(msgspec.Struct, gc=False):
    type: str | None = None
    role: str | None = None
    content: str | list[Part] | None = None
    arguments: msgspec.Raw = ABSENT
    input: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT
    summary: msgspec.Raw = ABSENT


class TextConfig(msgspec.Struct, gc=False):
    format: ResponseFormat | None = None


class ResponsesBody(msgspec.Struct, gc=False):
    model: str
    input: str | list[InputItem]
    instructions: str | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: Count | None = None
    text: TextConfig | None = None
    tools: msgspec.Raw = ABSENT
    top_logprobs: int | None = None
    include: list[str] | None = None
    previous_response_id: str | None = None
    conversation: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    background: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class AnthropicMessage(msgspec.Struct, gc=False):
    role: str
    content: str | list[Part]


class AnthropicMetadata(msgspec.Struct, gc=False):
    user_id: str | None = None


class OutputConfig(msgspec.Struct, gc=False):
    format: ResponseFormat | None = None


class MessagesBody(msgspec.Struct, gc=False):
    model: str
    messages: list[AnthropicMessage]
    system: str | list[Part] | None = None
    max_tokens: Count | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: msgspec.Raw = ABSENT
    mcp_servers: msgspec.Raw = ABSENT
    container: msgspec.Raw = ABSENT
    metadata: AnthropicMetadata | None = None
    output_config: OutputConfig | None = None
    output_format: ResponseFormat | None = None


class EmbeddingsBody(msgspec.Struct, gc=False):
    model: str
    input: str | list[str | int | list[int]]
    user: str | None = None
