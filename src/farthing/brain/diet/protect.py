"""What no rule may touch inside a text: fenced and inline code, quoted words, links.

They are taken out before the rules run and put back after, so that no rule has to know of them.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: no text that means something holds them
_CODE = (("`", r"`[^`\n]+`"), ("```", r"^[ \t]*```.*?(?:^[ \t]*```[ \t]*$|\Z)"), ("~~~", r"^[ \t]*~~~.*?(?:^[ \t]*~~~[ \t]*$|\Z)"))
_TAG = r"(?P<tag><[a-zA-Z][^<>\n]*>)"  # what stands in quotes inside a tag is no quotation
_BADGE = r"(?P<badge>\[!\[[^\]\n]*\]\([^)\s]*\)\]\([^)\s]*\))"  # nor is a picture's address a link to keep
_WORDS = (('"', r'"[^"\n]{1,400}"'), ("“", r"“[^”\n]{1,400}”"), ("«", r"«[^»\n]{1,400}»"), ("](", r"\]\([^)\s]+\)"))


class Protected:
    """A set of things to keep. Only what may occur in a text is looked for: most texts hold none of it."""

    def __init__(self, kinds: tuple[tuple[str, str], ...]) -> None:
        self._kinds = kinds

    def pattern(self, text: str) -> "re.Pattern[str] | None":
        """What matches in this text, and the tags and badges between; `None` where nothing can."""
        return _compiled(tuple(pattern for mark, pattern in reversed(self._kinds) if mark in text))

    def matches(self, text: str) -> "Iterator[re.Match[str]]":
        """The pieces to keep, in order; they do not overlap."""
        pattern = self.pattern(text)
        return iter(()) if pattern is None else (match for match in pattern.finditer(text) if match.lastgroup is None)


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...]) -> "re.Pattern[str] | None":
    return re.compile("|".join(patterns), re.MULTILINE | re.DOTALL) if patterns else None


CODE = Protected(_CODE)
WORDS = Protected((*_WORDS, *_CODE, ("<", _TAG), ("[![", _BADGE)))
_HOLE = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


def take_out(text: str, what: Protected) -> tuple[str, list[str]] | None:
    """The text with numbered holes for all that matches `what`, and what was in them; `None` where it holds our own marks and must be left alone.

    `CODE` is fenced and inline code; `WORDS` is that, quoted words and the targets of links.
    """
    if _OPEN in text or _CLOSE in text:
        return None
    kept: list[str] = []
    pattern = what.pattern(text)
    if pattern is None:
        return text, kept

    def hole(match: "re.Match[str]") -> str:
        if match.lastgroup is not None:
            return match[0]
        kept.append(match[0])
        return f"{_OPEN}{len(kept) - 1}{_CLOSE}"

    return pattern.sub(hole, text), kept


def put_back(text: str, kept: list[str]) -> str:
    return _HOLE.sub(lambda match: kept[int(match[1])], text) if kept else text
