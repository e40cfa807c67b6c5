"""What a document itself gives two names: abbreviations where it spells them out, and words that it writes with a hyphen. Pure.

Abbreviations both ways round, "virtual private network (VPN)" and "VPN (virtual private network)", by the rule of Schwartz and Hearst (2003, "A
simple algorithm for identifying abbreviation definitions in biomedical text"): each letter of the short form in order in the long one, the first at
the beginning of a word. Only what has two capitals counts as one; a long form has at least two words.
Costs: 0.1 ms for a chunk of 170 tokens.
"""

import re
from collections.abc import Iterable, Iterator

from farthing.core.document import Wording

_MOST = 200  # of one document
_BRACKETS = re.compile(r"[(\[]([^()\[\]\n]{2,120})[)\]]")
_BOUND = re.compile(r"[()\[\]\n]")
_BEFORE_CHARS = 160
_SHORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9&./-]{1,9}")
_LAST_WORD = re.compile(r"[^\s,;:\"“”]+$")
_HYPHENED = re.compile(r"(?<![\w-])([A-Za-z]{1,12})-([A-Za-z]{2,12})(?![\w-])")
_SHORTEST_JOINED = 5


def wordings(texts: Iterable[str]) -> tuple[Wording, ...]:
    """Each once, in the order of their first appearance; short forms of hyphened words are the joined ones, in lower case."""
    found: dict[Wording, None] = {}
    for text in texts:
        found |= dict.fromkeys(_abbreviations(text))
        found |= dict.fromkeys(_hyphened(text))
    return tuple(found)[:_MOST]


def _abbreviations(text: str) -> Iterator[Wording]:
    for match in _BRACKETS.finditer(text):
        before = _BOUND.split(text[max(0, match.start() - _BEFORE_CHARS) : match.start()])[-1].strip()
        inside = re.split(r"[,;]", match[1], maxsplit=1)[0].strip(" \"'“”")
        if (short := _short(inside)) is not None and (long := _long_form(short, before)) is not None:
            yield Wording("acronym", short, long)
        elif (last := _LAST_WORD.search(before)) is not None and (short := _short(last[0])) is not None and _long_form(short, inside) == inside:
            yield Wording("acronym", short, inside)


def _short(text: str) -> str | None:
    """As an abbreviation, without the s of a plural; `None`: it is none."""
    text = text.removesuffix("s") if text[-2:-1].isupper() else text
    return text if _SHORT.fullmatch(text) and sum(map(str.isupper, text)) > 1 else None


def _long_form(short: str, text: str) -> str | None:
    """The end of `text` that the short form stands for."""
    letters = [char.lower() for char in short if char.isalnum()]
    words = text.split()[-min(len(letters) + 5, 2 * len(letters)) :]
    text = " ".join(words)
    lowered, at = text.lower(), len(text)
    for place in range(len(letters) - 1, -1, -1):
        at -= 1
        while at >= 0 and (lowered[at] != letters[place] or (place == 0 and at > 0 and lowered[at - 1].isalnum())):
            at -= 1
        if at < 0:
            return None
    long = text[at:].strip(" ,;:\"'“”")
    parts = long.split()
    return long if len(parts) > 1 and len(long) > len(short) and short not in parts else None


def _hyphened(text: str) -> Iterator[Wording]:
    for match in _HYPHENED.finditer(text):
        joined = (match[1] + match[2]).lower()
        if len(joined) >= _SHORTEST_JOINED:
            yield Wording("compound", joined, match[0].lower())
