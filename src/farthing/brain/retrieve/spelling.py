"""Other spellings of an English word: British and American, plurals that no stemmer undoes, verbs written together with their particle. Pure.

Many of what is given are no words at all ("doctour"): whoever asks keeps what stands in the index.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

# Endings that change places; an s may follow.
_SWAPS = (
    ("our", "or"), ("re", "er"), ("ogue", "og"), ("ence", "ense"), ("yse", "yze"), ("ise", "ize"), ("isation", "ization"), ("ising", "izing"),
    ("ised", "ized"), ("iser", "izer"), ("lling", "ling"), ("lled", "led"), ("ller", "ler"), ("llor", "lor"), ("fil", "fill"), ("rol", "roll"),
)  # fmt: skip
_OPEN = ("our", "or")  # may stand before other endings: colourful, favourite, honoured
_MORE = r"(?:s|ed|ing|ful|less|ite|able|al|hood|er|ers)?"
_PAIRS = (
    "grey gray", "programme program", "aluminium aluminum", "plough plow", "mould mold", "jewellery jewelry", "judgement judgment", "tyre tire",
    "acknowledgement acknowledgment", "ageing aging", "pyjamas pajamas", "sceptic skeptic", "sceptical skeptical", "kerb curb", "cheque check",
    "artefact artifact", "moustache mustache", "manoeuvre maneuver", "enquiry inquiry", "adviser advisor", "instalment installment",
    "child children", "man men", "woman women", "person people", "foot feet", "tooth teeth", "goose geese", "mouse mice", "ox oxen",
    "index indices", "matrix matrices", "vertex vertices", "appendix appendices", "analysis analyses", "crisis crises", "thesis theses",
    "hypothesis hypotheses", "diagnosis diagnoses", "criterion criteria", "phenomenon phenomena", "datum data", "medium media", "life lives",
    "bacterium bacteria", "curriculum curricula", "memorandum memoranda", "addendum addenda", "stimulus stimuli", "nucleus nuclei", "leaf leaves",
    "knife knives", "wife wives", "half halves", "shelf shelves", "wolf wolves", "thief thieves", "loaf loaves", "calf calves", "self selves",
)  # fmt: skip
_PLURALS_FROM = _PAIRS.index("child children")
_TOGETHER = re.compile(
    r"(log|sign|set|check|back|start|shut|roll|turn|pick|drop|hand|take|break|cut|clean|build|pay|opt|cash|look|mark|pop|push|run|sell|stand|time|"
    r"trade|try|walk|warm|work|write|carry|call|fall|follow|kick|lay|print|clock|hold|buy|plug|add)(in|on|up|out|off|down|back|over|away)"
)


_ENDINGS = tuple(
    (re.compile(rf"(\w{{2,}}){one}({_MORE if one in _OPEN else 's?'})"), other)
    for british, american in _SWAPS
    for one, other in ((british, american), (american, british))
)


def _both_ways(rows: tuple[str, ...]) -> dict[str, str]:
    pairs = [row.split() for row in rows]
    return {pair[side]: pair[1 - side] for pair in pairs for side in (0, 1)}


_SPELLED, _COUNTED = _both_ways(_PAIRS[:_PLURALS_FROM]), _both_ways(_PAIRS[_PLURALS_FROM:])


def plurals(word: str) -> tuple[str, ...]:
    """Of a singular its irregular plural, and the other way round."""
    return (_COUNTED[word],) if word in _COUNTED else ()


@lru_cache(maxsize=20_000)
def spellings(word: str) -> tuple[str, ...]:
    """The word as it is spelt across the Atlantic, as far as rules go; regular endings too, since stems of both may differ."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return ()
    return tuple(dict.fromkeys(other for other in _spelt(word) if other != word))


def _spelt(word: str) -> Iterator[str]:
    plain = word.removesuffix("s")
    for form in {word: None, plain: None}:
        if form in _SPELLED:
            yield _SPELLED[form]
    for pattern, other in _ENDINGS:
        if match := pattern.fullmatch(word):
            yield f"{match[1]}{other}{match[2]}"
    for pair in ("ae", "oe"):
        if pair in word[:-1]:
            yield word.replace(pair, "e", 1)


def apart(word: str) -> tuple[str, str] | None:
    """Verb and particle of a word that is both: ("log", "in")."""
    match = _TOGETHER.fullmatch(word)
    return None if match is None else (match[1], match[2])
