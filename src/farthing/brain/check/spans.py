"""Spans: where a pattern matches a text, disguised or not, in places of the original."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, cast

import re2  # pyright: ignore[reportMissingTypeStubs]

from farthing.brain.check.disguise import Mapped, latin, plain, views, without_surrogates
from farthing.core.errors import ConfigError

Span = tuple[int, int]
Named = tuple[int, int, str]


class Match(Protocol):
    """What we use of an RE2 match."""

    lastgroup: str | None

    def span(self) -> Span: ...
    def group(self) -> str: ...


class Pattern(Protocol):
    """What we use of an RE2 pattern."""

    def search(self, text: str) -> Match | None: ...
    def finditer(self, text: str) -> Iterator[Match]: ...


Narrow = Callable[[Match], Span | None]


def whole(match: Match) -> Span | None:
    """All of a match counts."""
    return match.span()


def compile_pattern(pattern: str, owner: str) -> Pattern:
    """Raises `ConfigError` naming `owner` when RE2 does not take it, or when it matches the empty text."""
    engine = cast(Any, re2)
    options = engine.Options()
    options.log_errors = False
    try:
        compiled = cast(Pattern, engine.compile(pattern, options))
    except engine.error as error:
        detail = error.args[0]
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise ConfigError(f"{owner}: RE2 does not take the pattern: {text}. RE2 has no look-around and no back-references.") from None
    if compiled.search("") is not None:
        raise ConfigError(f"{owner}: the pattern matches the empty text, and so every text. Make it ask for at least one character.")
    return compiled


def matches(pattern: Pattern, text: str) -> bool:
    return any(pattern.search(view) is not None for view in views(text))


def find_spans(pattern: Pattern, text: str, narrow: Narrow = whole) -> list[Named]:
    """Start, end and group name of every match, as far as `narrow` lets it count, in places of the text; views may overlap."""
    if text.isascii():
        return list(_counted(pattern, text, narrow))
    text = without_surrogates(text)
    found: list[Named] = []
    for view in (plain, latin):
        mapped = Mapped(text, view)
        found.extend((*mapped.original_span(start, end), name) for start, end, name in _counted(pattern, mapped.text, narrow))
    return found


def _counted(pattern: Pattern, text: str, narrow: Narrow) -> Iterator[Named]:
    for match in pattern.finditer(text):
        span = narrow(match)
        if span is not None:
            yield *span, match.lastgroup or ""


def apart(spans: Iterable[Named]) -> list[Named]:
    """In order, with overlapping ones made one; the first gives its name."""
    found: list[Named] = []
    for start, end, name in sorted(spans, key=lambda span: (span[0], -span[1])):
        if found and start < found[-1][1]:
            first = found[-1]
            found[-1] = (first[0], max(first[1], end), first[2])
        else:
            found.append((start, end, name))
    return found


def replace(text: str, spans: Iterable[Named]) -> str:
    """Each span replaced by its name in brackets."""
    pieces: list[str] = []
    at = 0
    for start, end, name in spans:
        pieces += (text[at:start], f"[{name}]")
        at = end
    pieces.append(text[at:])
    return "".join(pieces)
