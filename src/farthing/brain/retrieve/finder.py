"""One question against one index: candidates, ranked, the sentences that matter, packed into a budget, in a stable order.

    expand       other words for what is asked, for the search by words (expand)
    candidates   the best by words and by meaning (index)
    rank         cheap features, linear scores (features, rank)
    spread       where none stands out, those that are like other good ones gain (narrow)
    narrow       those far behind the best dropped, those that repeat a better one behind the others (narrow)
    choose       sentences over all passages by score, none that repeats, as far as the budget goes (choose)
    order        by document and place, so that equal finds make equal prompts, which a provider's prompt cache knows again

Costs: bench/retrieve.py. Off: `retrieve` among an endpoint's `levers_off`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from farthing.brain.retrieve.base import Excerpt, Found, Passage, Shelf
from farthing.brain.retrieve.choose import Line, choose, excerpt_text
from farthing.brain.retrieve.dense import against, from_bytes
from farthing.brain.retrieve.expand import Expander
from farthing.brain.retrieve.features import Sentences, features, sentence_features
from farthing.brain.retrieve.index import Candidates, Index, Question
from farthing.brain.retrieve.lexical import BREAK, Floats, Rows
from farthing.brain.retrieve.narrow import near_the_best, spread, unlike
from farthing.brain.retrieve.rank import Ranker
from farthing.brain.retrieve.suspect import suspicious

CountTokens = Callable[[str], int]

_CLOSER = 48  # candidates that are ranked
_SENT = 20  # passages whose sentences may be sent
_FRAME_TOKENS = 4  # "[12] " before the heading, the line's end after it


class Ranked(msgspec.Struct, frozen=True):
    """Candidates in the ranker's order, with all that is needed to choose from them: the index may change meanwhile."""

    question: Question
    found: Candidates
    passages: tuple[Passage, ...]  # as `found.rows`
    sentences: Sentences
    cosines: Floats  # of sentences
    scores: Floats
    order: Rows
    vectors: Floats  # of candidates
    usual: tuple[Passage, ...]  # the best 20 by vector alone, which would be sent without this lever

    def best(self, count: int) -> list[tuple[Passage, float]]:
        return [(self.passages[place], float(self.scores[place])) for place in self.order[:count]]

    def reranked(self, likelihoods: Sequence[float]) -> "Ranked":
        """The first of them by somebody else's scores from 0 to 1, which take the place of ours; the others behind them, as they were."""
        first = self.order[: len(likelihoods)]
        sure = np.clip(np.array(likelihoods, np.float32), 1e-4, 1 - 1e-4)
        scores = self.scores.copy()
        scores[first] = np.log(sure / (1 - sure))
        rest = self.order[len(likelihoods) :]
        if len(rest) and len(first):
            scores[rest] += scores[first].min() - scores[rest].max() - 1
        return msgspec.structs.replace(self, scores=scores, order=np.argsort(-scores, kind="stable"))


