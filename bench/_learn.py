"""Learn the ranker's numbers: two softmax regressions over what a question's candidates, and their sentences, look like."""

from collections.abc import Sequence

import numpy as np

from _rag import Asked, RagSet, holds
from farthing.brain.retrieve import features
from farthing.brain.retrieve.finder import Finder
from farthing.brain.retrieve.rank import Ranker

_SENT = 20
Group = tuple[np.ndarray, np.ndarray]  # features, whether it is a right one


def passage_groups(rag: RagSet, asked: Sequence[Asked]) -> list[Group]:
    """What the ranker sees of each question's candidates, question by question."""
    finder = _Seeing(rag)
    return [finder.passages(one) for one in asked]


def sentence_groups(rag: RagSet, asked: Sequence[Asked], ranker: Ranker) -> list[Group]:
    """The same of the sentences of the best passages, as that ranker ranks them; right are those with an answer, in a right passage."""
    finder = rag.finder(ranker, ())  # learned from questions as they are
    found: list[Group] = []
    for one in asked:
        ranked = finder.rank(one.text, one.vector)
        if ranked is None:
            continue
        rows = features.sentence_features(ranked.question, ranked.sentences, ranked.scores, ranked.order, ranked.cosines)
        keep: list[int] = []
        right: list[bool] = []
        for number in ranked.order[:_SENT].tolist():
            passage = ranked.passages[number]
            gold = rag.names[passage.id] in one.gold
            for place, (start, end) in enumerate(passage.spans):
                keep.append(int(ranked.sentences.first[number]) + 1 + place)
                right.append(gold and not one.yes_or_no and holds(passage.text[start:end], one.answers))
        if any(right):
            found.append((rows[keep], np.array(right)))
    return found


class _Seeing:
    """Catches the features that a finder would hand to its ranker."""

    def __init__(self, rag: RagSet) -> None:
        self._rag = rag
        self._rows = np.empty((0, len(features.NAMES)), np.float32)
        self._finder = Finder(rag.index, rag.shelf, self)  # type: ignore[arg-type]

    def passages(self, one: "Asked | np.ndarray") -> "tuple[np.ndarray, np.ndarray] | np.ndarray":
        if isinstance(one, np.ndarray):
            self._rows = one
            return one[:, 0]
        ranked = self._finder.rank(one.text, one.vector)
        assert ranked is not None
        return self._rows, np.array([self._rag.names[passage.id] in one.gold for passage in ranked.passages])


def learn(
    groups: Sequence[Sequence[Group]], names: tuple[str, ...], *, decay: float = 3e-3, steps: int = 400, rising: bool = False
) -> dict[str, float]:
    """Weights under which the right ones of a question take most of its softmax; every set counts the same. Adam, all at once, nothing random.

    `rising`: none below zero, which keeps what only one set rewards from being used against itself on another.
    """
    groups = [[group for group in some if group[1].any()] for some in groups]
    weights = np.concatenate([np.full(len(some), 1 / len(some)) for some in groups])
    weights /= weights.sum()
    flat = [group for some in groups for group in some]
    rows = np.concatenate([rows for rows, _ in flat]).astype(np.float64)
    right = np.concatenate([right for _, right in flat]).astype(np.float64)
    sizes = np.array([len(right) for _, right in flat])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    owner = np.repeat(np.arange(len(flat)), sizes)
    right /= np.add.reduceat(right, starts)[owner]
    middle, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    scaled = (rows - middle) / spread
    found, slope, square = (np.zeros(len(names)) for _ in range(3))
    for step in range(1, steps + 1):
        scores = scaled @ found
        powers = np.exp(scores - np.maximum.reduceat(scores, starts)[owner])
        shares = powers / np.add.reduceat(powers, starts)[owner]
        gradient = scaled.T @ ((shares - right) * weights[owner]) + 2 * decay * found
        slope = 0.9 * slope + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        found -= 0.05 * (slope / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
        if rising:
            found = np.maximum(found, 0)
    return {name: round(float(value), 4) for name, value in zip(names, found / spread, strict=True)}
