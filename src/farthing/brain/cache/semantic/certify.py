"""Which score is high enough: a threshold under which at most the promised share of the answers served is wrong.

Method: risk control over strata of the score, with the scorer's own probabilities as a declared prior that labels correct.
1. *Shape.* The scorer gives every answer a probability of being wrong; it was made before the answer's label, so labels can test it.
2. *Level.* Above a threshold the shape may be off by a factor. Wrong ones among labels are Poisson with mean factor times the sum of the shape over
   these labels, however they were sampled by score. The factor has a gamma prior of mean 1 that is worth `PRIOR_LABELS`
   labels which came out just as the scorer says (conjugate, Gelman and others, "Bayesian Data Analysis", 2.6); all else it knows from labels.
3. *Bound.* Factor times the mean of the shape over what was served lately and what would be served from now on, plus `z` deviations: of the factor,
   and of the chance in which of the answers served the wrong ones turn out to be.
4. *Sequence.* Thresholds are tried in one order that no label decides (Angelopoulos and others, "Learn then Test", 2021, section 3.2), but a failure
   does not end it: the sets are nested, and the lowest that holds counts, down to a stratum that is `_DEEPEST` times too bad.
   The confidence is therefore nominal; bench/cache.py counts how often promises are kept.

Nothing is certified before `FEWEST_NEAR` labels of scores over 0.8 are there. What a judge gets wrong again and again is corrected for after Rogan
and Gladen (1978) where its rates of error are known.
"""

import math
from collections import deque

import msgspec

PRIOR_LABELS = 400.0
FEWEST_NEAR = 40
_STEP, _LOWEST = 0.25, 0.0
STRATA = 34  # 0 is everything under p = 0.5; the last begins at p = 0.9997
NEAR = 1.386  # p = 0.8
NEVER = math.inf
_LABELS_KEPT = 5000
_TRAFFIC_KEPT = 2000
_SERVED_KEPT = 4000
_DEEPEST = 4.0  # times the promise: no stratum worse than that is served, however good the others are
HORIZON = 500  # hits over which the promise is meant at the least


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def edge(at: int) -> float:
    """Where a stratum begins."""
    return _LOWEST + (at - 1) * _STEP


def stratum(score: float) -> int:
    """0 is the lowest."""
    return 0 if score < _LOWEST else min(STRATA - 1, 1 + int(min(1e6, score - _LOWEST) / _STEP))


SHAPE = tuple(_share(-(edge(at) + _STEP / 2)) for at in range(STRATA))  # share of wrong answers, by the scorer's own word


class JudgeErrors(msgspec.Struct, frozen=True):
    """How often the labels themselves are wrong in a way that asking again does not show; measured on pairs of known truth."""

    false_same: float = 0.0
    false_other: float = 0.0


class Certificate(msgspec.Struct, frozen=True):
    """The threshold in force and what it rests on."""

    threshold: float  # NEVER: nothing is certified yet
    bound: float | None  # upper bound of the share of wrong answers among those served
    labels: int  # labels above the threshold; while there is none, those near it, of which `FEWEST_NEAR` are needed
    coverage: float  # share of traffic above it


class Evidence:
    """Labels and traffic by stratum, the latest of each."""

    def __init__(self) -> None:
        self._labels: deque[tuple[int, bool]] = deque()
        self._traffic: deque[int] = deque()
        self.right = [0] * STRATA
        self.wrong = [0] * STRATA
        self.mass = [0] * STRATA
        self.served = [0] * STRATA
        self._served: deque[int] = deque()

    def seen(self, score: float) -> None:
        """A request came by with this score."""
        at = stratum(score)
        self._traffic.append(at)
        self.mass[at] += 1
        if len(self._traffic) > _TRAFFIC_KEPT:
            self.mass[self._traffic.popleft()] -= 1

    def serve(self, score: float) -> None:
        """An answer was served with this score."""
        at = stratum(score)
        self._served.append(at)
        self.served[at] += 1
        if len(self._served) > _SERVED_KEPT:
            self.served[self._served.popleft()] -= 1

    def label(self, score: float, *, right: bool) -> None:
        """The truth about a request with this score came out."""
        at = stratum(score)
        self._labels.append((at, right))
        (self.right if right else self.wrong)[at] += 1
        if len(self._labels) > _LABELS_KEPT:
            old, was_right = self._labels.popleft()
            (self.right if was_right else self.wrong)[old] -= 1

    @property
    def near(self) -> int:
        """Labels that say something about hits."""
        lowest = stratum(NEAR)
        return sum(self.right[lowest:]) + sum(self.wrong[lowest:])

    def certificate(self, max_wrong: float, *, z: float, judge: JudgeErrors) -> Certificate:
        """The lowest threshold that keeps the promise."""
        if self.near < FEWEST_NEAR:
            return Certificate(NEVER, None, self.near, 0.0)
        found, level = Certificate(NEVER, None, self.near, 0.0), _Level(judge)
        spent = min((at for at in range(1, STRATA) if self.served[at]), default=STRATA)
        hits, mass = sum(self.served), 0
        expected = sum(count * SHAPE[at] for at, count in enumerate(self.served))
        for at in range(STRATA - 1, 0, -1):
            while level.lowest > min(at, spent):
                level.add(self.right[level.lowest - 1], self.wrong[level.lowest - 1])
            mass += self.mass[at]
            hits += self.mass[at]
            expected += self.mass[at] * SHAPE[at]
            if not self.mass[at]:
                continue
            mean = expected / hits
            upper = level.upper(mean, hits, z)
            if level.factor(mean) * SHAPE[at] > _DEEPEST * max_wrong:
                break
            if upper <= max_wrong:
                found = Certificate(edge(at), upper, level.labels, mass / max(1, sum(self.mass)))
        return found


class _Level:
    """The factor by which the shape is off in the strata from `lowest` up."""

    def __init__(self, judge: JudgeErrors) -> None:
        self._judge = judge
        self._wrong = self.labels = 0
        self._expected = 0.0
        self.lowest = STRATA

    def add(self, right: int, wrong: int) -> None:
        """The labels of the next stratum down."""
        self.lowest -= 1
        self.labels += right + wrong
        self._wrong += wrong
        self._expected += (right + wrong) * SHAPE[self.lowest]

    @property
    def _sharp(self) -> float:
        return 1 - self._judge.false_same - self._judge.false_other

    def factor(self, mean: float) -> float:
        """How many times as often as a shape of this mean says."""
        wrong = max(0.0, self._wrong - self._judge.false_other * self.labels) / self._sharp
        return (wrong + PRIOR_LABELS * mean) / (self._expected + PRIOR_LABELS * mean)

    def upper(self, mean: float, hits: int, z: float) -> float:
        """Bound of the share of wrong answers whose shape has this mean."""
        wrong = max(self._wrong, self._judge.false_other * self.labels) / self._sharp**2
        spread = (wrong + PRIOR_LABELS * mean) / (self._expected + PRIOR_LABELS * mean) ** 2
        share = self.factor(mean) * mean
        return share + z * math.sqrt(mean**2 * spread + share / max(hits, HORIZON))
