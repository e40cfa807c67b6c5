"""The bounds hold: simulated evidence at the edge of the promise passes no more often than the confidence allows."""

import numpy as np
import pytest

from farthing.lab.router.bounds import Bound, last_kept, p_value


def losses(random: np.random.Generator, count: int, *, wrong: float, lucky: float, right: float = 0.8, floor: float = 0.97) -> np.ndarray:
    """floor * expensive - served: both right, only the expensive one right, only the served one right, neither."""
    kinds = np.array([floor - 1, floor, -1.0, 0.0])
    return random.choice(kinds, count, p=[right, wrong, lucky, 1 - right - wrong - lucky])


@pytest.mark.parametrize("bound", ["gaffke", "betting"])
@pytest.mark.parametrize(("count", "lucky"), [(40, 0.0), (150, 0.004), (600, 0.02), (600, 0.0), (2000, 0.01)])
def test_a_setting_at_the_edge_passes_in_at_most_one_of_twenty(bound: Bound, count: int, lucky: float) -> None:
    random = np.random.default_rng(1)
    wrong = (0.03 * 0.8 + lucky) / 0.97  # the mean of the losses is 0: the promise is just not kept
    passed = [p_value(losses(random, count, wrong=wrong, lucky=lucky), 0.97, bound=bound, seed=at) <= 0.05 for at in range(400)]
    assert np.mean(passed) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 400)


def test_evidence_that_is_plain_passes() -> None:
    z = losses(np.random.default_rng(2), 2000, wrong=0.005, lucky=0.005)
    assert p_value(z, 0.97, bound="gaffke") < 0.01
    assert p_value(z, 0.97, bound="betting", confidence=0.99) <= 0.01


def test_the_proved_bound_loses_little_against_the_conjectured_one() -> None:
    random = np.random.default_rng(4)
    passed = {"betting": 0, "gaffke": 0, "normal": 0}
    for _ in range(200):
        z = losses(random, 1500, wrong=0.035, lucky=0.03)
        for bound in passed:
            passed[bound] += p_value(z, 0.97, bound=bound) <= 0.05  # type: ignore[arg-type]
    assert passed["betting"] >= 0.85 * passed["gaffke"] > 60


def test_one_prompt_is_no_evidence() -> None:
    assert p_value(np.array([-1.0]), 0.97) == 1.0


def test_settings_are_kept_up_to_the_first_that_fails() -> None:
    good, bad = np.full(500, -0.03), np.full(500, 0.1)
    assert last_kept([good, good, bad, good], 0.97, confidence=0.95) == 1
    assert last_kept([bad, good], 0.97, confidence=0.95) == -1
