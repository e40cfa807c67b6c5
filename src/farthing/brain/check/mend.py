"""Mend: read what a model meant as JSON, in one pass and linear time.

Handles prose and code fences around a value, comments, trailing and missing commas, single and curly quotes, unquoted keys, Python's
literals, raw line breaks and stray quotes inside strings, and closing brackets that are missing at the end. It never guesses content: a text that
ends inside a string or before a value is broken, and so is one with two different values that both fit.
General repair libraries guess, and take time with the square of some texts (docs/decisions/0006-own-json-mend.md).
"""

import json
from collections.abc import Callable
from typing import Any

MAX_CHARS = 262_144
_MAX_DEPTH = 64
_MAX_STARTS = 8
_QUOTES = {'"': '"', "'": "'", "“": "”", "”": "”", "‘": "’", "’": "’"}
_LITERALS: dict[str, Any] = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None, "undefined": None}
_ENDS = ",:}]"
_NO_TEXT = ("//", "/*", "```")
_ESCAPES = '"\\/bfnrtu'


class Broken(ValueError):
    """Not readable without guessing."""


def mend(text: str, fits: Callable[[Any], bool]) -> Any:
    """The one value in `text` that fits. Raises `Broken` when there is none, or more than one."""
    if len(text) > MAX_CHARS:
        raise Broken(f"longer than {MAX_CHARS} characters")
    found: list[Any] = []
    start, starts = _next_start(text, 0), 0
    while start >= 0 and starts < _MAX_STARTS:
        starts += 1
        reader = _Reader(text, start)
        try:
            value = reader.value(0)
        except Broken:
            start = _next_start(text, start + 1)
            continue
        if fits(value) and value not in found:
            found.append(value)
        start = _next_start(text, reader.at)
    if len(found) != 1:
        raise Broken("no part of it fits" if not found else "several different parts of it fit")
    return found[0]


def _next_start(text: str, at: int) -> int:
    starts = [position for position in (text.find("{", at), text.find("[", at)) if position >= 0]
    return min(starts, default=-1)


class _Reader:
    """A tolerant reader that only ever moves forward."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise Broken("nested too deep")
        char = self._peek()
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._array(depth)
        if char in _QUOTES:
            return self._string()
        return self._bare()

    def _object(self, depth: int) -> dict[str, Any]:
        self.at += 1
        members: dict[str, Any] = {}
        while True:
            char = self._peek_member()
            if char in ("", "}"):
                self.at += 1
                return members
            key = self._string() if char in _QUOTES else self._word(":")
            if self._peek() != ":" or not key:
                raise Broken(f"no colon after a key at character {self.at}")
            self.at += 1
            members[key] = self.value(depth + 1)

    def _array(self, depth: int) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        while True:
            char = self._peek_member()
            if char in ("", "]"):
                self.at += 1
                return items
            items.append(self.value(depth + 1))

    def _peek_member(self) -> str:
        """The next character that is no separator."""
        while (char := self._peek()) == ",":
            self.at += 1
        return char

    def _peek(self) -> str:
        """The next character that is neither space nor comment; empty at the end."""
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char.isspace():
                self.at += 1
            elif char == "#" or text.startswith("//", self.at):
                self._skip_to("\n")
            elif text.startswith("/*", self.at):
                self._skip_to("*/")
            elif text.startswith("```", self.at):
                self.at = len(text)
            else:
                return char
        return ""

    def _skip_to(self, mark: str) -> None:
        end = self.text.find(mark, self.at)
        self.at = len(self.text) if end < 0 else end + len(mark)

    def _bare(self) -> Any:
        word = self._word(",}]\n")
        if word in _LITERALS:
            return _LITERALS[word]
        try:
            return json.loads(word, parse_constant=_no_constant)
        except ValueError:
            raise Broken(f"no value at character {self.at}") from None

    def _word(self, ends: str) -> str:
        start = self.at
        text = self.text
        while self.at < len(text) and text[self.at] not in ends and self.at - start < 256:
            self.at += 1
        return text[start : self.at].strip()

    def _string(self) -> str:
        text = self.text
        closing = _QUOTES[text[self.at]]
        self.at += 1
        pieces: list[str] = ['"']
        while self.at < len(text):
            char = text[self.at]
            self.at += 1
            if char == "\\":
                pieces.append(self._escape())
            elif char == closing and self._ends_string():
                pieces.append('"')
                return json.loads("".join(pieces))
            elif char == '"':
                pieces.append('\\"')
            elif char < " ":
                pieces.append(f"\\u{ord(char):04x}")
            else:
                pieces.append(char)
        raise Broken("ends inside a string")

    def _ends_string(self) -> bool:
        """A quote ends its string when what follows could follow a string; any other quote is part of the text."""
        at, text = self.at, self.text
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text) or text[at] in _ENDS or text.startswith(_NO_TEXT, at):
            return True
        if text[at] not in _QUOTES or at == self.at:
            return False
        if "\n" not in text[self.at : at]:
            raise Broken(f"a comma or a quote is missing at character {at}")
        return True

    def _escape(self) -> str:
        char = self.text[self.at : self.at + 1]
        if char not in _ESCAPES or not char:
            return "\\\\" if char != "'" else ""
        self.at += 1
        if char != "u":
            return "\\" + char
        digits = self.text[self.at : self.at + 4]
        if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            return "\\\\u"
        self.at += 4
        return "\\u" + digits


def _no_constant(name: str) -> Any:
    raise ValueError(name)
