"""Estimates from logs agree with the truth of a simulated world, and say when a log says nothing."""

from dataclasses import replace

import numpy as np
import pytest

from farthing.lab.offpolicy import Logged, NotOverlapping, Worth, expected, worth

BIG, SMALL = 1, 2


def world(seed: int, count: int = 600) -> tuple[Logged, np.ndarray, np.ndarray, float]:
    """A log whose chances are known, the true expected rewards of (logged, other) choice, and what the other router is truly worth."""
    random = np.random.default_rng(seed)
    ease = random.random(count)
    rewards = np.stack([0.3 + 0.6 * ease, np.full(count, 0.85)], axis=1)  # small, big
    chance = np.where(ease > 0.7, 0.9, 0.2)
    cheap = random.random(count) < chance
    reward = (random.random(count) < np.where(cheap, rewards[:, 0], rewards[:, 1])).astype(float)
    other = ease > 0.5
    of_other = np.where(other, rewards[:, 0], rewards[:, 1])
    of_logged = np.where(cheap, rewards[:, 0], rewards[:, 1])
    every = np.ones(count, bool)
    logged = Logged(reward=reward, propensity=np.where(cheap, chance, 1 - chance), same=cheap == other, possible=every, runs=np.arange(count))
    return logged, of_logged, of_other, float(of_other.mean())


def holds(found: Worth, truth: float) -> tuple[bool, bool]:
    pairs = (found.inverse_propensity, found.doubly_robust)
    assert all(one is not None and one.low is not None and one.high is not None for one in pairs)
    return tuple(one.low <= truth <= one.high for one in pairs)  # type: ignore[union-attr, operator, return-value]


def test_intervals_hold_the_truth_nineteen_times_in_twenty() -> None:
    held = {"ips": 0, "dr": 0, "wrong model": 0}
    for seed in range(40):
        logged, of_logged, of_other, truth = world(seed)
        ips, dr = holds(worth(logged, of_logged, of_other), truth)
        _, wrong = holds(worth(logged, np.full_like(of_logged, 0.2), np.full_like(of_other, 0.2)), truth)
        held["ips"] += ips
        held["dr"] += dr
        held["wrong model"] += wrong
    assert all(count >= 0.95 * 40 - 2.6 * np.sqrt(40 * 0.05 * 0.95) for count in held.values()), held


def test_a_log_taken_at_its_face_is_wrong_where_chance_preferred_some() -> None:
    found = [world(seed, 3000) for seed in range(20)]
    naive = np.mean([logged.reward[logged.same].mean() - truth for logged, _, _, truth in found])
    weighed = np.mean([worth(logged, a, b).inverse_propensity.value - truth for logged, a, b, truth in found])  # type: ignore[union-attr]
    assert abs(naive) > 4 * abs(weighed)


def test_a_good_model_of_the_reward_narrows_the_interval() -> None:
    logged, of_logged, of_other, _ = world(0)
    good, flat = worth(logged, of_logged, of_other).doubly_robust, worth(logged, of_logged * 0, of_other * 0).doubly_robust
    assert good is not None
    assert flat is not None
    assert good.high - good.low < 0.8 * (flat.high - flat.low)  # type: ignore[operator]
    assert 0 < worth(logged, of_logged, of_other).effective < len(logged.reward)


def test_a_log_without_overlap_is_refused() -> None:
    logged, of_logged, of_other, _ = world(0)
    apart = replace(logged, same=np.zeros(len(logged.same), bool))
    with pytest.raises(NotOverlapping, match="Let some traffic explore"):
        worth(apart, of_logged, of_other)
    with pytest.raises(NotOverlapping, match="no chance between 0 and 1"):
        worth(replace(logged, propensity=logged.propensity * 0), of_logged, of_other)
    with pytest.raises(NotOverlapping, match="Fewer than two"):
        worth(Logged(reward=np.ones(1), propensity=np.ones(1), same=np.ones(1, bool), possible=np.ones(1, bool), runs=[1]), np.ones(1), np.ones(1))


def test_what_the_log_never_could_have_chosen_is_not_covered() -> None:
    logged, of_logged, of_other, _ = world(0)
    assert worth(logged, of_logged, of_other).covered == 1.0
    assert worth(replace(logged, possible=logged.same), of_logged, of_other).covered == pytest.approx(logged.same.mean())


def test_the_model_of_a_request_never_saw_its_fold() -> None:
    choices, groups, folds = np.array([SMALL, SMALL, BIG, SMALL]), np.array([7, 7, 7, 8]), np.array([0, 1, 1, 1])
    reward = np.array([1.0, 0.0, 0.5, 1.0])
    found = expected(choices, groups, reward, folds, choices)
    assert found[0] == 0.0  # the other fold's small answer in the same group
    assert found[1] == 1.0
    assert found[2] == 1.0  # no big answer in the other fold: its mean
    assert found[3] == 1.0  # no small answer in that group: the model's mean