class Finder:
    """Holds an index and where its texts are; nothing of a question."""

    def __init__(self, index: Index, shelf: Shelf, ranker: Ranker, expander: Expander | None = None) -> None:
        self._index, self._shelf, self._ranker = index, shelf, ranker
        self.expander = expander or Expander()

    def nearest(self, vector: Floats) -> float:
        """Cosine of the chunk that is most like this; -1 where there is none."""
        return self._index.nearest(vector)

    def rank(self, text: str, vector: Floats) -> Ranked | None:
        """All candidates, ranked; `None`: the index is empty."""
        index = self._index
        question = index.question(text, vector, self.expander.alternatives(text))
        found = index.candidates(question)
        known = self._shelf.passages([int(index.ids[row]) for row in found.rows[:_CLOSER]])
        held = [place for place, row in enumerate(found.rows[:_CLOSER]) if int(index.ids[row]) in known]
        if not held:
            return None
        places = np.array(held, np.int64)
        found = Candidates(found.rows[places], found.words[places], found.cosines[places], found.fused[places], found.usual)
        passages = tuple(known[int(index.ids[row])] for row in found.rows)
        sentences = Sentences(index, found.rows, question)
        cosines = _cosines(question, found, passages, sentences)
        vectors = index.dense.vectors(found.rows)
        scores = spread(self._ranker.passages(features(question, found, sentences, cosines)), vectors)
        order = np.argsort(-scores, kind="stable")
        return Ranked(question, found, passages, sentences, cosines, scores, order, vectors, self._usual(found, passages))

    def find(self, text: str, vector: Floats, *, budget_tokens: int, count: CountTokens) -> Found:
        """What is worth sending. Nothing where nothing fits the budget."""
        ranked = self.rank(text, vector)
        return Found((), 0, 0) if ranked is None else self.sent(ranked, budget_tokens=budget_tokens, count=count)

    def sent(self, ranked: Ranked, *, budget_tokens: int, count: CountTokens) -> Found:
        """What of these candidates is worth sending."""
        numbers = self.narrowed(ranked)
        excerpts = self.cut(ranked, numbers, budget_tokens=budget_tokens, count=count)
        return Found(
            excerpts,
            sum(one.tokens for one in excerpts),
            sum(count(one.text) + count(one.heading) + _FRAME_TOKENS for one in ranked.usual),
            tuple(dict.fromkeys(one.passage.source for one in excerpts if suspicious(one.text))),
            also=tuple(extra.one for extra in ranked.question.extra),
            least_tokens=None if excerpts else self._least_tokens(ranked, numbers, count),
        )

    def narrowed(self, ranked: Ranked) -> list[int]:
        """Places in `ranked` of the passages whose sentences may be sent, best first."""
        near = near_the_best(ranked.order, ranked.scores)
        return [int(number) for number in unlike(near, ranked.scores, ranked.vectors, _SENT)]

    def cut(self, ranked: Ranked, numbers: Sequence[int], *, budget_tokens: int, count: CountTokens) -> tuple[Excerpt, ...]:
        """What is worth sending of these candidates, given by their places in `ranked`."""
        framing = {number: _FRAME_TOKENS + count(ranked.passages[number].heading) for number in numbers}
        taken = choose(self._lines(ranked, numbers, count), framing, budget_tokens)
        excerpts: list[Excerpt] = []
        for number, places in taken.items():
            passage = ranked.passages[number]
            text = excerpt_text(passage, places)
            excerpts.append(Excerpt(passage, text, framing[number] + count(text), float(ranked.scores[number])))
        return tuple(sorted(excerpts, key=lambda one: (one.passage.document, one.passage.place)))

    def _lines(self, ranked: Ranked, numbers: Sequence[int], count: CountTokens) -> list[Line]:
        sentences = ranked.sentences
        scores = self._ranker.sentences(sentence_features(ranked.question, sentences, ranked.scores, ranked.order, ranked.cosines))
        terms = sentences.terms.tolist()
        lines: list[Line] = []
        for number in numbers:
            passage, first = ranked.passages[number], int(sentences.first[number]) + 1
            for place, (start, end) in enumerate(passage.spans):
                begin, length = int(sentences.starts[first + place]), int(sentences.lengths[first + place])
                held = frozenset(terms[begin : begin + length]) - {BREAK}
                lines.append(Line(number, place, count(passage.text[start:end]) + 1, float(scores[first + place]), held))
        return lines

    def _least_tokens(self, ranked: Ranked, numbers: Sequence[int], count: CountTokens) -> int | None:
        """Of the shortest sentence that could be sent, with what names its passage."""
        passages = [ranked.passages[number] for number in numbers]
        sizes = (_FRAME_TOKENS + count(one.heading) + count(one.text[start:end]) + 1 for one in passages for start, end in one.spans)
        return min(sizes, default=None)

    def _usual(self, found: Candidates, passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
        """The best 20 by vector."""
        known = {int(row): passage for row, passage in zip(found.rows, passages, strict=True)}
        missing = [int(self._index.ids[row]) for row in found.usual if int(row) not in known]
        more = self._shelf.passages(missing)
        usual = [known.get(int(row)) or more.get(int(self._index.ids[row])) for row in found.usual]
        return tuple(passage for passage in usual if passage is not None)


def _cosines(question: Question, found: Candidates, passages: tuple[Passage, ...], sentences: Sentences) -> Floats:
    """Of every sentence; the heading's is that of the whole passage, as is that of sentences without a vector."""
    width = len(question.vector)
    cosines = found.cosines[sentences.owner].astype(np.float32)
    blobs: list[bytes] = []
    places: list[int] = []
    for passage, (first, end) in zip(passages, pairwise(sentences.first.tolist()), strict=True):
        if len(passage.sentences) == (end - first - 1) * width:
            blobs.append(passage.sentences)
            places += range(first + 1, end)
    if places:
        held = np.frombuffer(b"".join(blobs), np.int8).reshape(-1, width)
        cosines[places] = against(from_bytes(held), question.vector)
    return cosines
