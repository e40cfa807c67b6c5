"""Bounds that hold at any sample size, and the test that turns one into a setting.

A setting breaks its promise when the mean of z = floor * expensive score - served score is above 0; z is bounded. `p_value` is the chance of
evidence as good as this if it does. Settings are tested from the safest on and the first that fails ends it: fixed-sequence testing as in
"Learn then Test" (Angelopoulos, Bates, Candes, Jordan, Lei 2021, arXiv 2110.01052), which needs no correction for their number.

`gaffke`: the mean under Dirichlet weights with one more observation at the worst value (Gaffke 2005; Learned-Miller and Thomas 2020,
arXiv 1905.06208). As tight as the normal approximation in large samples; its validity at every sample size is a conjecture that no search
has refuted, ours neither (tests/lab/router/test_bounds.py).
`betting`: hedged capital (Waudby-Smith and Ramdas 2024, JRSS-B, arXiv 2010.09686), proved, and about half as wide again.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from farthing.brain.route.learned.base import Floats

Bound = Literal["gaffke", "betting", "normal"]

_DRAWS = 20_000
_GRID = 0.005
_NEVER = 1.0


def p_value(z: Floats, low: float, high: float, *, bound: Bound = "gaffke", confidence: float = 0.95, seed: int = 0) -> float:
    """For the hypothesis that the mean of `z`, which lies in [low, high], is 0 or more."""
    if len(z) < 2:
        return _NEVER
    if bound == "gaffke":
        return _gaffke(z, high, seed)
    if bound == "betting":
        return _betting(z, low, high, confidence, seed)
    return _normal(z)


def _gaffke(z: Floats, worst: float, seed: int) -> float:
    """Equal values share one gamma weight; values are rounded up to a grid, which errs to the safe side."""
    values, counts = np.unique(np.append(np.ceil(np.round(z / _GRID, 9)) * _GRID, worst), return_counts=True)
    draws = np.random.default_rng(seed).standard_gamma(counts, size=(_DRAWS, len(counts)))
    return float((1 + np.count_nonzero(draws @ values >= 0)) / (1 + _DRAWS))


def _betting(z: Floats, low: float, high: float, confidence: float, seed: int) -> float:
    """One over the most that a bettor against the hypothesis ever owned; bets look only at what came before."""
    x = (high - np.random.default_rng(seed).permutation(z)) / (high - low)
    centre, count = high / (high - low), np.arange(1, len(z) + 1)
    mean = (0.5 + np.cumsum(x)) / (count + 1)
    spread = (0.25 + np.cumsum((x - mean) ** 2)) / (count + 1)
    before = np.concatenate([[0.25], spread[:-1]])
    bets = np.minimum(np.sqrt(2 * np.log(1 / (1 - confidence)) / (len(z) * before)), 0.75 / centre)
    wealth = np.cumsum(np.log1p(bets * (x - centre)))
    return float(min(1.0, np.exp(-wealth.max())))


def _normal(z: Floats) -> float:
    """By the central limit theorem: no promise at any sample size, for comparison."""
    from math import erfc, sqrt

    error = float(z.std(ddof=1)) / sqrt(len(z))
    return 0.5 * erfc(-float(z.mean()) / error / sqrt(2)) if error > 0 else float(z.mean() >= 0)


def last_kept(settings: Sequence[Floats], low: float, high: float, *, confidence: float, bound: Bound = "gaffke", seed: int = 0) -> int:
    """Index of the last setting before the first that fails, -1 when the safest fails already."""
    kept = -1
    for at, z in enumerate(settings):
        if p_value(z, low, high, bound=bound, confidence=confidence, seed=seed) > 1 - confidence:
            break
        kept = at
    return kept


def least_ratio(z_at: Callable[[float], Floats], start: float, *, confidence: float, bound: Bound = "gaffke", seed: int = 0) -> float:
    """The highest floor that the evidence for one setting still carries, by bisection. `z_at(floor)` gives its losses."""
    low, high = 0.0, min(1.5, start)
    for _ in range(12):
        middle = (low + high) / 2
        z = z_at(middle)
        kept = p_value(z, -1.0, middle, bound=bound, confidence=confidence, seed=seed) <= 1 - confidence
        low, high = (middle, high) if kept else (low, middle)
    return low
