"""All passages of one collection of one tenant, searched by words and by meaning at once.

Guarantees: an index holds one tenant's collection and nothing else, so no question can reach another's. Equal input, equal order.
Costs: see lexical.py and dense.py; a passage takes about 1 KB of memory besides its text, which stays in the store.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from farthing.brain.retrieve.dense import Dense
from farthing.brain.retrieve.lexical import Codes, Floats, Lexical, Rows, best, codes

Flags = npt.NDArray[np.bool_]

_DEPTH = 50  # best passages by words, and by meaning, that are looked at closer
_RRF = 60.0


class Question(msgspec.Struct, frozen=True):
    """A question as the index reads it: its terms in order, and once each with their weights."""

    text: str
    order: Codes
    terms: Codes
    weights: Floats
    vector: Floats


class Candidates(msgspec.Struct, frozen=True):
    """Passages worth a closer look, best first by the fused ranks."""

    rows: Rows
    words: Floats  # BM25
    cosines: Floats
    fused: Floats  # reciprocal ranks, added up
    usual: Rows  # the best 20 by vector alone


class Index:
    """`ids[row]` is the passage's id in the store; rows in `folded` repeat another and are never given."""

    def __init__(self, ids: Sequence[int], sequences: Sequence[Codes], vectors: Sequence[bytes], width: int, folded: Sequence[int] = ()) -> None:
        self.ids = np.array(ids, np.int64)
        self.lexical = Lexical(sequences)
        self.dense = Dense(vectors, width)
        self._folded = np.zeros(len(ids), np.bool_)
        self._folded[list(folded)] = True

    @property
    def size(self) -> int:
        return len(self.ids)

    def question(self, text: str, vector: Floats) -> Question:
        order = np.array(codes(text), np.uint32)
        once = np.unique(order)
        return Question(text, order, once, self.lexical.idf(once), vector.astype(np.float32))

    def candidates(self, question: Question) -> Candidates:
        """The union of the best by words and by meaning."""
        scores = self.lexical.scores(question.terms, question.weights)
        scores[self._folded] = 0
        by_words = best(scores, _DEPTH)
        by_words = by_words[scores[by_words] > 0]
        near, _ = self.dense.nearest(question.vector, _DEPTH + int(self._folded.sum() if self._folded.any() else 0))
        near = near[~self._folded[near]][:_DEPTH]
        rows = np.union1d(by_words, near)
        fused = np.zeros(len(rows), np.float32)
        for ranked in (by_words, near):
            fused[np.searchsorted(rows, ranked)] += 1.0 / (_RRF + 1 + np.arange(len(ranked), dtype=np.float32))
        order = np.argsort(-fused, kind="stable")
        rows = rows[order]
        return Candidates(rows, scores[rows], self.dense.cosines(question.vector, rows), fused[order], near[:20])
