"""The `input` items of a responses body as turns: messages, function calls and their outputs, reasoning."""

from typing import Any, Literal

import msgspec

from farthing.core.conversation import Image, Message, Part, Text, Thinking, ToolCall, ToolResult
from farthing.core.errors import InvalidRequest
from farthing.wire.media import parse_image_url
from farthing.wire.strict import decode, unsupported


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Kind(msgspec.Struct):
    type: str = "message"


class _InputText(_Strict, tag="input_text"):
    text: str
    prompt_cache_breakpoint: Any = None


class _OutputText(_Strict, tag="output_text"):
    text: str
    annotations: list[Any] | None = None
    logprobs: Any = None


class _Refusal(_Strict, tag="refusal"):
    refusal: str


class _InputImage(_Strict, tag="input_image"):
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    prompt_cache_breakpoint: Any = None


_Content = _InputText | _OutputText | _Refusal | _InputImage


class _Message(_Strict):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Content]
    type: Literal["message"] = "message"
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class _FunctionCall(_Strict, tag="function_call"):
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None
    namespace: None = None
    caller: dict[str, Any] | None = None


class _FunctionOutput(_Strict, tag="function_call_output"):
    call_id: str
    output: str | list[_InputText | _InputImage]
    id: str | None = None
    name: str | None = None
    status: str | None = None
    namespace: None = None
    caller: dict[str, Any] | None = None


class _Note(msgspec.Struct):
    text: str


class _Reasoning(_Strict, tag="reasoning"):
    summary: list[_Note] | None = None
    content: list[_Note] | None = None
    encrypted_content: str | None = None
    id: str | None = None
    status: str | None = None


_KIND = msgspec.json.Decoder(_Kind)
_MESSAGE = msgspec.json.Decoder(_Message)
_OTHER = msgspec.json.Decoder(_FunctionCall | _FunctionOutput | _Reasoning)
_ROLES: dict[str, Literal["user", "assistant", "system"]] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}


def parse_items(items: list[msgspec.Raw]) -> tuple[tuple[str, ...], tuple[Message, ...]]:
    """The leading system texts, and the turns after them; items that follow each other in one role are one turn."""
    system: list[str] = []
    turns: list[Message] = []
    for index, raw in enumerate(items):
        turn = _turn(raw, f"input[{index}]")
        if turn.role == "system" and not turns:
            system.append("\n".join(part.text for part in turn.parts if isinstance(part, Text)))
        elif turns and turns[-1].role == turn.role != "system" and _goes_on(turns[-1], turn):
            turns[-1] = Message(turn.role, turns[-1].parts + turn.parts)
        else:
            turns.append(turn)
    return tuple(system), tuple(turns)


def _goes_on(before: Message, turn: Message) -> bool:
    """An assistant's notes, text and calls are one turn of it; so are results of calls made together."""
    return turn.role == "assistant" or all(isinstance(part, ToolResult) for part in before.parts + turn.parts)


def _turn(raw: msgspec.Raw, at: str) -> Message:
    if decode(_KIND, raw, at).type == "message":
        message = decode(_MESSAGE, raw, at)
        return Message(_ROLES[message.role], _parts(message.content, at))
    item: _FunctionCall | _FunctionOutput | _Reasoning = decode(_OTHER, raw, at)
    if isinstance(item, _FunctionCall):
        return Message("assistant", (ToolCall(item.call_id, item.name, item.arguments),))
    if isinstance(item, _FunctionOutput):
        return Message("user", (ToolResult(item.call_id, _output(item.output, at)),))
    notes = item.summary or item.content or []
    return Message("assistant", (Thinking("\n".join(note.text for note in notes), item.encrypted_content),))


def _parts(content: str | list[_Content], at: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(part, f"{at}.content[{index}]") for index, part in enumerate(content))


def _part(part: _Content, at: str) -> Text | Image:
    match part:
        case _OutputText() if part.annotations:
            raise unsupported(f"{at}.annotations")
        case _InputText() | _OutputText():
            return Text(part.text)
        case _Refusal():
            return Text(part.refusal)
        case _InputImage():
            return _image(part, at)


def _image(part: _InputImage, at: str) -> Image:
    if part.file_id is not None:
        raise unsupported(f"{at}.file_id")
    if part.image_url is None:
        raise InvalidRequest(f"The field '{at}.image_url' is missing.", param=f"{at}.image_url")
    return parse_image_url(part.image_url, None if part.detail == "auto" else part.detail, f"{at}.image_url")


def _output(output: str | list[_InputText | _InputImage], at: str) -> tuple[Text | Image, ...]:
    if isinstance(output, str):
        return (Text(output),)
    return tuple(Text(part.text) if isinstance(part, _InputText) else _image(part, f"{at}.output[{index}]") for index, part in enumerate(output))
