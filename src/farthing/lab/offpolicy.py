"""What another router would have been worth, from a log of choices that chance had a part in.

Of every request the log knows what was chosen, how likely that was (1 where chance had no part), and what came of it. Inverse propensity,
self-normalised (Horvitz and Thompson 1952; Swaminathan and Joachims 2015), counts the requests where the other router would have chosen the same,
each by one over its chance; doubly robust (Dudik, Langford, Li 2011) corrects a model of the outcome by them, and stays right when either the model
or the chances are. Intervals are drawn over runs (`lab.statistics`). Where the other router would have chosen what the log never could, neither
knows: `covered` says how often that was not so.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from farthing.core.errors import FarthingError
from farthing.lab.statistics import Estimate, ratio, sums_by

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class NotOverlapping(FarthingError):
    """The log says nothing of what the other router would have done."""

    code = "not_overlapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One row per request: its reward, the chance of the logged choice, whether the other router chooses the same, and whether the log could have."""

    reward: Floats
    propensity: Floats
    same: Flags
    possible: Flags
    runs: Sequence[Hashable] | NDArray[Any]  # what hangs together


@dataclass(frozen=True, slots=True)
class Worth:
    """Both estimates of the mean reward; `effective` is how many requests they rest on, `covered` the share that the log could have answered."""

    inverse_propensity: Estimate | None
    doubly_robust: Estimate | None
    effective: float
    covered: float
    rewarded: int


def worth(logged: Logged, of_logged: Floats, of_other: Floats) -> Worth:
    """`of_logged`, `of_other`: what a model expects of the logged and of the other choice, by request. Raises `NotOverlapping`."""
    weights = weigh(logged)
    tops, bottoms, robust, ones = sums_by(
        logged.runs, weights * logged.reward, weights, robust_rows(logged, of_logged, of_other), np.ones(len(weights))
    )
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    return Worth(ratio(tops, bottoms), ratio(robust, ones), effective, float(logged.possible.mean()), len(weights))


def weigh(logged: Logged) -> Floats:
    """One over the chance where both choose the same, else 0. Raises `NotOverlapping`."""
    if len(logged.reward) < 2:
        raise NotOverlapping("Fewer than two logged requests with a reward: nothing can be estimated.")
    if not ((logged.propensity > 0) & (logged.propensity <= 1)).all():
        raise NotOverlapping("A logged choice has no chance between 0 and 1. Rows without `propensity` were certain: give them 1.")
    weights: Floats = np.where(logged.same, 1 / logged.propensity, 0.0)
    if not weights.any():
        text = "The other router would have chosen differently on every logged request"
        raise NotOverlapping(f"{text}. Let some traffic explore (`route.learned.explore`), or judge it on graded prompts.")
    return weights


def robust_rows(logged: Logged, of_logged: Floats, of_other: Floats) -> Floats:
    """The doubly robust estimate of every single request; their mean is the estimate, and two routers are compared row by row."""
    return of_other + np.where(logged.same, (logged.reward - of_logged) / logged.propensity, 0.0)


def expected(choices: NDArray[np.int64], groups: NDArray[np.int64], reward: Floats, folds: NDArray[np.int64], of: NDArray[np.int64]) -> Floats:
    """A plain model of the reward, from the other folds only: the mean of choice `of` in its group, else of it anywhere, else of everything."""
    found = np.empty(len(of))
    for fold in np.unique(folds):
        other, own = folds != fold, folds == fold
        if not other.any():
            other = own
        overall = float(reward[other].mean())
        by_choice, by_both = _means(choices[other], reward[other]), _means(_pairs(choices, groups)[other], reward[other])
        keys = _pairs(of, groups)
        found[own] = [by_both.get(key, by_choice.get(choice, overall)) for key, choice in zip(keys[own].tolist(), of[own].tolist(), strict=True)]
    return found


def _pairs(choices: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    return groups * (1 << 20) + choices


def _means(keys: NDArray[np.int64], reward: Floats) -> dict[int, float]:
    unique, at = np.unique(keys, return_inverse=True)
    return dict(zip(unique.tolist(), (np.bincount(at, weights=reward) / np.bincount(at)).tolist(), strict=True))
