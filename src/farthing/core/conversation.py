"""What is said between a caller and a model, in no dialect: requests, answers, and the events of an answer on its way.

A dialect that can say something which these nouns cannot must refuse to translate it, never drop it.
"""

from enum import StrEnum
from typing import Any, Literal

import msgspec

from farthing.core.errors import FarthingError
from farthing.core.usage import Usage


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


class Text(msgspec.Struct, frozen=True, gc=False):
    text: str


class Image(msgspec.Struct, frozen=True, gc=False):
    """A picture, by address or by content."""

    url: str | None = None
    base64: str | None = None
    media_type: str | None = None  # of the base64 content
    detail: str | None = None  # how closely to look, where a dialect lets the caller say


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """The model wants a function run. `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class ToolResult(msgspec.Struct, frozen=True, gc=False):
    call_id: str
    content: tuple[Text | Image, ...]
    is_error: bool = False


class Thinking(msgspec.Struct, frozen=True, gc=False):
    """The model's notes to itself. The signature binds them to the model that wrote them: no other can use them."""

    text: str
    signature: str | None = None
    redacted: bool = False  # no text, only the sealed signature


Part = Text | Image | ToolCall | ToolResult | Thinking


class Message(msgspec.Struct, frozen=True):
    """One turn. Role system only where it comes after the first turn; the leading ones are `Conversation.system`."""

    role: Literal["user", "assistant", "system"]
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A function that the caller can run. `parameters` is a JSON schema."""

    name: str
    description: str | None
    parameters: dict[str, Any]
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    mode: Literal["auto", "required", "none", "tool"]
    name: str | None = None  # of the one tool, in mode tool


class ResponseSchema(msgspec.Struct, frozen=True):
    """The answer must be JSON; with a schema, of this shape."""

    schema: dict[str, Any] | None
    name: str = "answer"
    description: str | None = None
    strict: bool | None = None


class Sampling(msgspec.Struct, frozen=True, gc=False):
    """`None`: the caller did not say."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None


class Reasoning(msgspec.Struct, frozen=True, gc=False):
    """How hard to think: in the words of an effort scale, or in tokens."""

    effort: str | None = None
    budget_tokens: int | None = None


class Conversation(msgspec.Struct, frozen=True):
    """A request to a model. The model itself and whether to stream are no part of it."""

    messages: tuple[Message, ...]
    system: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    answer: ResponseSchema | None = None
    sampling: Sampling = Sampling()
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    reasoning: Reasoning | None = None
    verbosity: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None  # labels for the provider's own lists


class Answer(msgspec.Struct, frozen=True):
    """What a model said: its notes first, then the text, then the tools it wants run."""

    id: str
    model: str
    text: str
    created: int | None = None
    reasoning: tuple[Thinking, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    finish: Finish | None = None
    usage: Usage | None = None


class Started(msgspec.Struct, frozen=True, gc=False):
    id: str
    model: str


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    text: str


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """More notes. One with a signature is the last of its `Thinking`."""

    text: str
    signature: str | None = None
    redacted: bool = False


class ToolCallStarted(msgspec.Struct, frozen=True, gc=False):
    index: int  # 0 for the first tool call of the answer
    id: str
    name: str


class ToolArgsDelta(msgspec.Struct, frozen=True, gc=False):
    index: int
    arguments: str


class Stopped(msgspec.Struct, frozen=True, gc=False):
    finish: Finish


class Counted(msgspec.Struct, frozen=True, gc=False):
    """Tokens so far; the last one counts."""

    usage: Usage


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The upstream reported an error in the middle of its answer."""

    error: FarthingError


Event = Started | TextDelta | RefusalDelta | ReasoningDelta | ToolCallStarted | ToolArgsDelta | Stopped | Counted | Failed
