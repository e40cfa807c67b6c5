"""The normalised lane: which questions differ only in case, spacing or closing punctuation, and which are known by name.

    "How do I get a  Refund?"  and  "how do i get a refund"      one question
    "what does the US export"  and  "what does the us export"    two: capitals inside a word carry meaning and stay
    any that a slot's pattern matches whole                      one question, named by the slot

Everything but the last user text must be equal, as in the exact lane. Rules are rows; the first that matches keeps a text out of the lane, which
costs a call; a rule that is missing costs trust. Only the spelling of English is known here. Costs: 4 us a question.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from farthing.brain.reading.patterns import Pattern, compile_pattern
from farthing.config import CacheSlot

MOST_CHARS = 500

# Reason, pattern on the question as it was written.
ROWS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (reason, re.compile(pattern))
    for reason, pattern in (
        ("it has lines or columns", r"[\n\r\t\v\f]"),
        ("it holds code, markup or an identifier", r"[`{}\[\]<>|\\=^~*_#@;$]|::|->|\(\)|--|(?<!\w)/\w|[A-Za-z]\.[A-Za-z]|[a-z][A-Z]"),
        ("it quotes", r"[\"“”„«»‹›‘]|(?<!\w)'|'(?!\w)"),
        ("its letters are not those of English", r"[^\x20-\x7e’–—]"),
        ("it may be German, where capitals carry meaning", r"(?i)\b(der|das|den|dem|und|ist|nicht|wie|ich|ein|eine|sie|ihr|mit|auf)\b"),
    )
)

# What a capital tells apart: a name from a word.
_NAMES = (
    "access alaska alexa amazon apple art august bath bill bing bluetooth boxer capital catholic chad chase chess china chrome church congress cork "
    "dash dean delta democrat discord discover dodge dove drew earl earth echo edge english excel explorer explorers fall fire fleet ford frank "
    "galaxy gap general george god go grant guinea house hunt indian internet jack java job jordan labor labour lent liberal lima mali march mark "
    "mars may mercury messenger meta mint mobile moon nice niger nickel notion numbers oracle orange office outlook pages pat patience pearl "
    "photos pixel polish prime prince python quicken reading reader republican rich rob rose ruby rust safari scala senate shell signal slack "
    "spring square stage state states stripe sue sun surface swift target teams tender thunder tide titan turkey twitch union united us venus "
    "victor virgin visa warren washington watch wells will windows word zoom"
)
_CAPITAL_COUNTS = frozenset(_NAMES.split())
# Words that open a question: with one of these its mark says nothing more.
_OPENINGS = (
    "who what when where why how which whose whom is are am was were do does did can could will would shall should may might must have has had "
    "what's who's where's how's when's why's isn't aren't don't doesn't didn't can't couldn't won't wouldn't shouldn't"
)
_ASKING = frozenset(_OPENINGS.split())
_WORD = re.compile(r"(?<![\w'])[A-Za-z]+(?:'[A-Za-z]+)*(?![\w'])")
_TAIL = re.compile(r"[\s.!?]+$")
_SPACE = re.compile(r"\s+")


def normalise(text: str, language: str | None = None) -> str | None:
    """One spelling for all questions that differ in nothing that matters; `None` where case or punctuation may matter."""
    if len(text) > MOST_CHARS or language not in (None, "en") or any(pattern.search(text) for _, pattern in ROWS):
        return None
    folded = _WORD.sub(_fold, _SPACE.sub(" ", text.replace("’", "'")).strip())
    return _without_tail(folded) or None


def _fold(found: re.Match[str]) -> str:
    word = found.group()
    if word == "I" or word.startswith("I'"):
        return word.lower()
    low = word.lower()
    return low if word.capitalize() == word and len(word) > 1 and low not in _CAPITAL_COUNTS else word


def _without_tail(text: str) -> str:
    """Closing marks go, but for a question mark that alone makes a question of it, and for a thought that trails off."""
    found = _TAIL.search(text)
    if found is None:
        return text
    head, tail = text[: found.start()], found.group()
    if not head:
        return ""
    if ".." in tail:
        return f"{head} .."
    first = head.partition(" ")[0].lower().rstrip(",")
    return head if "?" not in tail or first in _ASKING else f"{head} ?"


class Slots:
    """Questions that the operator knows by name. The first row whose pattern matches the whole question names it."""

    def __init__(self, rows: Sequence[CacheSlot]) -> None:
        self._rows = tuple((row.key, frozenset(row.endpoints), tuple(_compiled(row))) for row in rows)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def named(self, text: str, endpoint: str) -> str | None:
        """The slot of this question."""
        if not self._rows or len(text) > MOST_CHARS:
            return None
        tidy = _TAIL.sub("", _SPACE.sub(" ", text.replace("’", "'")).strip())
        for key, endpoints, patterns in self._rows:
            if (not endpoints or endpoint in endpoints) and any(pattern.fullmatch(tidy) for pattern in patterns):
                return key
        return None


class Spelling(msgspec.Struct, frozen=True):
    """How a question is known in the lane: by a slot, or by its normalised words."""

    text: str
    slot: str | None = None

    def mark(self) -> bytes:
        """Goes into the key; a slot's name is never taken for somebody's words."""
        return b"\1slot\0" + self.slot.encode() if self.slot is not None else b"\1words\0" + self.text.encode()


def _compiled(row: CacheSlot) -> Iterator[Pattern]:
    return (compile_pattern(pattern, f"Slot '{row.key}' of `cache.slots`", case_sensitive=False) for pattern in row.patterns)
