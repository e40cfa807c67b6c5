"""BM25 over terms as numbers: postings in arrays, impacts computed when the index is built.

A term is 31 bits of a hash and one that says whether it has a digit: no table of words is kept, and two words that share a number only
blur a score. Texts are term sequences with `BREAK` between sentences, so that one form serves the index, the features and the trimming.
Costs: 0.3 ms a query on 100,000 chunks, 1.5 s per 100,000 chunks to build (bench/retrieve.py).
"""

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from farthing.brain.reading.words import terms

Codes = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

BREAK = 0
_K1, _B = 1.2, 0.75


@lru_cache(maxsize=200_000)
def code(term: str) -> int:
    """The number of a term; never `BREAK`. Odd for a term with a digit."""
    number = zlib.crc32(term.encode("utf-8", "surrogatepass")) & ~1 or 2
    return number | any(map(str.isdigit, term))


def codes(text: str) -> list[int]:
    """Terms of a text as numbers, in order."""
    return [code(term) for term in terms(text)]


def sequence(parts: Sequence[str]) -> Codes:
    """Terms of several sentences, a `BREAK` after each: as many breaks as sentences."""
    found: list[int] = []
    for part in parts:
        found += codes(part)
        found.append(BREAK)
    return np.array(found, np.uint32)


class Lexical:
    """Term sequences of all passages, one after the other, searched by BM25. `starts[i]:starts[i + 1]` are the terms of passage i."""

    def __init__(self, sequences: Sequence[Codes]) -> None:
        sizes = np.fromiter(map(len, sequences), np.int64, len(sequences))
        self.size = len(sequences)
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        self.terms = np.concatenate([np.empty(0, np.uint32), *sequences])
        owners = np.repeat(np.arange(self.size, dtype=np.uint64), sizes)
        real = self.terms != BREAK
        lengths = np.bincount(owners[real].astype(np.int64), minlength=self.size).astype(np.float32)
        pairs, counts = np.unique(self.terms[real].astype(np.uint64) << np.uint64(32) | owners[real], return_counts=True)
        by_term = (pairs >> np.uint64(32)).astype(np.uint32)
        self._rows = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)
        self._terms, self._first = np.unique(by_term, return_index=True)
        self._last = np.append(self._first[1:], len(pairs))
        mean = float(lengths.mean()) if self.size else 1.0
        norm = _K1 * (1 - _B + _B * lengths / max(mean, 1.0))
        frequency = counts.astype(np.float32)
        self._impact = frequency * (_K1 + 1) / (frequency + norm[self._rows]) if self.size else np.empty(0, np.float32)

    def idf(self, wanted: Codes) -> Floats:
        """How rare each term is; terms of no passage count as the rarest."""
        places = self._places(wanted)
        known = places >= 0
        held = np.where(known, self._last[places] - self._first[places], 0) if len(self._terms) else np.zeros(len(wanted))
        return np.log1p((self.size - held + 0.5) / (held + 0.5)).astype(np.float32)

    def scores(self, wanted: Codes, weights: Floats) -> Floats:
        """BM25 of every passage: the sum over distinct `wanted` terms of `weights` times impact."""
        found = np.zeros(self.size, np.float32)
        for place, weight in zip(self._places(wanted), weights, strict=True):
            if place >= 0:
                some = slice(self._first[place], self._last[place])
                found[self._rows[some]] += weight * self._impact[some]
        return found

    def of(self, row: int) -> Codes:
        """The term sequence of a passage."""
        return self.terms[self.starts[row] : self.starts[row + 1]]

    def _places(self, wanted: Codes) -> npt.NDArray[np.int64]:
        if not len(self._terms):
            return np.full(len(wanted), -1, np.int64)
        places = np.minimum(np.searchsorted(self._terms, wanted), len(self._terms) - 1)
        return np.where(self._terms[places] == wanted, places, -1)


def best(scores: Floats, count: int) -> Rows:
    """Rows with the highest scores, best first; ties in the order of the rows."""
    if len(scores) > count:
        some = np.argpartition(-scores, count - 1)[:count]
        floor = scores[some].min()
        some = np.flatnonzero(scores >= floor) if int((scores >= floor).sum()) <= 4 * count else np.sort(some)
    else:
        some = np.arange(len(scores))
    return some[np.argsort(-scores[some], kind="stable")][:count]
