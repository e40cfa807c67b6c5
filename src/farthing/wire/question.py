"""A request taken apart: the last thing a user said, and everything else.

What is compared by meaning is the question alone; everything else must be equal. Costs: 8 us for a body of 1.5 KB.
"""

from typing import Any

import msgspec

from farthing.core.request import Dialect
from farthing.wire.canonical import canonical

_decode = msgspec.json.decode
_encode = msgspec.json.Encoder(order="deterministic").encode
_LIST = {Dialect.CHAT: "messages", Dialect.MESSAGES: "messages", Dialect.RESPONSES: "input"}


class Question(msgspec.Struct, frozen=True, gc=False):
    """`frame` is the canonical body with a hole where the question was: two requests with the same frame differ in the question alone."""

    text: str
    frame: bytes
    follows: bool  # earlier turns of a user come before it


def question(dialect: Dialect, body: bytes) -> Question | None:
    """`None` where the last turn is not plain text of a user. Raises what `canonical` raises."""
    return question_of(dialect, canonical(dialect, body)) if dialect in _LIST else None


def question_of(dialect: Dialect, canonical_body: bytes) -> Question | None:
    """The same, of a body that is canonical already."""
    if dialect not in _LIST:
        return None
    name = dialect.value.encode()
    fields: dict[str, Any] = _decode(canonical_body[len(name) :])
    turns: Any = fields.get(_LIST[dialect])
    if isinstance(turns, str):
        fields[_LIST[dialect]] = None
        return Question(turns, name + _encode(fields), False)
    found = _turns(turns)
    if not found or found[-1].get("role") != "user":
        return None
    text = _text(found[-1].get("content"))
    if text is None:
        return None
    follows = any(turn.get("role") in ("user", "assistant") for turn in found[:-1])
    fields[_LIST[dialect]] = [*found[:-1], {**found[-1], "content": None}]
    return Question(text, name + _encode(fields), follows)


def _turns(value: Any) -> list[dict[str, Any]]:
    """Empty where they are not what they should be."""
    try:
        return msgspec.convert(value, list[dict[str, Any]])
    except msgspec.ValidationError:
        return []


def _text(content: Any) -> str | None:
    """Of a plain string, or of one part that is nothing but text."""
    if isinstance(content, str):
        return content
    parts = _turns(content)
    if len(parts) != 1 or parts[0].get("type") not in ("text", "input_text") or not set(parts[0]) <= {"type", "text"}:
        return None
    text = parts[0].get("text")
    return text if isinstance(text, str) else None
