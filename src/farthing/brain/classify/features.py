"""Features: which of the listed words and phrases a text holds, in one set operation and a few look-ups.

A text longer than the window is read at its head and its tail: what is asked stands at one of the two. Texts are read as UTF-8: on bytes,
punctuation becomes spaces ten times faster than on a string that is not ASCII.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from farthing.brain.classify.words import DOMAINS, MARKS, RISKS, ROWS, Row

HEAD_CHARS = 2000
TAIL_CHARS = 1000

# Apostrophes vanish ("what's" -> "whats"); other punctuation parts words. `+` stays for C++.
_PUNCTUATION = b'!"#$%&()*,-./:;<=>?@[\\]^_`{|}~\n\t\r'
_SPACES = bytes.maketrans(_PUNCTUATION, b" " * len(_PUNCTUATION))

Scores = dict[str, int]
Term = tuple[str, int, bytes | None]  # feature, weight, and the whole phrase where the word is only part of one


class Reading:
    """A text in lower case without punctuation: its words, and all of it between spaces, so that phrases end where words do."""

    __slots__ = ("asked", "text", "words")

    def __init__(self, text: str) -> None:
        self.asked = text
        if not text.isascii():
            text = text.replace("’", "'")
        self.text = b" %b " % text.lower().encode("utf-8", "replace").translate(_SPACES, b"'")
        self.words = self.text.split()

    def score(self, lists: "Lists") -> Scores:
        """Weight by feature; every term counts once."""
        found: Scores = {}
        text = self.text
        index = lists.index
        for word in lists.words.intersection(self.words):
            for feature, weight, phrase in index[word]:
                if phrase is None or phrase in text:
                    found[feature] = found.get(feature, 0) + weight
        return found


def window(text: str) -> str:
    """All of a short text, the head and the tail of a long one."""
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


class Lists:
    """Rows of terms, each term found under its rarest word."""

    __slots__ = ("index", "words")

    def __init__(self, rows: Sequence[Row]) -> None:
        listed = [(feature, weight, text.strip()) for feature, weight, terms in rows for text in terms.split(",")]
        frequency = Counter(word for _, _, text in listed for word in text.split())
        index: dict[bytes, list[Term]] = defaultdict(list)
        for feature, weight, text in listed:
            words = text.split()
            rarest = min(words, key=lambda word: (frequency[word], -len(word)))
            index[rarest.encode()].append((feature, weight, f" {text} ".encode() if len(words) > 1 else None))
        self.index: dict[bytes, tuple[Term, ...]] = {word: tuple(terms) for word, terms in index.items()}
        self.words = frozenset(self.index)


EVERYTHING = Lists(ROWS)
SUBJECTS = Lists(RISKS + DOMAINS + MARKS)  # what a conversation is about; for turns that are not the question
