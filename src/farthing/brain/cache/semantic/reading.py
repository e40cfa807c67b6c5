"""A question, read once: its words, and the parts of it that must not differ. Pure; about 25 us for 12 words."""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

from farthing.brain.cache.semantic import lexicon as words

_TOKEN = re.compile(r"\d+(?:[.,:/]\d+)*(?:st|nd|rd|th|k|m|bn|%)?|[^\W\d_]+(?:['’][^\W\d_]+)?|[$€£%#@&+*=<>/\\^~|]|\w+")
_QUOTED = re.compile(r"\"([^\"]{1,200})\"|“([^”]{1,200})”|`([^`]{1,200})`|(?<!\w)'([^']{2,200})'(?!\w)")
_IDENTIFIER = re.compile(r"[\w.+-]+@[\w-]+\.\w+|https?://\S+|www\.\S+|\b(?=\w*\d)(?=\w*[A-Za-z])\w{4,}\b|\b[A-Z]{2,}[-_]?\d+\b")
_ORDINAL = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
_VOWELS = frozenset("aeiouy")


class Reading(msgspec.Struct, frozen=True):
    """What the comparison looks at."""

    text: str
    words: tuple[str, ...]  # lower case, contractions opened
    stems: tuple[str, ...]  # of all words
    content: tuple[str, ...]  # stems of the words that carry meaning, in order
    numbers: tuple[float, ...]  # sorted
    dates: tuple[str, ...]  # sorted: weekdays, months, times of day, spans
    negations: int
    names: frozenset[str]  # lower-case words that were capitalised within a sentence
    quoted: frozenset[str]  # quotations, addresses, identifiers
    asking: str  # first question word
    tense: frozenset[str]
    person: frozenset[str]
    roles: frozenset[tuple[str, str]]  # (preposition, stem that follows it)
    bigrams: frozenset[tuple[str, str]]  # neighbours among the content
    trigrams: frozenset[str]  # of characters
    word_set: frozenset[str]
    content_set: frozenset[str]
    weight: float  # of the set of words


LIGHT_WEIGHT = 0.25


def weight(found: frozenset[str]) -> float:
    """Words of little meaning count for a quarter. Exact in any order."""
    return len(found) - (1 - LIGHT_WEIGHT) * len(found & words.LIGHT)


def stem(word: str) -> str:
    """The word without its commonest endings; what is left need not be a word."""
    if len(word) <= 3:
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", ""), ("e", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            bare = word[: len(word) - len(ending)]
            if ending in ("ing", "ed") and not _VOWELS & set(bare):
                return word
            if ending in ("ing", "ed") and len(bare) > 3 and bare[-1] == bare[-2] and bare[-1] not in "lsz":
                bare = bare[:-1]
            return (bare + instead).removesuffix("e") if ending != "ies" else bare + instead
    return word


def _opened(token: str) -> list[str]:
    token = token.replace("’", "'")
    if token in words.CONTRACTIONS:
        return words.CONTRACTIONS[token].split()
    for ending, opened in words.ENDINGS.items():
        if token.endswith(ending) and len(token) > len(ending):
            return [token.removesuffix(ending), opened]
    return [token.removesuffix("'s")]


def _number(token: str) -> float | None:
    """7 for "7", "7th", "seven" and "7.0"; thousands' commas are dropped."""
    ordinal = _ORDINAL.match(token)
    if ordinal:
        token = ordinal[1]
    if token[0].isdigit():
        scale = {"k": 1e3, "m": 1e6, "bn": 1e9}.get(token.lstrip("0123456789.,"), 1.0)
        plain = token.rstrip("kmbn%").replace(",", "")
        try:
            return float(plain) * scale
        except ValueError:
            return float(hash_of(token))
    for table in (words.NUMBERS, words.ORDINALS, words.SCALES):
        if token in table:
            return float(table[token])
    return None


def hash_of(token: str) -> int:
    """A whole number that stands for a token such as 5/6/2024 or 10:30; the same in every process."""
    return int.from_bytes(token.encode(), "big") % 1_000_003 + 10_000_000


def _names(text: str) -> frozenset[str]:
    """Capitalised words that do not begin a sentence; none where everything is in capitals."""
    if text.isupper() or text.islower():
        return frozenset()
    found = re.findall(r"(?<![.!?:]\s)(?<!^)(?<![\w'’])([A-Z][\w]*)", text)
    return frozenset(word.lower() for word in found if word not in ("I", "A"))


def _asking(found: list[str]) -> str:
    """The first question word; with what is measured where it asks how much."""
    for place, word in enumerate(found):
        if word == "how" and place + 1 < len(found) and found[place + 1] in words.MEASURES:
            return f"how {found[place + 1]}"
        if word in words.ASKING:
            return word
    return ""


@lru_cache(maxsize=8192)
def read(text: str) -> Reading:
    """Pure; the last texts are remembered."""
    found = [part for token in _TOKEN.findall(text.lower()) for part in _opened(token)]
    found = [word for word in found if word]
    stems = tuple(stem(word) for word in found)
    numbers = [(place, value) for place, word in enumerate(found) if (value := _number(word)) is not None]
    content = tuple(root for word, root in zip(found, stems, strict=True) if word not in words.LIGHT and word not in words.NEGATIONS)
    roles = {
        (word, stems[place + 1] if found[place + 1] not in ("the", "a", "an", "my") or place + 2 >= len(found) else stems[place + 2])
        for place, word in enumerate(found[:-1])
        if word in words.PLACES_BETWEEN
    }
    flat, word_set = " ".join(found), frozenset(found)
    quoted = {part.lower() for match in _QUOTED.findall(text) for part in match if part} | {part.lower() for part in _IDENTIFIER.findall(text)}
    parts: dict[str, Any] = {
        "numbers": tuple(sorted(value for _, value in numbers)),
        "dates": tuple(sorted(word for word in found if word in words.DATES)),
        "negations": sum(word in words.NEGATIONS for word in found),
        "asking": _asking(found),
        "tense": frozenset(words.TENSES[word] for word in found if word in words.TENSES),
        "person": frozenset(words.PERSONS[word] for word in found if word in words.PERSONS),
        "bigrams": frozenset(pairwise(content)),
        "trigrams": frozenset(flat[place : place + 3] for place in range(max(1, len(flat) - 2))),
        "word_set": word_set,
        "content_set": frozenset(content),
        "weight": weight(word_set),
    }
    return Reading(text, tuple(found), stems, content, names=_names(text), quoted=frozenset(quoted), roles=frozenset(roles), **parts)
