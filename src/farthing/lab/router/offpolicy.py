"""What another router would have been worth, from a log of choices that chance had a part in.

`logged` has for every request the reward that was seen and the chance with which its tier was chosen. Inverse propensity and self-normalised
estimates (Horvitz and Thompson 1952; Swaminathan and Joachims 2015), and doubly robust ones (Dudik, Langford, Li 2011), which add a model of the
reward and stay right when either the model or the propensities are. Intervals are by the central limit theorem over requests.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned.base import Floats
from farthing.core.errors import FarthingError

_Z = 1.96


class NotOverlapping(FarthingError):
    """The log says nothing of what the other router would have done."""

    code = "not_overlapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One row per request: whether it went cheap, how likely that choice was, and what came of it."""

    cheap: npt.NDArray[np.bool_]
    propensity: Floats
    reward: Floats


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward with its interval; `effective` is how many requests it rests on."""

    value: float
    low: float
    high: float
    effective: float


def inverse_propensity(logged: Logged, target: Floats) -> Estimate:
    """Self-normalised. `target` is the chance with which the other router would go cheap. Raises `NotOverlapping`."""
    weights = _weights(logged, target)
    value = float((weights * logged.reward).sum() / weights.sum())
    error = float(np.sqrt((weights**2 * (logged.reward - value) ** 2).sum()) / weights.sum())
    return Estimate(value, value - _Z * error, value + _Z * error, _effective(weights))


def doubly_robust(logged: Logged, target: Floats, expected: Floats) -> Estimate:
    """`expected`: what a model says of the reward of going cheap and expensive, by request (two columns)."""
    weights = _weights(logged, target)
    of_choice = np.where(logged.cheap, expected[:, 0], expected[:, 1])
    each = target * expected[:, 0] + (1 - target) * expected[:, 1] + weights * (logged.reward - of_choice)
    error = float(each.std(ddof=1) / np.sqrt(len(each)))
    value = float(each.mean())
    return Estimate(value, value - _Z * error, value + _Z * error, _effective(weights))


def _weights(logged: Logged, target: Floats) -> Floats:
    if len(logged.reward) < 2:
        raise NotOverlapping("Fewer than two logged requests with a reward: nothing can be estimated.")
    if (logged.propensity <= 0).any() or (logged.propensity > 1).any():
        raise NotOverlapping("A logged choice has no chance between 0 and 1. Rows without `propensity` were certain: give them 1.")
    weights: Floats = np.where(logged.cheap, target, 1 - target) / logged.propensity
    if not weights.any():
        text = "The other router would have chosen differently on every logged request"
        raise NotOverlapping(f"{text}. Let some traffic explore (`route.learned.explore`), or judge it on graded prompts.")
    return weights


def _effective(weights: Floats) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())
