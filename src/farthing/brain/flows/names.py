"""Texts with names in them: `Order {order.id} is {lookup.body.status?}`. Pure.

A name is a path into what is known: `text`, `input.NAME`, `STEP`, `STEP.FIELD.FIELD`. `{a|b}` is the first that is known, `{a?}` nothing where it is
not, `{{a}}` the characters `{a}`. Values are put in as text, never read again: what a caller or a website wrote names nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import msgspec

_NAME = re.compile(r"\{\{([\w.|?-]+)\}\}|\{([\w.|-]+)(\?)?\}")

Values = Mapping[str, Any]


class Unknown(Exception):
    """A name that has no value in this request."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def names_in(text: str) -> Iterator[str]:
    """Every path that the text names."""
    for match in _NAME.finditer(text):
        if match[2]:
            yield from match[2].split("|")


def fill(text: str, values: Values, say: Callable[[Any], str] | None = None, *, anyway: str | None = None) -> str:
    """The text with every name replaced by its value, said by `say`. Raises `Unknown`, unless `anyway` stands for what is not known."""
    speak = say or as_text

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return f"{{{match[1]}}}"
        for path in match[2].split("|"):
            if (value := look_up(path, values)) is not None:
                return speak(value)
        if anyway is not None or match[3]:
            return anyway or ""
        raise Unknown(match[2])

    return _NAME.sub(replace, text)


def look_up(path: str, values: Values) -> Any:
    """`None` where nothing is known by that path."""
    value: Any = values
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get(step)
        elif isinstance(value, list) and step.isdigit():
            items = cast("list[Any]", value)
            value = items[int(step)] if int(step) < len(items) else None
        else:
            return None
    return value


def as_text(value: Any) -> str:
    """Words as they are, truth as true or false, everything else as JSON."""
    return value if isinstance(value, str) else as_json(value)


def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode("utf-8", "replace")
