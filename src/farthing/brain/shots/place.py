"""Where examples stand in a body, in every dialect: before the conversation, as turns of user and assistant. Pure.

Marked by callers are: messages named `example_user` and `example_assistant`, as OpenAI's guides have it; `<example>` blocks of a system prompt, as
Anthropic's have it.
"""

import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from farthing.config.context import FewShotExample
from farthing.core.request import Dialect
from farthing.wire.slots import slots

_encode = msgspec.json.encode
_SYSTEM = ("system", "developer")
_ASKS, _ANSWERS = "example_user", "example_assistant"
_BLOCK = re.compile(r"[ \t]*<example\b[^<>]*>(.*?)</example>[ \t]*\n?", re.DOTALL)


class Marked(msgspec.Struct, frozen=True):
    """One example of a caller's: what it is chosen by, and where it stands (places of messages, or a span of a system text)."""

    text: str
    places: tuple[int, ...] = ()
    span: tuple[int, int] | None = None
    slot: int = -1  # which of the body's texts the span is in


def with_examples(dialect: Dialect, body: bytes, examples: Sequence[FewShotExample]) -> dict[str, bytes]:
    """The field to change so that the examples stand after the system prompt and before the conversation; none for a body without messages."""
    field = "input" if dialect is Dialect.RESPONSES else "messages"
    said = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get(field, msgspec.Raw(b"null"))
    if bytes(said).lstrip()[:1] == b'"':
        items = [msgspec.Raw(_encode({"role": "user", "content": msgspec.json.decode(said)}))]
    elif bytes(said).lstrip()[:1] == b"[":
        items = msgspec.json.decode(said, type=list[msgspec.Raw])
    else:
        return {}
    start = next((place for place, item in enumerate(items) if not _is_system(item)), len(items))
    shown = [_encode({"role": role, "content": text}) for one in examples for role, text in (("user", one.input), ("assistant", one.output))]
    return {field: b"[" + b",".join([*map(bytes, items[:start]), *shown, *map(bytes, items[start:])]) + b"]"}


def _is_system(item: msgspec.Raw) -> bool:
    value = msgspec.json.decode(item)
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("role") in _SYSTEM


def marked_examples(dialect: Dialect, body: bytes) -> list[Marked]:
    """All examples that the caller marked, in order."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    found = _blocks(dialect, fields)
    items = fields.get("messages")
    if dialect is not Dialect.CHAT or not isinstance(items, list):
        return found
    named = [(place, cast("dict[str, Any]", item)) for place, item in enumerate(cast("list[Any]", items)) if isinstance(item, dict)]
    for place, item in named:
        if item.get("name") != _ASKS or not isinstance(item.get("content"), str):
            continue
        answers = tuple(after for after, other in named if after == place + 1 and other.get("name") == _ANSWERS)
        found.append(Marked(item["content"], (place, *answers)))
    return found


def _blocks(dialect: Dialect, fields: dict[str, Any]) -> list[Marked]:
    return [
        Marked(match[1], span=match.span(), slot=number)
        for number, slot in enumerate(slots(dialect, fields))
        if slot.said == "system" and not slot.pinned and "<example" in slot.text
        for match in _BLOCK.finditer(slot.text)
    ]


def without_marked(dialect: Dialect, body: bytes, gone: Sequence[Marked]) -> dict[str, bytes]:
    """The fields to change so that these examples are not sent."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    changed: dict[str, None] = {}
    found = slots(dialect, fields)
    for one in sorted((one for one in gone if one.span is not None), key=lambda one: one.span or (0, 0), reverse=True):
        assert one.span is not None
        slot = found[one.slot]
        slot.text = slot.text[: one.span[0]] + slot.text[one.span[1] :]
        changed[slot.field] = None
    places = {place for one in gone for place in one.places}
    if places:
        fields["messages"] = [item for place, item in enumerate(fields["messages"]) if place not in places]
        changed["messages"] = None
    return {name: _encode(fields[name]) for name in changed}
