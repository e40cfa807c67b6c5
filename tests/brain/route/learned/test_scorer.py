"""What is worked out once for all kinds of router is what each would work out for itself."""

import numpy as np

from farthing.brain.route.learned.base import CELLS, Arrays, Floats, Kind
from farthing.brain.route.learned.scorer import Scorer, strange_rows
from farthing.lab.router.fit import fit

KINDS: tuple[Kind, ...] = ("knn", "logistic", "boosting", "stack")


def world(count: int) -> tuple[Floats, np.ndarray, Arrays]:
    random = np.random.default_rng(4)
    rows = random.normal(size=(count, 24)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    surface = random.normal(size=(count, 6))
    labels = (random.random((count, 2)) < 0.6).astype(float)
    return surface, rows, fit(surface, rows, labels)


def test_kinds_that_share_a_reading_judge_as_each_alone() -> None:
    surface, rows, arrays = world(400)
    seen = Scorer(arrays, "stack").see(surface[:20], rows[:20])
    for kind in KINDS:
        alone, columns, familiarity = Scorer(arrays, kind).score(surface[:20], rows[:20])
        assert np.array_equal(Scorer(arrays, "stack").quality(seen, kind), alone)
        assert np.array_equal(columns, seen.rows)
        assert np.array_equal(familiarity, seen.familiarity)


def test_familiarity_is_the_rank_of_the_distance_from_the_middle() -> None:
    surface, rows, arrays = world(400)
    scorer = Scorer(arrays, "knn")
    away = strange_rows(scorer.standard(surface), rows) - arrays["familiar.middle"]
    distances = ((away @ arrays["familiar.whiten"]) ** 2).sum(axis=1)
    further = np.array([np.mean(arrays["familiar"] >= distance) for distance in distances])
    assert np.allclose(scorer.see(surface, rows).familiarity, further, atol=2 / 400)


def test_one_prompt_is_judged_as_among_many_whether_or_not_there_are_cells() -> None:
    for count in (300, CELLS + 200):
        surface, rows, arrays = world(count)
        assert ("cells.of" in arrays) is (count > CELLS)
        scorer = Scorer(arrays, "stack")
        many = scorer.see(surface[:40], rows[:40])
        for at in range(40):
            one = scorer.see(surface[at : at + 1], rows[at : at + 1])
            assert np.allclose(one.rows[0], many.rows[at], atol=1e-5)
            assert abs(one.familiarity[0] - many.familiarity[at]) <= 2 / count


def test_no_prompts_are_no_trouble() -> None:
    for count in (300, CELLS + 200):
        surface, rows, arrays = world(count)
        quality, columns, familiarity = Scorer(arrays, "stack").score(surface[:0], rows[:0])
        assert quality.shape == (0, 2)
        assert columns.shape[0] == familiarity.shape[0] == 0
