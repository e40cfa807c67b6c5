"""All passages of one collection of one tenant, searched by words and by meaning at once.

Guarantees: an index holds one tenant's collection and nothing else, so no question can reach another's. Equal input, equal order.
Passages come and go in place; what a question gets is what an index made anew would give it.
Costs: see lexical.py and dense.py; a passage takes about 1 KB of memory besides its text, which stays in the store.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from farthing.brain.retrieve.base import Shelf
from farthing.brain.retrieve.dense import Dense
from farthing.brain.retrieve.expand import Alternative
from farthing.brain.retrieve.fold import Folds
from farthing.brain.retrieve.lexical import Codes, Flags, Floats, Lexical, Rows, best, codes

_DEPTH = 50  # best passages by words, and by meaning, that are looked at closer
_RRF = 60.0
_FEWEST_GONE = 1024
_MOST_EXTRA = 12  # alternatives of one question
LESS = 0.6  # of what the question's own words weigh


class Extra(msgspec.Struct, frozen=True):
    """An alternative that stands in some passage: the question's terms that it may stand for, and its own, of which all must be there."""

    one: Alternative
    instead_of: Rows  # places in the question's `terms`; none where they are all stop words
    terms: Codes
    weights: Floats


class Question(msgspec.Struct, frozen=True):
    """A question as the index reads it: its terms in order, and once each with their weights."""

    text: str
    order: Codes
    terms: Codes
    weights: Floats
    vector: Floats
    extra: tuple[Extra, ...] = ()


class Candidates(msgspec.Struct, frozen=True):
    """Passages worth a closer look, best first by the fused ranks."""

    rows: Rows
    words: Floats  # BM25
    cosines: Floats
    fused: Floats  # reciprocal ranks, added up
    usual: Rows  # the best 20 by vector alone


class Index:
    """`ids[row]` is the passage's id in the store. Rows that are gone, or that repeat another, are never given. Not for two threads at once."""

    def __init__(self, shelf: Shelf, width: int) -> None:
        self._shelf = shelf
        self.ids: Rows = np.empty(0, np.int64)
        self.lexical, self.dense, self._folds = Lexical([]), Dense([], width), Folds()
        self._hidden: Flags = np.empty(0, np.bool_)

    @property
    def size(self) -> int:
        """Passages that are there, those that repeat another included."""
        return len(self.ids) - int(self.lexical.gone.sum())

    def add(self, ids: Sequence[int], sequences: Sequence[Codes], vectors: Sequence[bytes]) -> None:
        """More passages; ids rise."""
        self.ids = np.concatenate([self.ids, np.array(ids, np.int64)])
        self.lexical.add(sequences)
        self.dense.add(vectors)
        self._folds.add(self.ids, sequences, ~self.lexical.gone, self._shelf)
        self._hidden = self.lexical.gone | self._folds.folded

    def drop(self, ids: Sequence[int]) -> None:
        """These passages are there no longer. Their rows are given up when a third of all are such."""
        rows = np.flatnonzero(np.isin(self.ids, np.array(ids, np.int64)))
        self.lexical.drop(rows)
        self._folds.drop(rows, ~self.lexical.gone, self.ids, self._shelf)
        if len(self.ids) - self.size > max(_FEWEST_GONE, self.size // 2):
            self._close_up()
        self._hidden = self.lexical.gone | self._folds.folded

    def _close_up(self) -> None:
        rows = np.flatnonzero(~self.lexical.gone)
        self.dense = Dense(self.dense.held(rows), self.dense.width)
        self.lexical = Lexical([self.lexical.of(row) for row in rows.tolist()])
        self._folds.keep(rows)
        self.ids = self.ids[rows]

    def question(self, text: str, vector: Floats, alternatives: Sequence[Alternative] = ()) -> Question:
        """Of the alternatives, which may be anything, those count that passages have, and that the question itself does not."""
        order = np.array(codes(text), np.uint32)
        once = np.unique(order)
        weights = self.lexical.idf(once)
        return Question(text, order, once, weights, vector.astype(np.float32), self._extra(once, weights, alternatives))

    def _extra(self, once: Codes, weights: Floats, alternatives: Sequence[Alternative]) -> tuple[Extra, ...]:
        found: list[Extra] = []
        sides = [(one, sorted(set(codes(one.also)))) for one in alternatives]
        every = sorted({code for _, others in sides for code in others})
        stands = {code for code, known in zip(every, self.lexical.known(np.array(every, np.uint32)), strict=True) if known}
        asked = set(once.tolist())
        for one, others in sides:
            if not others or not stands.issuperset(others) or asked.issuperset(others):
                continue
            own = np.array(others, np.uint32)
            instead_of = np.flatnonzero(np.isin(once, np.array(codes(one.said), np.uint32)))
            own_weights = self.lexical.idf(own)
            # A phrase counts for no more than what it stands for, however many words it has.
            share = min(1.0, float(weights[instead_of].sum() / own_weights.sum())) if len(instead_of) else 1.0
            found.append(Extra(one, instead_of, own, (LESS * share * own_weights * ~np.isin(own, once)).astype(np.float32)))
        return tuple(found[:_MOST_EXTRA])

    def nearest(self, vector: Floats) -> float:
        """Cosine of the passage that is most like this; -1 where there is none."""
        _, cosines = self.dense.nearest(vector, 1, self._hidden)
        return float(cosines[0]) if len(cosines) else -1.0

    def words(self, question: Question) -> Floats:
        """BM25 of every passage. Other words for what is asked count where they say more than those that they stand for, not on top of them: a
        passage that has both names is no better than one that has the asked one."""
        found = self.lexical.scores(question.terms, question.weights)
        for extra in question.extra:
            more = self.lexical.scores(extra.terms, extra.weights, every=True)
            if len(extra.instead_of):
                more -= self.lexical.scores(question.terms[extra.instead_of], question.weights[extra.instead_of])
            found += np.maximum(more, 0)
        return found

    def candidates(self, question: Question) -> Candidates:
        """The union of the best by words and by meaning."""
        scores = self.words(question)
        scores[self._hidden] = 0
        by_words = best(scores, _DEPTH)
        by_words = by_words[scores[by_words] > 0]
        near, _ = self.dense.nearest(question.vector, _DEPTH, self._hidden)
        rows = np.union1d(by_words, near)
        fused = np.zeros(len(rows), np.float32)
        for ranked in (by_words, near):
            fused[np.searchsorted(rows, ranked)] += 1.0 / (_RRF + 1 + np.arange(len(ranked), dtype=np.float32))
        order = np.argsort(-fused, kind="stable")
        rows = rows[order]
        return Candidates(rows, scores[rows], self.dense.cosines(question.vector, rows), fused[order], near[:20])
