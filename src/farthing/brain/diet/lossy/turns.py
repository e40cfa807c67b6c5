"""A conversation as exchanges: what a user said and all that followed until the user spoke again. Pure, in every dialect.

An exchange with a tool call holds its results too, as long as the client sends them in order; so whoever keeps or drops whole exchanges never
parts a call from its result.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import msgspec

from farthing.core.request import Dialect

_FIELD = {Dialect.CHAT: "messages", Dialect.MESSAGES: "messages", Dialect.RESPONSES: "input"}
_TEXT = frozenset({"text", "input_text", "output_text"})
_RESULT = "tool_result"
_MARK = b'"cache_control":'
_TALK_KEYS = frozenset({"role", "content", "type", "name", "id", "status", "annotations", "refusal"})


class Exchange(msgspec.Struct, frozen=True):
    """Places of its messages in the list. `text` is what was said in it; `plain`: nothing but talk, no tools, no media, no breakpoint."""

    places: tuple[int, ...]
    text: str
    plain: bool


class History(msgspec.Struct, frozen=True):
    """The exchanges of a request, the last one is being asked now. What came before the first user turn is in none of them."""

    field: str
    items: list[Any]
    exchanges: tuple[Exchange, ...]


def history(dialect: Dialect, fields: dict[str, Any]) -> History | None:
    """`None` where the request is no list of messages."""
    field = _FIELD.get(dialect)
    items = fields.get(field) if field is not None else None
    if field is None or not isinstance(items, list):
        return None
    found = cast("list[Any]", items)
    cached = max((place for place, item in enumerate(found) if _breaks(item)), default=-1)
    return History(field, found, tuple(_exchanges(found, cached)))


def _exchanges(items: list[Any], cached: int) -> Iterator[Exchange]:
    """`cached`: place of the last message with a cache breakpoint; what is before it must stay."""
    starts = [place for place, item in enumerate(items) if _speaks(item)]
    for start, end in pairwise([*starts, len(items)]):
        part = items[start:end]
        yield Exchange(tuple(range(start, end)), "\n".join(map(_said, part)), start > cached and all(map(_plain, part)))


def _breaks(item: Any) -> bool:
    return _MARK in msgspec.json.encode(item)


def _speaks(item: Any) -> bool:
    """A user said something: not only what tools gave."""
    if not isinstance(item, dict) or cast("dict[str, Any]", item).get("role") != "user":
        return False
    content = cast("dict[str, Any]", item).get("content")
    if not isinstance(content, list):
        return True
    return any(not isinstance(part, dict) or cast("dict[str, Any]", part).get("type") != _RESULT for part in cast("list[Any]", content))


def _plain(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    message = cast("dict[str, Any]", item)
    if message.get("role") not in ("user", "assistant") or any(key not in _TALK_KEYS and value for key, value in message.items()):
        return False
    content = message.get("content")
    if isinstance(content, str):
        return True
    if not isinstance(content, list):
        return False
    parts = cast("list[Any]", content)
    return all(isinstance(part, dict) and part.get("type") in _TEXT for part in parts)  # pyright: ignore[reportUnknownMemberType]


def _said(item: Any) -> str:
    content = cast("dict[str, Any]", item).get("content") if isinstance(item, dict) else None
    return content if isinstance(content, str) else "\n".join(part["text"] for part in _text_parts(content))


def _text_parts(content: Any) -> list[dict[str, Any]]:
    """The parts of a content that hold a text."""
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    dicts = [cast("dict[str, Any]", part) for part in parts if isinstance(part, dict)]
    return [part for part in dicts if isinstance(part.get("text"), str)]


def gap_note(turns: int) -> str:
    """What stands before the next turn where some were left out."""
    return f"[{turns} earlier {'turn' if turns == 1 else 'turns'} left out]\n\n"


def put_note(item: Any, note: str) -> None:
    """Put the note before the text of a message, in place; nowhere where it has none."""
    message = cast("dict[str, Any]", item)
    content = message.get("content")
    if isinstance(content, str):
        message["content"] = note + content
    elif parts := _text_parts(content):
        parts[0]["text"] = note + parts[0]["text"]


def tool_calls(fields: dict[str, Any]) -> list[tuple[int, str]]:
    """What tools were called with: the place of the message, and the call as JSON."""
    items = fields.get("messages") or fields.get("input")
    found: list[tuple[int, str]] = []
    for place, item in enumerate(cast("list[Any]", items) if isinstance(items, list) else []):
        message = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        content = message.get("content")
        blocks = cast("list[Any]", content) if isinstance(content, list) else []
        uses = [cast("dict[str, Any]", block).get("input") for block in blocks if isinstance(block, dict) and "input" in block]
        calls = [message.get("tool_calls"), message.get("arguments"), *uses]
        found += [(place, msgspec.json.encode(call).decode()) for call in calls if call]
    return found
