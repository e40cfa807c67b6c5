"""How much a piece of text has to do with a question: the words that they share, rare ones first. Pure, no model.

BM25 (Robertson and Zaragoza, 2009) over the pieces themselves: what is rare among them tells them apart.
"""

from collections import Counter
from collections.abc import Sequence
from math import log

_K1, _B = 1.2, 0.75


class Pieces:
    """Texts side by side, to be compared with a question."""

    def __init__(self, found: Sequence[Sequence[str]]) -> None:
        """`found` are the terms of each text."""
        self.terms = found
        self._counts = [Counter(found) for found in self.terms]
        self._held = Counter(term for counts in self._counts for term in counts)
        self._mean = max(1.0, sum(map(len, self.terms)) / max(1, len(found)))

    def idf(self, term: str) -> float:
        held, count = self._held[term], len(self._counts)
        return log(1 + (count - held + 0.5) / (held + 0.5))

    def scores(self, wanted: Sequence[str]) -> list[float]:
        """Of each text, from 0; 1 would be every wanted word in a text of no length."""
        weights = {term: self.idf(term) for term in dict.fromkeys(wanted)}
        whole = sum(weights.values()) * (_K1 + 1) or 1.0
        return [self._score(place, weights) / whole for place in range(len(self._counts))]

    def _score(self, place: int, weights: dict[str, float]) -> float:
        counts, length = self._counts[place], len(self.terms[place])
        norm = _K1 * (1 - _B + _B * length / self._mean)
        return sum(weight * counts[term] * (_K1 + 1) / (counts[term] + norm) for term, weight in weights.items() if term in counts)
