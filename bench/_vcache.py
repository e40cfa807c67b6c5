"""vCache's rule, written from its paper and read against its code: what the semantic cache is measured beside.

Schroeder and others, "vCache: Verified Semantic Prompt Caching" (arXiv 2502.03771, v4), and `strategies/verified.py` of vcache-project/vCache
(CC BY-NC-ND: nothing is copied from it). Every cached question has observations of its own, (0, other) and (1, same) from the start, then a
pair for each neighbour that was explored, cosines rounded to three digits. From six of them on a logistic curve is fitted to them without a penalty:
midpoint t and slope gamma. The chance of exploring is the least that keeps wrong answers per *request* under delta, for the best of 50 bounds
on t. Where the observations fall apart cleanly, the variance of t comes from a table by their number in its code; here it is 0.21 / n, not
under 0.009, which is what that table comes to. What was explored and answered otherwise becomes a new entry; what was the same does not.
"""

import math
import random
from statistics import NormalDist

import numpy as np

_FEWEST = 6
_TAILS = np.linspace(1e-6, 1 - 1e-6, 50)
_QUANTILES = np.array([NormalDist().inv_cdf(1 - tail) for tail in _TAILS])
_CONVERGED = 36.0  # slope times gap at which a fit without penalty has a gradient of 1e-8
_VARIANCE, _LEAST_VARIANCE = 0.21, 0.009


class Curve:
    """What is known of one cached question."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = [(0.0, 0), (1.0, 1)]
        self._fitted: tuple[float, float, float] | None = None

    def observe(self, cosine: float, *, same: bool) -> None:
        self.seen.append((round(cosine, 3), int(same)))
        self._fitted = None

    def explores(self, cosine: float, delta: float, chance: random.Random) -> bool:
        """Whether the model is asked, by a coin."""
        if len(self.seen) < _FEWEST:
            return True
        if self._fitted is None:
            self._fitted = _fit(self.seen)
        middle, slope, deviation = self._fitted
        edges = np.clip(middle + _QUANTILES * deviation, 0.0, 1.0)
        right = (1 - _TAILS) / (1 + np.exp(-np.clip(slope * (round(cosine, 3) - edges), -60, 60)))
        return chance.random() <= 1 - delta / (1 - float(right.max()))


def _fit(seen: list[tuple[float, int]]) -> tuple[float, float, float]:
    """Midpoint, slope, and the midpoint's standard deviation."""
    last_other = max(cosine for cosine, same in seen if not same)
    first_same = min(cosine for cosine, same in seen if same)
    if first_same > last_other:
        variance = max(_LEAST_VARIANCE, _VARIANCE / len(seen))
        return (first_same + last_other) / 2, _CONVERGED / (first_same - last_other), math.sqrt(variance)
    return _newton(seen)


def _newton(seen: list[tuple[float, int]]) -> tuple[float, float, float]:
    """The logistic curve of greatest likelihood where the observations overlap; the variance by the delta method."""
    cosine = np.array([one for one, _ in seen])
    same = np.array([label for _, label in seen], float)
    design = np.column_stack([np.ones_like(cosine), cosine])
    weights, ridge = np.array([-5.0, 6.0]), 1e-6 * np.eye(2)

    def loss(at: np.ndarray) -> float:
        logit = design @ at
        return float(np.sum(np.logaddexp(0, logit) - same * logit))

    for _ in range(60):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -35, 35)))
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + ridge
        move, now, size = np.linalg.solve(curve, design.T @ (same - chance)), loss(weights), 1.0
        while size > 1e-4 and loss(weights + size * move) > now:
            size /= 2
        weights = weights + size * move
        if np.abs(move).max() * size < 1e-6:
            break
    chance = 1 / (1 + np.exp(-np.clip(design @ weights, -35, 35)))
    spread = np.linalg.inv((design * (chance * (1 - chance))[:, None]).T @ design + ridge)
    slope = max(float(weights[1]), 1e-6)
    gradient = np.array([-1 / slope, float(weights[0]) / slope**2])
    middle = min(1.0, max(0.0, -float(weights[0]) / slope))
    return middle, slope, math.sqrt(max(0.0, float(gradient @ spread @ gradient)))
