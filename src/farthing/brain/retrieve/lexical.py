"""BM25 over terms as numbers: postings in arrays, in a few runs of passages, so that some can be added without sorting all anew.

A term is 31 bits of a hash and one that says whether it has a digit: no table of words is kept, and two words that share a number only
blur a score. Texts are term sequences with `BREAK` between sentences, so that one form serves the index, the features and the trimming.
Guarantees: scores are those of an index made anew of the passages that are there, in whatever order they came and others went.
Costs: 0.5 ms a query on 100,000 chunks, 1.5 s per 100,000 chunks to build, 1 ms to add ten to as many (bench/retrieve.py).
"""

import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from farthing.brain.reading.words import terms

Codes = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

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


class Run:
    """Passages one after the other with the postings of their terms. `starts[i]:starts[i + 1]` are the terms of passage i."""

    def __init__(self, sequences: Sequence[Codes]) -> None:
        sizes = np.fromiter(map(len, sequences), np.int64, len(sequences))
        self.size = len(sequences)
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        self.terms = np.concatenate([np.empty(0, np.uint32), *sequences])
        owners = np.repeat(np.arange(self.size, dtype=np.uint64), sizes)
        real = self.terms != BREAK
        self.lengths = np.bincount(owners[real].astype(np.int64), minlength=self.size).astype(np.float32)
        pairs, counts = np.unique(self.terms[real].astype(np.uint64) << np.uint64(32) | owners[real], return_counts=True)
        self._rows = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)
        self._counts = counts.astype(np.float32)
        self._terms, self._first = np.unique((pairs >> np.uint64(32)).astype(np.uint32), return_index=True)
        self._last = np.append(self._first[1:], len(pairs))

    def of(self, row: int) -> Codes:
        return self.terms[self.starts[row] : self.starts[row + 1]]

    def sequences(self) -> list[Codes]:
        return [self.of(row) for row in range(self.size)]

    def postings(self, wanted: Codes) -> Iterator[tuple[int, npt.NDArray[np.int32], Floats]]:
        """Of each wanted term that is there: its place among the wanted, the passages that have it, and how often."""
        if not len(self._terms):
            return
        places = np.minimum(np.searchsorted(self._terms, wanted), len(self._terms) - 1)
        for number in np.flatnonzero(self._terms[places] == wanted).tolist():
            some = slice(self._first[places[number]], self._last[places[number]])
            yield number, self._rows[some], self._counts[some]


class Lexical:
    """All passages in runs, each at least twice as long as the next. `gone` are rows that count no longer."""

    def __init__(self, sequences: Sequence[Codes]) -> None:
        self._runs = [Run(sequences)]
        self.gone: Flags = np.zeros(len(sequences), np.bool_)
        self._measure()

    def add(self, sequences: Sequence[Codes]) -> None:
        """More passages, after those that are there."""
        run = Run(sequences)
        while self._runs and self._runs[-1].size < 2 * run.size:
            run = Run([*self._runs.pop().sequences(), *run.sequences()])
        self._runs.append(run)
        self.gone = np.concatenate([self.gone, np.zeros(len(sequences), np.bool_)])
        self._measure()

    def drop(self, rows: Rows) -> None:
        self.gone[rows] = True
        self._measure()

    def idf(self, wanted: Codes) -> Floats:
        """How rare each term is; terms of no passage count as the rarest."""
        held = np.zeros(len(wanted))
        for first, run in zip(self._firsts, self._runs, strict=True):
            gone = self.gone[first : first + run.size]
            any_gone = gone.any()
            for number, rows, _ in run.postings(wanted):
                held[number] += len(rows) - (int(gone[rows].sum()) if any_gone else 0)
        return np.log1p((self._there - held + 0.5) / (held + 0.5)).astype(np.float32)

    def known(self, wanted: Codes) -> Flags:
        """Which of them stand in any passage that is there."""
        held = np.zeros(len(wanted), np.bool_)
        for first, run in zip(self._firsts, self._runs, strict=True):
            for number, rows, _ in run.postings(wanted):
                held[number] = held[number] or not self.gone[first + rows].all()
        return held

    def scores(self, wanted: Codes, weights: Floats, *, every: bool = False) -> Floats:
        """BM25 of every passage: the sum over distinct `wanted` terms of `weights` times impact. Of those that are gone, nothing is meant.

        `every`: 0 for passages that have not all of the terms.
        """
        found = np.zeros(self.size, np.float32)
        held = np.zeros(self.size if every and len(wanted) > 1 else 0, np.uint8)
        for first, run in zip(self._firsts, self._runs, strict=True):
            part, norm = found[first : first + run.size], self._norm[first : first + run.size]
            for number, rows, counts in run.postings(wanted):
                part[rows] += weights[number] * (counts * (_K1 + 1) / (counts + norm[rows]))
                if len(held):
                    held[first + rows] += 1
        if len(held):
            found[held < len(wanted)] = 0
        return found

    def of(self, row: int) -> Codes:
        """The term sequence of a passage."""
        place = bisect_right(self._firsts, row) - 1
        return self._runs[place].of(row - self._firsts[place])

    def _measure(self) -> None:
        """What the scores of all depend on: how many there are, and how long they are."""
        sizes = [run.size for run in self._runs]
        self.size = sum(sizes)
        self._firsts: list[int] = [sum(sizes[:place]) for place in range(len(sizes))]
        lengths = np.concatenate([run.lengths for run in self._runs])
        self._there = self.size - int(self.gone.sum())
        mean = float(lengths[~self.gone].mean()) if self._there else 1.0
        self._norm = (_K1 * (1 - _B + _B * lengths / max(mean, 1.0))).astype(np.float32)


def best(scores: Floats, count: int) -> Rows:
    """Rows with the highest scores, best first; ties in the order of the rows."""
    if len(scores) > count:
        some = np.argpartition(-scores, count - 1)[:count]
        floor = scores[some].min()
        some = np.flatnonzero(scores >= floor) if int((scores >= floor).sum()) <= 4 * count else np.sort(some)
    else:
        some = np.arange(len(scores))
    return some[np.argsort(-scores[some], kind="stable")][:count]
