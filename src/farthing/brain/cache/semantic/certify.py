"""Which score is high enough: a threshold under which at most the promised share of the answers served is wrong.

Method: stratified, fixed-sequence risk control. Requests are sorted into strata by score. Within a stratum whether a request was labelled depends
on a coin alone, so its labels are a random sample of it and estimate its share of wrong answers without weights. From the strictest stratum
down, the estimates are summed in proportion to traffic; the threshold is the lowest at which the sum's upper bound still keeps the promise.
The order of the strata is fixed beforehand, so that testing one after another spends no confidence (Angelopoulos and others, "Learn then Test",
2021, section 3.2; Bauer 1991); the bound is a normal one on the stratified mean with a prior of `PRIOR` labels at the model's own estimate
(Agresti and Coull 1998 in spirit), and holds a reserve for the chance in which of the served answers the wrong ones turn out to be.
A judge that errs is corrected for after Rogan and Gladen (1978) where its rates of error are known.
"""

import math
from collections import deque

import msgspec

PRIOR = 100.0
FEWEST_LABELS = 100
_EDGES = tuple(math.log(p / (1 - p)) for p in (0.5, 0.7, 0.8, 0.87, 0.91, 0.94, 0.96, 0.97, 0.98, 0.985, 0.99, 0.9935, 0.9965, 0.9985, 0.9995))
STRATA = len(_EDGES) + 1
NEVER = math.inf
_LABELS_KEPT = 5000
_TRAFFIC_KEPT = 2000
_SERVED_KEPT = 4000
_PLATT_PULL = 30.0
_DEEPEST = 4.0  # times the promise: no stratum worse than that is served, however good the others are
_HORIZON = 1000  # hits over which the promise is meant at the least


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def stratum(score: float) -> int:
    """0 is the lowest."""
    low, high = 0, len(_EDGES)
    while low < high:
        middle = (low + high) // 2
        if score >= _EDGES[middle]:
            low = middle + 1
        else:
            high = middle
    return low


class JudgeErrors(msgspec.Struct, frozen=True):
    """How often the labels themselves are wrong in a way that asking again does not show; measured on pairs of known truth."""

    false_same: float = 0.0
    false_other: float = 0.0


class Certificate(msgspec.Struct, frozen=True):
    """The threshold in force and what it rests on."""

    threshold: float  # NEVER: nothing is certified yet
    bound: float | None  # upper bound of the share of wrong answers among those served
    labels: int  # labels above the threshold, or in the two strictest strata with traffic while there is none
    coverage: float  # share of traffic above it


class Evidence:
    """Labels and traffic by stratum, the latest of each."""

    def __init__(self) -> None:
        self._labels: deque[tuple[int, bool, float]] = deque()
        self._traffic: deque[int] = deque()
        self.right = [0] * STRATA
        self.wrong = [0] * STRATA
        self.mass = [0] * STRATA
        self.expected = [0.0] * STRATA  # sum of the model's own estimates of wrong
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
        at, estimate = stratum(score), _share(-score)
        self._labels.append((at, right, estimate))
        (self.right if right else self.wrong)[at] += 1
        self.expected[at] += estimate
        if len(self._labels) > _LABELS_KEPT:
            old, was_right, old_estimate = self._labels.popleft()
            (self.right if was_right else self.wrong)[old] -= 1
            self.expected[old] -= old_estimate

    def certificate(self, max_wrong: float, *, z: float, judge: JudgeErrors) -> Certificate:
        """The lowest threshold that keeps the promise."""
        best, bound, labels, covered = NEVER, None, 0, 0
        if len(self._labels) < FEWEST_LABELS:
            return Certificate(NEVER, None, len(self._labels), 0.0)
        intercept, slope = self._calibration()
        estimates = [self._estimate(at, intercept, slope, judge) for at in range(STRATA)]
        mass = used = 0
        for at in range(STRATA - 1, 0, -1):
            used += self.right[at] + self.wrong[at]
            mass += self.mass[at]
            if not self.mass[at]:
                continue
            upper = self._bound(at, estimates, z)
            if upper <= max_wrong:
                best, bound, labels, covered = _EDGES[at - 1], upper, used, mass
            elif estimates[at][0] > _DEEPEST * max_wrong:
                break
        return Certificate(best, bound, labels, covered / max(1, sum(self.mass)))

    def _bound(self, lowest: int, estimates: list[tuple[float, float]], z: float) -> float:
        """Upper bound of the share of wrong answers among those served lately and those that would be with strata from `lowest` up."""
        counts = [self.served[at] + (self.mass[at] if at >= lowest else 0) for at in range(STRATA)]
        total = sum(counts)
        mean = sum(count * estimate for count, (estimate, _) in zip(counts, estimates, strict=True)) / total
        variance = sum(count**2 * uncertainty for count, (_, uncertainty) in zip(counts, estimates, strict=True)) / total**2
        return mean + z * math.sqrt(variance + mean * (1 - mean) / max(total, _HORIZON))

    def _calibration(self) -> tuple[float, float]:
        """How the labels bend the model's own estimates: intercept and slope on the logit of being wrong, near 0 and 1 (Platt 1999, with a prior)."""
        found = [
            (math.log(self.expected[at] / (count - self.expected[at])), self.wrong[at], count)
            for at in range(1, STRATA)
            if (count := self.right[at] + self.wrong[at]) and 0 < self.expected[at] < count
        ]
        intercept, slope = 0.0, 1.0
        for _ in range(5):
            g0, g1 = -_PLATT_PULL * intercept, -_PLATT_PULL * (slope - 1)
            h00, h01, h11 = _PLATT_PULL, 0.0, _PLATT_PULL
            for logit, wrong, count in found:
                chance = _share(intercept + slope * logit)
                miss, weight = wrong - count * chance, count * chance * (1 - chance)
                g0, g1 = g0 + miss, g1 + miss * logit
                h00, h01, h11 = h00 + weight, h01 + weight * logit, h11 + weight * logit * logit
            det = h00 * h11 - h01 * h01
            intercept = min(6.0, max(-3.0, intercept + (h11 * g0 - h01 * g1) / det))
            slope = min(3.0, max(0.2, slope + (h00 * g1 - h01 * g0) / det))
        return intercept, slope

    def _estimate(self, at: int, intercept: float, slope: float, judge: JudgeErrors) -> tuple[float, float]:
        """Share of wrong answers in a stratum, and the variance of that estimate."""
        count = self.right[at] + self.wrong[at]
        middle = (_EDGES[at - 1] + _EDGES[at]) / 2 if at < len(_EDGES) else _EDGES[-1] + 0.5
        logit = math.log(self.expected[at] / (count - self.expected[at])) if 0 < self.expected[at] < count else -middle
        prior = _share(intercept + slope * logit)
        sharp = 1 - judge.false_same - judge.false_other
        mean = (self.wrong[at] + PRIOR * prior) / (count + PRIOR)
        corrected = min(1.0, max(0.0, (mean - judge.false_other) / sharp))
        return corrected, max(mean * (1 - mean), 0.1 / (count + PRIOR)) / (count + PRIOR) / sharp**2
