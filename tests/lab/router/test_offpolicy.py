"""Estimates from logs agree with the truth of a simulated world, and say when a log says nothing."""

import numpy as np
import pytest

from farthing.lab.router.offpolicy import Logged, NotOverlapping, doubly_robust, inverse_propensity


def world(seed: int, count: int = 3000) -> tuple[Logged, np.ndarray, np.ndarray, float]:
    """A log, the other router's chances, the true expected rewards, and the other router's true worth."""
    random = np.random.default_rng(seed)
    ease = random.random(count)
    expected = np.stack([0.3 + 0.6 * ease, np.full(count, 0.85)], axis=1)
    chance = np.where(ease > 0.7, 0.9, 0.2)
    cheap = random.random(count) < chance
    reward = (random.random(count) < np.where(cheap, expected[:, 0], expected[:, 1])).astype(float)
    target = (ease > 0.5).astype(float)
    truth = float(np.where(target == 1, expected[:, 0], expected[:, 1]).mean())
    return Logged(cheap=cheap, propensity=np.where(cheap, chance, 1 - chance), reward=reward), target, expected, truth


def test_intervals_hold_the_truth_nineteen_times_in_twenty() -> None:
    held = {"ips": 0, "dr": 0, "wrong model": 0}
    for seed in range(120):
        logged, target, expected, truth = world(seed)
        estimates = {
            "ips": inverse_propensity(logged, target),
            "dr": doubly_robust(logged, target, expected),
            "wrong model": doubly_robust(logged, target, np.full_like(expected, 0.5)),
        }
        for name, one in estimates.items():
            held[name] += one.low <= truth <= one.high
    assert all(count >= 0.95 * 120 - 2.6 * np.sqrt(120 * 0.05 * 0.95) for count in held.values()), held


def test_a_good_model_of_the_reward_narrows_the_interval() -> None:
    logged, target, expected, _ = world(0)
    plain, robust = inverse_propensity(logged, target), doubly_robust(logged, target, expected)
    assert robust.high - robust.low < plain.high - plain.low
    assert 0 < plain.effective < 3000


def test_a_log_without_overlap_is_refused() -> None:
    logged, _, _, _ = world(0)
    certain = Logged(cheap=np.zeros(3000, bool), propensity=np.ones(3000), reward=logged.reward)
    with pytest.raises(NotOverlapping, match="Let some traffic explore"):
        inverse_propensity(certain, np.ones(3000))
    with pytest.raises(NotOverlapping, match="no chance between 0 and 1"):
        inverse_propensity(Logged(cheap=logged.cheap, propensity=np.zeros(3000), reward=logged.reward), np.ones(3000))
