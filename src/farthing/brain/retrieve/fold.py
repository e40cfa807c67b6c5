"""Near-duplicate chunks count once: the first stays, the others are not given to any question.

Two chunks are near-duplicates when nine in ten of their three-term runs are the same (found by MinHash, then compared) and the words in which
they differ hold no number and no negation: "within 14 days" and "within 30 days" are two rules, not one.
Costs: 2 s for 100,000 chunks when an index is made, 4 ms to add ten to as many.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farthing.brain.reading.words import words
from farthing.brain.retrieve.base import Passage, Shelf
from farthing.brain.retrieve.lexical import BREAK, Codes, Flags, Rows

_HASHES, _BANDS = 16, 4
_ALIKE = 0.9
_MOST_COMPARED = 20_000
_LEADERS = 4  # rows of one band that another is compared with
_DECIDING = frozenset(words("no not never none nor without cannot can't don't doesn't isn't aren't won't except unless only must may before after"))
_MULTIPLIERS = np.array([(2654435761 * (2 * number + 1)) | 1 for number in range(_HASHES)], np.uint64)


class Folds:
    """Which rows repeat an earlier one, kept while rows come and go. `onto[row]` is the row that it repeats, -1 where it stands for itself."""

    def __init__(self) -> None:
        self.onto: Rows = np.empty(0, np.int64)
        self._bands = np.empty((_BANDS, 0), np.uint64)

    @property
    def folded(self) -> Flags:
        return self.onto >= 0

    def add(self, ids: Rows, sequences: Sequence[Codes], there: Flags, shelf: Shelf) -> None:
        """`ids` are those of all rows, the fresh ones last; `sequences` only of those; `there` are rows that have not gone."""
        first = len(ids) - len(sequences)
        marks = np.stack([_mark(sequence) for sequence in sequences]) if sequences else np.empty((0, _HASHES), np.uint32)
        parts = marks.reshape(len(marks), _BANDS, _HASHES // _BANDS).astype(np.uint64)
        fresh = (parts * _MULTIPLIERS[: _HASHES // _BANDS]).sum(axis=2, dtype=np.uint64).T
        self._bands = np.concatenate([self._bands, fresh], axis=1)
        self.onto = np.concatenate([self.onto, np.full(len(sequences), -1, np.int64)])
        self._decide(np.arange(first, len(ids)), there, ids, shelf)

    def drop(self, rows: Rows, there: Flags, ids: Rows, shelf: Shelf) -> None:
        """Rows have gone, `there` are those that are left: what was folded onto them is looked at again."""
        self.onto[rows] = -1
        freed = np.flatnonzero(np.isin(self.onto, rows) & there)
        self.onto[freed] = -1
        self._decide(freed, there, ids, shelf)

    def keep(self, rows: Rows) -> None:
        """Only these rows are left, numbered anew in their order."""
        numbers = np.full(len(self.onto) + 1, -1, np.int64)
        numbers[rows] = np.arange(len(rows))
        self.onto = numbers[self.onto[rows]]
        self._bands = self._bands[:, rows]

    def _decide(self, rows: Rows, there: Flags, ids: Rows, shelf: Shelf) -> None:
        """Fold each of the rows onto the earliest that it repeats."""
        pairs = self._alike(rows, there)
        texts = shelf.passages(sorted({int(ids[row]) for pair in pairs for row in pair}))
        for earlier, row in pairs:
            one, other = texts.get(int(ids[earlier])), texts.get(int(ids[row]))
            if self.onto[row] < 0 and self.onto[earlier] < 0 and one is not None and other is not None and same(one, other):
                self.onto[row] = earlier

    def _alike(self, rows: Rows, there: Flags) -> list[tuple[int, int]]:
        """Pairs with a band in common, the earlier row first, in the order of the later one."""
        pairs: set[tuple[int, int]] = set()
        wanted = set(rows.tolist())
        for band in self._bands:
            near = np.flatnonzero(np.isin(band, band[rows]) & there)
            leaders: dict[int, list[int]] = {}
            for row, value in zip(near.tolist(), band[near].tolist(), strict=True):
                earlier = leaders.setdefault(value, [])
                if row in wanted:
                    pairs.update((one, row) for one in earlier)
                if len(earlier) < _LEADERS and self.onto[row] < 0:
                    earlier.append(row)
            if len(pairs) > _MOST_COMPARED:
                break
        return sorted(pairs, key=lambda pair: (pair[1], pair[0]))[:_MOST_COMPARED]


def same(one: Passage, other: Passage) -> bool:
    """Whether the second says nothing that the first does not."""
    left, right = words(one.text), words(other.text)
    if left == right:
        return True
    differing = Counter(left) - Counter(right)
    differing.update(Counter(right) - Counter(left))
    if any(word in _DECIDING or any(map(str.isdigit, word)) for word in differing):
        return False
    runs = [{tuple(part[at : at + 3]) for at in range(max(1, len(part) - 2))} for part in (left, right)]
    return len(runs[0] & runs[1]) >= _ALIKE * len(runs[0] | runs[1])


def _mark(sequence: Codes) -> npt.NDArray[np.uint32]:
    """MinHash of the three-term runs."""
    terms = sequence[sequence != BREAK].astype(np.uint64)
    if len(terms) < 3:
        runs = terms if len(terms) else np.zeros(1, np.uint64)
    else:
        runs = terms[:-2] * np.uint64(1_000_003) ^ terms[1:-1] * np.uint64(7_919) ^ terms[2:]
    mixed = runs[:, None] * _MULTIPLIERS[None, :]
    return (mixed ^ (mixed >> np.uint64(29))).astype(np.uint32).min(axis=0)
