"""Bounds that hold at any sample size, and the test that turns one into a setting.

A setting breaks its promise when the mean of z = floor * expensive score - served score is above 0; z is bounded. `p_value` is the chance of
evidence as good as this if it does. Settings are tested from the safest on and the first that fails ends it: fixed-sequence testing as in
"Learn then Test" (Angelopoulos, Bates, Candes, Jordan, Lei 2021, arXiv 2110.01052), which needs no correction for their number.

`betting`, the default, is proved: the wealth of a bettor whose stakes look only at the past grows past 1 / p with chance p at most (Ville 1939;
Waudby-Smith and Ramdas 2024, JRSS-B, arXiv 2010.09686). The stakes replicate an option that pays 1 / (1 - confidence) where the normal test would
reject, worked out anew from the wealth at every step (the idea of STaR-Bets, arXiv 2505.22422), so that little is lost against that test in large
samples; sparse losses in small samples cost more.
`gaffke`: the mean under Dirichlet weights with one more observation at the worst value (Gaffke 2005; Learned-Miller and Thomas 2020,
arXiv 1905.06208). A little tighter; its validity at every sample size is a conjecture that no search has refuted, ours neither
(tests/lab/router/test_bounds.py).
`normal`: the central limit theorem, for comparison only; with sparse losses it is wrong in 7 to 13 % of samples of 300.
"""

from collections.abc import Callable, Sequence
from math import erfc, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np

from farthing.brain.route.learned.base import Floats

Bound = Literal["gaffke", "betting", "normal"]

_DRAWS = 20_000
_GRID = 0.005
_NEVER = 1.0
_STANDARD = NormalDist()
_ROUNDS = 512  # stakes are set anew this often
_MOST_STAKED = 0.9  # of what would be lost at the worst value
_RUIN = 1e-9
_SPREAD, _SPREAD_WEIGHT = 0.1, 5.0  # of z squared, before anything was seen


def p_value(z: Floats, worst: float, *, bound: Bound = "betting", confidence: float = 0.95, seed: int = 0) -> float:
    """For the hypothesis that the mean of `z`, none of which is above `worst`, is 0 or more."""
    if len(z) < 2:
        return _NEVER
    if bound == "gaffke":
        return _gaffke(z, worst, seed)
    if bound == "betting":
        return _betting(z, worst, confidence, seed)
    return _normal(z)


def _gaffke(z: Floats, worst: float, seed: int) -> float:
    """Equal values share one gamma weight; values are rounded up to a grid, which errs to the safe side."""
    values, counts = np.unique(np.append(np.ceil(np.round(z / _GRID, 9)) * _GRID, worst), return_counts=True)
    draws = np.random.default_rng(seed).standard_gamma(counts, size=(_DRAWS, len(counts)))
    return float((1 + np.count_nonzero(draws @ values >= 0)) / (1 + _DRAWS))


def _betting(z: Floats, worst: float, confidence: float, seed: int) -> float:
    """One over the most that the bettor ever owned. At the goal the bets end, so that it is never much below 1 - confidence."""
    gains = -np.random.default_rng(seed).permutation(z)
    goal, count = 1 - confidence, len(gains)
    share = best = goal  # of the goal's wealth
    squares, seen = _SPREAD * _SPREAD_WEIGHT, _SPREAD_WEIGHT
    step = -(-count // _ROUNDS)
    for start in range(0, count, step):
        some = gains[start : start + step]
        stake = _STANDARD.pdf(_STANDARD.inv_cdf(share)) / (share * sqrt(squares / seen * (count - start)))
        share *= float(np.prod(1 + min(stake, _MOST_STAKED / worst) * some))
        if share >= 1:
            return goal / share
        if share < _RUIN:
            break
        best = max(best, share)
        squares, seen = squares + float(some @ some), seen + len(some)
    return min(1.0, goal / best)


def _normal(z: Floats) -> float:
    """By the central limit theorem: no promise at any sample size, for comparison."""
    error = float(z.std(ddof=1)) / sqrt(len(z))
    return 0.5 * erfc(-float(z.mean()) / error / sqrt(2)) if error > 0 else float(z.mean() >= 0)


def last_kept(settings: Sequence[Floats], worst: float, *, confidence: float, bound: Bound = "betting", seed: int = 0) -> int:
    """Index of the last setting before the first that fails, -1 when the safest fails already."""
    kept = -1
    for at, z in enumerate(settings):
        if p_value(z, worst, bound=bound, confidence=confidence, seed=seed) > 1 - confidence:
            break
        kept = at
    return kept


def least_ratio(z_at: Callable[[float], Floats], start: float, *, confidence: float, bound: Bound = "betting", seed: int = 0) -> float:
    """The highest floor that the evidence for one setting still carries, by bisection. `z_at(floor)` gives its losses."""
    low, high = 0.0, min(1.5, start)
    for _ in range(12):
        middle = (low + high) / 2
        z = z_at(middle)
        kept = p_value(z, middle, bound=bound, confidence=confidence, seed=seed) <= 1 - confidence
        low, high = (middle, high) if kept else (low, middle)
    return low
