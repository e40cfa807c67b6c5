"""The test itself: what it does to good levers, bad ones and those on the edge, over simulated judges. bench/quality.py runs it at full size."""

import random

import pytest

from farthing.brain.quality.sequential import begin, has_broken, has_held, observe, ratio
from farthing.core.judgement import Stance

FLOOR = 0.97
REFERENCE = 0.8
MARGINS = (0.1, 0.2, 0.2, 0.4)


def judged(draw: random.Random, quality: float, better: float = 0.2) -> tuple[float, float]:
    """Scores of one pair: mostly a tie, else one of the two is worse by some margin; `quality` is the true ratio of means."""
    margin = sum(MARGINS) / len(MARGINS)
    worse = (REFERENCE * (1 - quality) + quality * better * margin) / margin
    at, less = draw.random(), REFERENCE - draw.choice(MARGINS)
    return (less, REFERENCE) if at < worse else (REFERENCE, less) if at < worse + better else (REFERENCE, REFERENCE)


def first_alarm(seed: int, quality: float, samples: int) -> int | None:
    draw, stance = random.Random(seed), Stance()
    for number in range(1, samples + 1):
        stance = observe(stance, *judged(draw, quality), FLOOR)
        if has_broken(stance):
            return number
    return None


def test_a_drop_is_found_soon_and_parity_is_left_alone() -> None:
    found = [first_alarm(seed, FLOOR - 0.03, 500) for seed in range(60)]
    assert sum(one is not None for one in found) >= 45
    assert sum(first_alarm(seed, 1.0, 3000) is not None for seed in range(60)) <= 1


def test_a_lever_that_was_good_for_long_is_found_as_soon() -> None:
    draw, stance = random.Random(3), Stance()
    for _ in range(5000):
        stance = observe(stance, *judged(draw, 1.0), FLOOR)
    assert not has_broken(stance)
    after = 0
    while not has_broken(stance):
        stance, after = observe(stance, *judged(draw, 0.9), FLOOR), after + 1
    assert after < 300


def test_evidence_that_it_holds_grows_at_parity_only() -> None:
    def held(quality: float) -> int:
        stances = []
        for seed in range(30):
            draw, stance, ever = random.Random(seed), Stance(), False
            for _ in range(800):
                stance = observe(stance, *judged(draw, quality), FLOOR)
                ever = ever or has_held(stance)
            stances.append(ever)
        return sum(stances)

    assert held(1.0) >= 24
    assert held(FLOOR - 0.01) <= 5


def test_the_estimate_is_the_ratio_of_means() -> None:
    stance = observe(observe(Stance(), 0.5, 1.0, FLOOR), 1.0, 1.0, FLOOR)
    assert (ratio(stance), stance.samples) == (0.75, 2)
    assert ratio(Stance()) is None


@pytest.mark.parametrize("pair", [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (1.0, 1.0)])
def test_the_farthest_scores_keep_the_evidence_finite(pair: tuple[float, float]) -> None:
    stance = Stance()
    for _ in range(2000):
        stance = observe(stance, *pair, FLOOR)
    assert abs(stance.broke) < 10_000
    assert abs(stance.holds) < 10_000


def test_another_floor_starts_afresh() -> None:
    stance = Stance()
    for _ in range(50):
        stance = observe(stance, 0.0, 1.0, FLOOR)
    assert has_broken(stance)
    moved = observe(stance, 1.0, 1.0, 0.5)
    assert (moved.samples, has_broken(moved)) == (1, False)
    assert begin(stance, FLOOR).samples == 0
