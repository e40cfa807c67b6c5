"""Near-duplicate chunks count once: the first stays, the others are not given to any question.

Two chunks are near-duplicates when nine in ten of their three-term runs are the same (found by MinHash, then compared) and the words in which
they differ hold no number and no negation: "within 14 days" and "within 30 days" are two rules, not one.
Costs: 1 s for 100,000 chunks, once when an index is made.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farthing.brain.reading.words import words
from farthing.brain.retrieve.base import Passage, Shelf
from farthing.brain.retrieve.lexical import BREAK, Codes

_HASHES, _BANDS = 16, 4
_ALIKE = 0.9
_MOST_COMPARED = 20_000
_DECIDING = frozenset(words("no not never none nor without cannot can't don't doesn't isn't aren't won't except unless only must may before after"))
_MULTIPLIERS = np.array([(2654435761 * (2 * number + 1)) | 1 for number in range(_HASHES)], np.uint64)


def fold(ids: Sequence[int], sequences: Sequence[Codes], shelf: Shelf) -> list[int]:
    """Rows that repeat an earlier row."""
    if len(ids) < 2:
        return []
    marks = np.stack([_mark(sequence) for sequence in sequences])
    pairs: dict[tuple[int, int], None] = {}
    width = _HASHES // _BANDS
    for band in range(_BANDS):
        first: dict[bytes, int] = {}
        for row, part in enumerate(np.ascontiguousarray(marks[:, band * width : (band + 1) * width])):
            earlier = first.setdefault(part.tobytes(), row)
            if earlier != row and len(pairs) < _MOST_COMPARED:
                pairs[earlier, row] = None
    if not pairs:
        return []
    wanted = sorted({row for pair in pairs for row in pair})
    texts = shelf.passages([ids[row] for row in wanted])
    folded: set[int] = set()
    for earlier, row in pairs:
        one, other = texts.get(ids[earlier]), texts.get(ids[row])
        if row not in folded and earlier not in folded and one is not None and other is not None and same(one, other):
            folded.add(row)
    return sorted(folded)


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
