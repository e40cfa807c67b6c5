"""The texts of a request body, in the order in which a model reads them, each with who said it and whether it may be changed.

Works on decoded fields; setting a slot's text changes them in place. Tool calls, ids, media and whatever is not text have no slot. A text at or
before the last cache breakpoint (`cache_control`) is `pinned`: changing it would throw away a prefix that the provider has cached.
"""

from collections.abc import Iterator
from typing import Any, Literal, cast

from farthing.core.request import Dialect

Said = Literal["system", "user", "assistant", "tool"]
Fields = dict[str, Any]

# The fields that hold texts, by dialect; a change to a text is a change to its field.
TEXT_FIELDS: dict[Dialect, tuple[str, ...]] = {
    Dialect.CHAT: ("messages",),
    Dialect.MESSAGES: ("system", "messages"),
    Dialect.RESPONSES: ("instructions", "input"),
    Dialect.EMBEDDINGS: (),
}
_TEXT_TYPES = ("text", "input_text", "output_text")
_TOOL_TYPES = ("tool_result", "function_call_output")


class Slot:
    """One text in its place. `holder[key]` is where it lives."""

    __slots__ = ("_holder", "_key", "field", "pinned", "place", "said")

    def __init__(self, holder: Any, key: str | int, said: Said, field: str) -> None:
        self._holder = holder
        self._key = key
        self.said: Said = said
        self.field = field
        self.pinned = False
        self.place = 0  # of its message in the field

    @property
    def text(self) -> str:
        return self._holder[self._key]

    @text.setter
    def text(self, text: str) -> None:
        self._holder[self._key] = text


def slots(dialect: Dialect, fields: Fields) -> list[Slot]:
    """Every text of the body. A body that is not as its dialect says has fewer slots, never an error."""
    found: list[Slot] = []
    pinned = -1
    for slot, breaks in _walk(dialect, fields):
        if slot is not None:
            found.append(slot)
        if breaks:
            pinned = len(found) - 1
    for slot in found[: pinned + 1]:
        slot.pinned = True
    return found


def _walk(dialect: Dialect, fields: Fields) -> Iterator[tuple[Slot | None, bool]]:
    """Each text with whether a cache breakpoint stands on it; `None` for a breakpoint on something that is no text."""
    for field in TEXT_FIELDS[dialect]:
        value = fields.get(field)
        if isinstance(value, str):
            yield Slot(fields, field, "user" if field == "input" else "system", field), False
        elif isinstance(value, list):
            for place, item in enumerate(cast("list[Any]", value)):
                if isinstance(item, dict):
                    yield from _placed(_item(cast("dict[str, Any]", item), field), place)


def _placed(found: Iterator[tuple[Slot | None, bool]], place: int) -> Iterator[tuple[Slot | None, bool]]:
    for slot, breaks in found:
        if slot is not None:
            slot.place = place
        yield slot, breaks


def _item(item: dict[str, Any], field: str) -> Iterator[tuple[Slot | None, bool]]:
    breaks = "cache_control" in item
    if field == "system":
        if isinstance(item.get("text"), str):
            yield Slot(item, "text", "system", field), breaks
        return
    if item.get("type") == "function_call_output":
        if isinstance(item.get("output"), str):
            yield Slot(item, "output", "tool", field), breaks
        return
    said = _said_by(item.get("role"))
    content = item.get("content")
    if isinstance(content, str):
        yield Slot(item, "content", said, field), breaks
    elif isinstance(content, list):
        for part in cast("list[Any]", content):
            if isinstance(part, dict):
                yield from _part(cast("dict[str, Any]", part), said, field)
        if breaks:
            yield None, True


def _said_by(role: object) -> Said:
    if role in ("system", "developer"):
        return "system"
    if role in ("tool", "function"):
        return "tool"
    return "assistant" if role == "assistant" else "user"


def _part(part: dict[str, Any], said: Said, field: str) -> Iterator[tuple[Slot | None, bool]]:
    breaks = "cache_control" in part
    kind = part.get("type")
    if kind in _TEXT_TYPES and isinstance(part.get("text"), str):
        yield Slot(part, "text", said, field), breaks
    elif kind in _TOOL_TYPES:
        content = part.get("content")
        if isinstance(content, str):
            yield Slot(part, "content", "tool", field), breaks
        elif isinstance(content, list):
            for inner in cast("list[Any]", content):
                if isinstance(inner, dict):
                    yield from _part(cast("dict[str, Any]", inner), "tool", field)
            if breaks:
                yield None, True
    elif breaks:
        yield None, True
