"""Questions that were asked before in other words: the hit rate of a cache by meaning, by threshold, with the error that each would make.

A sample of questions (by hash, so that a run can be repeated) is compared with the newest questions of the same scope: endpoint, model, system
prompt, tenant, no history. Where both answers are in the log, they are compared too: a hit whose recorded answers differ would have been wrong,
or at least different. Costs: 2,000 comparisons with 16,384 questions each, 1 s.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from farthing.lab.audit.costs import Billed
from farthing.lab.audit.facts import Facts
from farthing.lab.audit.finders.base import About, Cut, Finder, share_of, whole
from farthing.lab.audit.finders.repeats import may_be_reused
from farthing.lab.audit.vectors import DIMENSIONS, SCALE, unit_rows

THRESHOLDS = (0.98, 0.95, 0.90, 0.85, 0.80)
CHOSEN = 0.90  # for the money
AGREE = 0.8  # cosine of two answers that say the same; labels and numbers must be the same
INDEX = 16_384
SAMPLED = 2_048
_BATCH = 128
_HASH_BITS = 56


class Probe(msgspec.Struct, frozen=True, gc=False):
    """One sampled question and its best match. `similarity` 0: none in its scope."""

    draw: int
    endpoint: str
    similarity: float
    agrees: bool | None  # None: an answer is not in the log


class SemanticRepeats(Finder):
    """Expected hits, of which only those count whose recorded answers agree."""

    about = About(
        kind="semantic_repeats",
        title="Semantic repeats",
        certainty="estimated",
        how=f"A sample of questions against those before them in the same scope, at similarity {CHOSEN} and with the same numbers; only hits whose "
        "recorded answers agree count. Similarity is lexical (hashed words and letters): paraphrases are missed, a 'not' is hardly seen.",
        remedy="Switch the semantic cache on with a bound on wrong hits; it learns its own threshold.",
        lever="cache",
    )

    def __init__(self) -> None:
        self._index = _Index()
        self._waiting: list[tuple[Facts, int]] = []
        self._probes: list[Probe] = []
        self._below = 1 << _HASH_BITS  # questions whose draw is below are sampled
        self._rates: dict[str, tuple[float, float, float]] = {}

    def learn(self, call: Facts) -> None:
        if call.vector is None or call.key is None or call.reused or not may_be_reused(call):
            return
        if _draw(call) < self._below:
            self._waiting.append((call, self._index.count))
            if len(self._waiting) >= _BATCH:
                self._probe()
        self._index.add(call)
        if len(self._probes) > SAMPLED:
            self._below //= 2
            self._probes = [probe for probe in self._probes if probe.draw < self._below]

    def ready(self) -> None:
        self._probe()
        by_endpoint: dict[str, list[Probe]] = {}
        for probe in self._probes:
            by_endpoint.setdefault(probe.endpoint, []).append(probe)
        for endpoint, probes in by_endpoint.items():
            hits = sum(probe.similarity >= CHOSEN and probe.agrees is True for probe in probes)
            if hits:
                self._rates[endpoint] = share_of(hits, len(probes))

    def _probe(self) -> None:
        for call, similarity, agrees in self._index.best(self._waiting):
            if similarity is not None:
                self._probes.append(Probe(_draw(call), call.endpoint, similarity, agrees))
        self._waiting.clear()

    def weigh(self, billed: Billed) -> Cut | None:
        call = billed.call
        if call.vector is None or call.reused or not may_be_reused(call):
            return None
        rates = self._rates.get(call.endpoint)
        return whole(*rates) if rates else None

    def details(self) -> Sequence[str]:
        total = len(self._probes)
        if not total:
            return ("No question without history in the log, so semantic repeats cannot be seen.",)
        lines = [f"{total:,} questions sampled; exact repeats left out."]
        for threshold in THRESHOLDS:
            hits = [probe for probe in self._probes if probe.similarity >= threshold]
            low, rate, high = share_of(len(hits), total)
            line = f"similarity {threshold:.2f}: hit rate {rate:.1%} ({low:.1%} to {high:.1%})"
            if judged := [probe for probe in hits if probe.agrees is not None]:
                low, wrong, high = share_of(sum(not probe.agrees for probe in judged), len(judged))
                line += f"; of {len(judged):,} hits with both answers {wrong:.0%} differ ({low:.0%} to {high:.0%})"
            lines.append(line)
        return lines


def _draw(call: Facts) -> int:
    return (call.key or 0) * 0x9E3779B97F4A7C15 % (1 << _HASH_BITS)


def _column(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(numbers), dtype=np.int64)[:, None]


class _Index:
    """The newest questions, in rings of one size."""

    def __init__(self, size: int = INDEX) -> None:
        self.count = 0
        self._size = size
        self._vectors: NDArray[np.int8] = np.zeros((size, DIMENSIONS), dtype=np.int8)
        self._answers: list[bytes | None] = [None] * size
        self._labels: list[str | None] = [None] * size
        self._scopes: NDArray[np.int64] = np.zeros(size, dtype=np.int64)
        self._keys: NDArray[np.int64] = np.zeros(size, dtype=np.int64)
        self._figures: NDArray[np.int64] = np.zeros(size, dtype=np.int64)
        self._answer_figures: NDArray[np.int64] = np.zeros(size, dtype=np.int64)
        self._numbers: NDArray[np.int64] = np.full(size, np.iinfo(np.int64).max, dtype=np.int64)

    def add(self, call: Facts) -> None:
        at = self.count % self._size
        self._vectors[at] = np.frombuffer(call.vector or bytes(DIMENSIONS), dtype=np.int8)
        self._scopes[at], self._keys[at], self._numbers[at] = call.scope, call.key or 0, self.count
        self._answers[at], self._labels[at] = call.answer_vector, call.label
        self._figures[at], self._answer_figures[at] = call.figures
        self.count += 1

    def best(self, asked: Sequence[tuple[Facts, int]]) -> Iterator[tuple[Facts, float | None, bool | None]]:
        """For each call the most similar one before it in its scope, and whether their answers agree; `None`: an exact repeat."""
        if not asked:
            return
        calls = [call for call, _ in asked]
        before = self._numbers[None, :] < _column(number for _, number in asked)
        usable = before & (self._scopes[None, :] == _column(call.scope for call in calls))
        repeats = (usable & (self._keys[None, :] == _column(call.key or 0 for call in calls))).any(axis=1)
        usable &= self._figures[None, :] == _column(call.figures[0] for call in calls)
        similar = unit_rows([call.vector or bytes(DIMENSIONS) for call in calls]) @ (self._vectors.astype(np.float32) / SCALE).T
        similar = np.where(usable, similar, 0.0)
        for row, (call, place) in enumerate(zip(calls, similar.argmax(axis=1), strict=True)):
            similarity = None if repeats[row] else float(similar[row, place])
            yield call, similarity, self._agree(call, int(place)) if similarity else None

    def _agree(self, call: Facts, place: int) -> bool | None:
        theirs = self._answers[place]
        if call.answer_vector is None or theirs is None:
            return None
        if call.label is not None or self._labels[place] is not None:
            return call.label == self._labels[place]
        if call.figures[1] != self._answer_figures[place]:
            return False
        mine, other = unit_rows([call.answer_vector, theirs])
        return float(mine @ other) >= AGREE
