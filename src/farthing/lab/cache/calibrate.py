"""`farthing cache calibrate PAIRS`: labels from people, before traffic brings any.

A line says of two questions whether one answer serves both: `{"a": ..., "b": ..., "same": true}`; `answer_a` and `answer_b` are taken. The file is
replayed in its order through a namespace as the gateway runs it: each `b` becomes a key of its answer, then `a` is looked up among all keys
before it. Where the nearest answer is one that the file speaks of (as the same, by any chain of pairs, or as another), that is a label: its
score and its features. The labels go to every namespace of the endpoint, where they count as the judge's do.

Nothing is learned of a file without pairs that differ: a threshold that has never seen a wrong hit promises nothing.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from farthing.brain.cache.semantic.certify import NEAR, NEVER
from farthing.brain.cache.semantic.context import NEIGHBOURS
from farthing.brain.cache.semantic.entries import Label
from farthing.brain.cache.semantic.index import VectorIndex
from farthing.brain.cache.semantic.namespace import Namespace, Promise
from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, load_prior
from farthing.brain.cache.semantic.verifier import Verifier
from farthing.config import Semantic
from farthing.core.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHOWN = 5
_FEWEST_OF_EACH = 10
_FEWEST_PAIRS = 100  # a certificate takes 40 labels of likely pairs, and not every pair is one
Question = Annotated[str, Meta(min_length=1, max_length=4000)]


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line."""

    a: Question
    b: Question
    same: bool
    answer_a: str | None = None
    answer_b: str | None = None


class Outcome(msgspec.Struct):
    """What came of a file."""

    pairs: int
    same: int
    labels: tuple[Label, ...] = ()
    near: int = 0  # of the labels, those of pairs that look the same to what was learned: thresholds are decided among them
    vetoed: int = 0  # pairs that a veto keeps apart, whatever is certified
    unknown: int = 0  # the nearest answer was one that the file does not speak of
    certified: bool = False
    bound: float | None = None
    coverage: float = 0.0
    served: int = 0  # of the labels, those above the threshold
    wrong: int = 0  # of those


def read_pairs(path: Path) -> list[Pair]:
    """Raises `ConfigError` that says what is wrong with the file."""
    decode = msgspec.json.Decoder(Pair).decode
    pairs: list[Pair] = []
    broken: list[str] = []
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    pairs.append(decode(line))
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    broken.append(f"line {number}: {error}")
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror or error}.") from None
    if broken:
        more = f", and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        told = "; ".join(broken[:_SHOWN])
        raise ConfigError(f'{path} has lines that are no pairs ({told}{more}). A line is {{"a": ..., "b": ..., "same": true}}.')
    _require(pairs, path)
    return pairs


def _require(pairs: Sequence[Pair], path: Path) -> None:
    if len(pairs) < _FEWEST_PAIRS:
        raise ConfigError(f"{path} has {len(pairs)} pairs; a certificate takes at least {_FEWEST_PAIRS}. Add some, or let a judge collect labels.")
    same = sum(pair.same for pair in pairs)
    for count, word in ((len(pairs) - same, "false"), (same, "true")):
        if count < _FEWEST_OF_EACH:
            what = "different answers" if word == "false" else "the same answer"
            raise ConfigError(f'{path} has {count} pairs with "same": {word}; it takes {_FEWEST_OF_EACH} of questions with {what} to learn from.')


class _Truth:
    """Which questions share an answer, by any chain of pairs, and which are known not to."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._parent: dict[str, str] = {}
        for pair in pairs:
            a, b = self.of(pair.a), self.of(pair.b)
            if pair.same:
                self._parent[a] = b
        self._apart = {frozenset((self.of(pair.a), self.of(pair.b))) for pair in pairs if not pair.same}
        self.contradictions = sum(len(two) == 1 for two in self._apart)

    def of(self, question: str) -> str:
        """The name of its answer."""
        root = question
        while (above := self._parent.setdefault(root, root)) != root:
            root = above
        self._parent[question] = root
        return root

    def same(self, one: str, other: str) -> bool | None:
        """Of two answers by name; `None`: the file does not say."""
        if one == other:
            return True
        return False if frozenset((one, other)) in self._apart else None


def calibrate(pairs: Sequence[Pair], vectors: "NDArray[np.float32]", config: Semantic, *, told: Callable[[int], None] = lambda _: None) -> Outcome:
    """Replay the pairs; `vectors` has a row for `a` and one for `b` of each, in order. Raises `ConfigError` where pairs contradict each other."""
    truth = _Truth(pairs)
    if truth.contradictions:
        raise ConfigError(f"{truth.contradictions} pairs are said to differ that other pairs make the same. Correct the file.")
    replay = _Replay(truth, config)
    for number, pair in enumerate(pairs):
        replay.place(pair.b, vectors[2 * number + 1])
        replay.ask(pair.a, vectors[2 * number])
        replay.place(pair.a, vectors[2 * number])
        told(number + 1)
    return replay.outcome(len(pairs), sum(pair.same for pair in pairs))


class _Replay:
    """A namespace, as the gateway runs it, with the file for a judge."""

    def __init__(self, truth: _Truth, config: Semantic) -> None:
        self._truth = truth
        self._space = Namespace(Promise(config.max_wrong_per_hit, config.confidence), load_prior(SHIPPED_PRIOR), coin=lambda: 1.0)
        self._verifier, self._index = Verifier(), VectorIndex()
        self._texts: list[str] = []
        self._placed: set[str] = set()
        self._groups: dict[str, int] = {}  # answer -> group
        self._answers: dict[int, str] = {}
        self._labels: list[Label] = []
        self._vetoed = self._unknown = 0

    def place(self, question: str, vector: "NDArray[np.float32]") -> None:
        if question in self._placed:
            return
        self._placed.add(question)
        answer = self._truth.of(question)
        if answer not in self._groups:
            self._groups[answer] = self._space.open_group()
            self._answers[self._groups[answer]] = answer
        self._index.add(len(self._texts), vector)
        self._space.add_key(len(self._texts), self._groups[answer])
        self._texts.append(question)

    def ask(self, question: str, vector: "NDArray[np.float32]") -> None:
        if question in self._placed:
            return  # its own key would be the nearest
        keys, cosines = self._index.nearest(vector, NEIGHBOURS)
        look = self._space.look(keys, cosines, lambda key, cosine: self._verifier.compare(question, self._texts[key], cosine))
        if look.candidate is None:
            return
        right = self._truth.same(self._truth.of(question), self._answers[look.candidate.group])
        if right is None:
            self._unknown += 1
            return
        self._space.learn(look, [(look.candidate.group, right)])
        if look.candidate.compared.veto is not None:
            self._vetoed += 1
        else:
            self._labels.append(Label(look.score, look.candidate.row, right))

    def outcome(self, pairs: int, same: int) -> Outcome:
        self._space.certify()
        certificate = self._space.certificate
        above = [label for label in self._labels if label.score >= certificate.threshold]
        return Outcome(
            pairs,
            same,
            tuple(self._labels),
            sum(self._space.scorer.score(label.row) >= NEAR for label in self._labels),
            self._vetoed,
            self._unknown,
            certificate.threshold != NEVER,
            certificate.bound,
            certificate.coverage,
            len(above),
            sum(not label.right for label in above),
        )
