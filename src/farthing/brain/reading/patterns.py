"""Patterns that an operator writes: RE2, so that no text makes one slow, typed as far as we use it."""

from collections.abc import Iterator
from typing import Any, Protocol, cast

import re2  # pyright: ignore[reportMissingTypeStubs]

from farthing.core.errors import ConfigError

Span = tuple[int, int]


class Match(Protocol):
    """What we use of an RE2 match."""

    lastgroup: str | None

    def span(self) -> Span: ...
    def group(self) -> str: ...


class Pattern(Protocol):
    """What we use of an RE2 pattern."""

    def search(self, text: str) -> Match | None: ...
    def fullmatch(self, text: str) -> Match | None: ...
    def finditer(self, text: str) -> Iterator[Match]: ...


def compile_pattern(pattern: str, owner: str, *, case_sensitive: bool = True) -> Pattern:
    """Raises `ConfigError` naming `owner` when RE2 does not take it, or when it matches the empty text."""
    engine = cast(Any, re2)
    options = engine.Options()
    options.case_sensitive, options.log_errors = case_sensitive, False
    try:
        compiled = cast(Pattern, engine.compile(pattern, options))
    except engine.error as error:
        detail = error.args[0]
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise ConfigError(f"{owner}: RE2 does not take the pattern '{pattern}': {text}. RE2 has no look-around and no back-references.") from None
    if compiled.search("") is not None:
        raise ConfigError(f"{owner}: the pattern '{pattern}' matches the empty text, and so every text. Make it ask for at least one character.")
    return compiled
