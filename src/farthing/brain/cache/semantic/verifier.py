"""The verifier: how probable is it that one answer serves both questions, by their words and their cosine?

Gradient-boosted trees as plain numbers (examples/train_verifier.py writes and checks them), monotonic in every difference: no words that are
added to a question can raise its score. About 20 us a pair on top of reading and comparing.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from farthing.brain.cache.semantic.compare import FEATURES, features, veto
from farthing.brain.cache.semantic.reading import read
from farthing.core.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "data" / "verifier.json"
_OVERLAP = FEATURES.index("content overlap")
# Whoever makes up a question can make up its vector too: words with little in common do not come so near by themselves.
_NEAR_VECTOR, _SAME_VECTOR, _NOTHING, _LITTLE = 0.9, 0.97, 1e-9, 0.3
_STRICT = tuple(FEATURES.index(name) for name in ("dates differ", "opposites", "names differ", "roles differ", "same words in another order"))
_MORE_FIRST, _MORE_SECOND = FEATURES.index("only in first"), FEATURES.index("only in second")
_MOST_MORE = 3  # words of meaning that the one may have beyond the other: a longer clause asks for more
_REPLACED, _ASKED = FEATURES.index("replaced"), FEATURES.index("question word differs")


class Compared(msgspec.Struct, frozen=True, gc=False):
    """What the words say about a pair."""

    logit: float  # of the probability that one answer serves both
    veto: str | None  # why that can not be, whatever the probability
    strict: int  # differences that forbid it too, until a namespace has taught otherwise
    replaced: int  # words that stand in for others
    same_words: bool

    @property
    def probability(self) -> float:
        return 1 / (1 + math.exp(-self.logit))


class _Tree(msgspec.Struct, frozen=True):
    feature: list[int]  # -1: a leaf
    value: list[float]  # the threshold, or the leaf's part of the logit
    left: list[int]
    right: list[int]

    def nested(self, at: int = 0) -> "_Node":
        """What hangs from a node: three times as fast to walk down as the lists."""
        column = self.feature[at]
        return self.value[at] if column < 0 else (column, self.value[at], self.nested(self.left[at]), self.nested(self.right[at]))


_Node = float | tuple[int, float, "_Node", "_Node"]  # a leaf's part of the logit, or column, threshold and what lies to both sides


def _sum_of(roots: Sequence["_Node"], row: Sequence[float]) -> float:
    total = 0.0
    for root in roots:
        node = root
        while isinstance(node, tuple):
            node = node[2] if row[node[0]] <= node[1] else node[3]
        total += node
    return total


class _Trees(msgspec.Struct, frozen=True):
    features: list[str]
    base: float
    trees: list[_Tree]


class Verifier:
    """Compares pairs of questions. Pure."""

    def __init__(self, path: Path = SHIPPED) -> None:
        """Raises `ConfigError` when the file is no verifier, or one for other features."""
        try:
            self._trees = msgspec.json.decode(path.read_bytes(), type=_Trees)
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigError(f"Cannot read the verifier {path}: {error}. Reinstall Farthing.") from error
        if tuple(self._trees.features) != FEATURES:
            raise ConfigError(f"The verifier {path} was trained on other features. Run examples/train_verifier.py.")
        self._roots = [tree.nested() for tree in self._trees.trees]

    def compare(self, first: str, second: str, cosine: float) -> Compared:
        one, other = read(first), read(second)
        row = features(one, other, cosine)
        logit = self._trees.base + _sum_of(self._roots, row)
        unshared = bool(one.content and other.content) and row[_OVERLAP] < (_LITTLE if cosine >= _SAME_VECTOR else _NOTHING)
        collides = "the vectors are nearer than the words" if unshared and cosine >= _NEAR_VECTOR else None
        strict = unshared + sum(bool(row[column]) for column in _STRICT) + (row[_ASKED] > 1) + (max(row[_MORE_FIRST], row[_MORE_SECOND]) > _MOST_MORE)
        return Compared(logit, veto(one, other) or collides, int(strict), int(row[_REPLACED]), sorted(one.content) == sorted(other.content))
