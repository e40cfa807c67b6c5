"""What falls far behind is dropped, and what repeats a better one waits."""

import numpy as np
import pytest

from farthing.brain.retrieve.narrow import near_the_best, spread, unlike

ORDER = np.array([2, 0, 1, 3])
SCORES = np.array([4.0, 3.0, 5.0, -20.0], np.float32)
VECTORS = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)


def test_where_none_stands_out_what_is_like_a_good_one_gains() -> None:
    near = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    level = np.array([1.0, 1.0, 1.5, 0.5], np.float32)
    found = spread(level, near)
    assert found[0] > found[1]
    clear = np.array([1.0, 1.0, 40.0, 0.5], np.float32)
    assert spread(clear, near) == pytest.approx(clear, abs=1e-3)
    assert spread(level, near, weight=0.0).tolist() == level.tolist()


def test_what_scores_far_below_the_best_is_dropped() -> None:
    assert near_the_best(ORDER, SCORES, gap=1.5).tolist() == [2, 0]
    assert near_the_best(ORDER, SCORES, gap=100.0).tolist() == ORDER.tolist()
    assert near_the_best(ORDER[:0], SCORES).tolist() == []


def test_what_repeats_a_better_one_waits_behind_what_does_not() -> None:
    assert unlike(ORDER, SCORES, VECTORS, 4, novelty=0.5).tolist() == [2, 1, 0, 3]
    assert unlike(ORDER, SCORES, VECTORS, 2, novelty=0.5).tolist() == [2, 1]


def test_without_novelty_the_order_stays() -> None:
    assert unlike(ORDER, SCORES, VECTORS, 3, novelty=0.0).tolist() == [2, 0, 1]
    assert unlike(ORDER[:0], SCORES, VECTORS, 3).tolist() == []
