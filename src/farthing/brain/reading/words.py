"""The words that a text is found by: lower case, without accents and stop words, English ones cut to their stems (Porter, 1980).

Costs: 60 us for 170 tokens once its words are known; stems are remembered. Other scripts: words as they are, ideographs one by one.
"""

import re
import unicodedata
from functools import lru_cache

_WORDS = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[^\W_]+")
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_VOWELS = "aeiou"
STOP_WORDS = frozenset(
    _WORDS.findall(
        "a about above after again against all also am an and any are as at be because been before being below between both but by can could did "
        "do does doing down during each few for from further had has have having he her here hers him his how i if in into is it its itself just "
        "me more most my no nor not now of off on once only or other our ours out over own same she should so some such than that the their "
        "theirs them then there these they this those through to too under until up very was we were what when where which while who whom whose "
        "why will with would you your "
    )
)


def words(text: str) -> list[str]:
    """Every word in lower case, in its place."""
    lowered = text.lower()
    if not lowered.isascii():
        lowered = "".join(char for char in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(char))
        lowered = _IDEOGRAPHS.sub(r" \g<0> ", lowered).replace("’", "'")
    return _WORDS.findall(lowered)


def terms(text: str) -> list[str]:
    """What the index holds of a text."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """The stem of an English word; what is none stays as it is."""
    if word.endswith("'s"):
        word = word[:-2]
    if len(word) <= 2 or not word.isascii() or not word.isalpha():
        return word
    return _tidied(_without_suffixes(_without_ending(_singular(word))))


def _measure(part: str) -> int:
    """Runs of vowels followed by consonants."""
    shape = re.sub(r"v+", "v", re.sub(r"c+", "c", _shape(part)))
    return shape.count("vc")


def _shape(part: str) -> str:
    found = ""
    for char in part:
        vowel = char in _VOWELS or (char == "y" and found.endswith("c"))
        found += "v" if vowel else "c"
    return found


def _short(part: str) -> bool:
    """Ends in consonant, vowel, consonant other than w, x, y."""
    return _shape(part).endswith("cvc") and part[-1] not in "wxy"


def _singular(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _without_ending(word: str) -> str:
    """-ed, -ing and final y."""
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    for suffix in ("ed", "ing"):
        rest = word[: -len(suffix)]
        if word.endswith(suffix) and "v" in _shape(rest):
            if rest.endswith(("at", "bl", "iz")):
                word = rest + "e"
            elif len(rest) > 1 and rest[-1] == rest[-2] and rest[-1] not in "aeioulsz":
                word = rest[:-1]
            else:
                word = rest + "e" if _measure(rest) == 1 and _short(rest) else rest
            break
    return word[:-1] + "i" if word.endswith("y") and "v" in _shape(word[:-1]) else word


_LONG = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("abli", "able"), ("alli", "al"), ("entli", "ent"),
    ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"),
    ("ousness", "ous"), ("aliti", "al"), ("iviti", "ive"), ("biliti", "ble"),
)  # fmt: skip
_MIDDLE = (("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""))
_LAST = tuple(_WORDS.findall("al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize"))


def _without_suffixes(word: str) -> str:
    for rows in (_LONG, _MIDDLE):
        for suffix, instead in rows:
            if word.endswith(suffix):
                if _measure(word[: -len(suffix)]):
                    word = word[: -len(suffix)] + instead
                break
    for suffix in _LAST:
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            if _measure(rest) > 1 and (suffix != "ion" or rest.endswith(("s", "t"))):
                word = rest
            break
    return word


def _tidied(word: str) -> str:
    if word.endswith("e"):
        rest, measure = word[:-1], _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _short(rest)):
            word = rest
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
