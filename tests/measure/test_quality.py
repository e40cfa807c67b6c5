"""Quality figures against simulation and a second way of working them out."""

import random

import pytest

from farthing.core.judgement import VerdictSums
from farthing.measure.quality import FEWEST_PAIRS, quality, wilson


def sums(pairs: list[tuple[float, float]], cost: int = 0) -> VerdictSums:
    return VerdictSums(
        verdicts=len(pairs),
        scored=len(pairs),
        score=sum(score for score, _ in pairs),
        paired=len(pairs),
        paired_score=sum(score for score, _ in pairs),
        reference=sum(reference for _, reference in pairs),
        score_squares=sum(score**2 for score, _ in pairs),
        reference_squares=sum(reference**2 for _, reference in pairs),
        products=sum(score * reference for score, reference in pairs),
        cost_picousd=cost,
    )


def draw(seed: int, count: int) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    return [(0.8 - rng.choice((0, 0, 0.2, 0.4)), 0.8 - rng.choice((0, 0, 0, 0.2))) for _ in range(count)]


def test_the_interval_of_the_ratio_holds_the_truth_nineteen_times_in_twenty() -> None:
    true = (0.8 - 0.15) / (0.8 - 0.05)
    held = 0
    for seed in range(1000):
        found = quality(sums(draw(seed, 80)))
        assert found.ratio_low is not None
        assert found.ratio_high is not None
        held += found.ratio_low <= true <= found.ratio_high
    assert 925 <= held <= 975


def test_mean_and_ratio_have_their_own_sample_sizes() -> None:
    found = quality(VerdictSums(verdicts=5, scored=4, score=3.0, paired=2, paired_score=1.0, reference=2.0))
    assert (found.verdicts, found.scored, found.mean, found.pairs, found.ratio) == (5, 4, 0.75, 2, 0.5)
    assert (found.ratio_low, found.ratio_high) == (None, None)


def test_nothing_is_known_of_nothing() -> None:
    found = quality(VerdictSums())
    assert (found.mean, found.low, found.high, found.ratio, found.ratio_low) == (None, None, None, None, None)


def test_pairs_that_all_agree_leave_no_doubt() -> None:
    found = quality(sums([(1.0, 1.0)] * FEWEST_PAIRS))
    assert (found.ratio, found.ratio_low, found.ratio_high) == (1.0, pytest.approx(1.0), pytest.approx(1.0))
    assert found.low is not None
    assert found.low < 0.8  # eight verdicts are still only eight


def test_wilson_holds_at_the_ends() -> None:
    assert wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-3))
    assert wilson(10, 10) == (pytest.approx(0.7225, abs=1e-3), 1.0)
    assert wilson(0, 0) is None
