"""What is cheap to know of a candidate, as numbers: its place in both searches, its best sentence, and how it goes with the others.

Few on purpose: with seventeen features (coverage, headings, length, nearness to the others, ...) a linear ranker won a point on sets like those
it had learned from and lost two on others. Scores are relative to the question's own candidates. All candidates at once, on arrays.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from farthing.brain.retrieve.index import LESS, Candidates, Index, Question
from farthing.brain.retrieve.lexical import BREAK, Codes, Flags, Floats, Rows

NAMES = ("blend", "fused", "cosine", "best_sentence", "said", "covered", "pairs", "linked")
SENTENCE_NAMES = (
    "passage", "passage_share", "cosine", "cosine_gap", "said", "said_gap", "around", "lead", "place", "length", "numbers", "new", "rank",
)  # fmt: skip
_NEIGHBOURS = 3
_BY_MEANING = 0.6


class Sentences:
    """The sentences of all candidates, one after the other: the first of each candidate is its heading."""

    def __init__(self, index: Index, rows: npt.NDArray[np.int64], question: Question) -> None:
        parts = [index.lexical.of(int(row)) for row in rows]
        self.terms: Codes = np.concatenate([*parts, np.empty(0, np.uint32)])
        breaks = self.terms == BREAK
        ends = np.flatnonzero(breaks)
        self.starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1]) if len(ends) else np.empty(0, np.int64)
        self.lengths = ends - self.starts
        counts = [int((part == BREAK).sum()) for part in parts]
        self.first = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])  # of each candidate
        self.owner = np.repeat(np.arange(len(rows)), counts)
        self.holds = self._held(question.terms)
        for extra in question.extra:
            if len(extra.instead_of):
                there = LESS * self._held(extra.terms).all(axis=0).astype(np.float32)
                self.holds = self.holds.astype(np.float32)
                self.holds[extra.instead_of] = np.maximum(self.holds[extra.instead_of], there)
        weights = question.weights / max(float(question.weights.sum()), 1e-9)
        self.said: Floats = (weights @ self.holds).astype(np.float32)

    def _held(self, wanted: Codes) -> "Flags | Floats":
        """(wanted, sentences): whether each term stands in each."""
        if not len(wanted) or not len(self.starts):
            return np.zeros((len(wanted), len(self.starts)), np.bool_)
        return np.logical_or.reduceat(self.terms[None, :] == wanted[:, None], self.starts, axis=1)

    def by_passage(self, values: Floats, nothing: float = 0.0) -> Floats:
        """The most of a value over each candidate's sentences, its heading left out."""
        found = np.full(len(self.first) - 1, nothing, np.float32)
        body = np.ones(len(self.owner), np.bool_)
        body[self.first[:-1]] = False
        np.maximum.at(found, self.owner[body], values[body])
        return found


def features(question: Question, found: Candidates, sentences: Sentences, sentence_cosines: Floats | None) -> Floats:
    """(candidates, len(NAMES)). `sentence_cosines` is in the order of `sentences`, headings included; `None`: no vectors of sentences."""
    count = len(found.rows)
    nearest_sentence = found.cosines if sentence_cosines is None else sentences.by_passage(sentence_cosines, -1.0)
    columns = (
        _BY_MEANING * _scaled(found.cosines) + (1 - _BY_MEANING) * _scaled(found.words),
        found.fused / found.fused.max(),
        found.cosines,
        nearest_sentence - nearest_sentence.max(),
        sentences.by_passage(sentences.said),
        _covered(question, sentences),
        _pairs(question.order, sentences, count),
        _linked(sentences, count),
    )
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def _scaled(values: Floats) -> Floats:
    """From 0 to 1 over the candidates."""
    return (values - values.min()) / np.float32(max(float(np.ptp(values)), 1e-9))


def _covered(question: Question, sentences: Sentences) -> Floats:
    """Share of the question, by the weights of its terms, that stands anywhere in the candidate."""
    weights = question.weights / max(float(question.weights.sum()), 1e-9)
    return (weights @ np.maximum.reduceat(sentences.holds, sentences.first[:-1], axis=1)).astype(np.float32)


def _pairs(order: Codes, sentences: Sentences, count: int) -> Floats:
    """Share of the question's neighbouring terms that stand side by side in the candidate."""
    found = np.zeros(count, np.float32)
    pairs = set(pairwise(order.tolist()))
    if not pairs:
        return found
    owner = np.repeat(sentences.owner, sentences.lengths + 1)
    for one, other in sorted(pairs):
        places = np.flatnonzero((sentences.terms[:-1] == one) & (sentences.terms[1:] == other))
        found[np.unique(owner[places])] += 1
    return found / np.float32(len(pairs))


def _linked(sentences: Sentences, count: int) -> Floats:
    """Whether the best candidates name this one by its heading: share of its heading's terms that stand in one sentence of another."""
    found = np.zeros(count, np.float32)
    heading = sentences.first[:-1]
    for place in range(min(_NEIGHBOURS, count)):
        start, stop = sentences.starts[heading[place]], sentences.starts[heading[place] + 1]
        end = sentences.starts[sentences.first[place + 1] - 1] + sentences.lengths[sentences.first[place + 1] - 1]
        named = np.isin(sentences.terms, sentences.terms[stop:end]) & (sentences.terms != BREAK)
        shares = np.add.reduceat(named, sentences.starts, dtype=np.int64)[heading] / np.maximum(sentences.lengths[heading], 1)
        shares[place] = 0
        same = (sentences.lengths[heading] == stop - start - 1) & (shares == 1)
        found = np.maximum(found, np.where(same & (np.arange(count) == place), 0, shares))
    return found.astype(np.float32)


def sentence_features(question: Question, sentences: Sentences, passage_scores: Floats, order: Rows, sentence_cosines: Floats) -> Floats:
    """(sentences, len(SENTENCE_NAMES)) for all candidates; rows of headings are there too, to be left out by the caller.

    `passage_scores` are the ranker's; `order` ranks the candidates by them.
    """
    owner = sentences.owner
    shares = np.exp(passage_scores - passage_scores.max())
    shares = shares / shares.sum()
    rank = np.empty(len(order), np.float32)
    rank[order] = np.arange(len(order))
    place = np.arange(len(owner)) - sentences.first[owner] - 1
    before, after = np.roll(sentence_cosines, 1), np.roll(sentence_cosines, -1)
    before = np.where(place > 0, before, sentence_cosines)
    after = np.where(np.roll(owner, -1) == owner, after, sentence_cosines)
    best_here = sentences.by_passage(sentence_cosines, -1.0)
    most_said = sentences.by_passage(sentences.said)
    columns = (
        passage_scores[owner] - passage_scores.max(),
        shares[owner],
        sentence_cosines,
        sentence_cosines - best_here[owner],
        sentences.said,
        sentences.said - most_said[owner],
        np.maximum(before, after) - sentence_cosines,
        place == 0,
        1 / (1 + np.maximum(place, 0)),
        np.log1p(sentences.lengths) / 3,
        np.add.reduceat((sentences.terms & 1) == 1, sentences.starts, dtype=np.int64) > 0,
        _new_terms(question, sentences),
        1 / (1 + rank[owner]),
    )
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def _new_terms(question: Question, sentences: Sentences) -> Floats:
    """Share of the terms that the question does not have: an answer says something new."""
    asked = np.isin(sentences.terms, question.terms)
    return (1 - np.add.reduceat(asked, sentences.starts, dtype=np.int64) / np.maximum(sentences.lengths, 1)).astype(np.float32)
