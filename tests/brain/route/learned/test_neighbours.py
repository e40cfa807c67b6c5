"""Looking in cells finds what looking everywhere finds, for one question and for many."""

import numpy as np
import pytest

from farthing.brain.route.learned.base import MANY, Arrays
from farthing.brain.route.learned.neighbours import READ, Known
from farthing.brain.route.learned.scorer import Scorer, known_of
from farthing.lab.router.fit import fit


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def many() -> tuple[np.ndarray, Arrays]:
    """Prompts of forty topics, more than are searched one by one, with the arrays of a router that knows them."""
    random = np.random.default_rng(0)
    topics = random.normal(size=(40, 64))[random.integers(0, 40, MANY + 1000)]
    rows = unit(topics + random.normal(scale=0.8, size=topics.shape))
    labels = (random.random((len(rows), 2)) < 0.6).astype(float)
    from farthing.lab.router import fit as fitting

    arrays: Arrays = {**fitting._known(rows), "labels": labels}  # pyright: ignore[reportPrivateUsage]
    return rows, arrays


def test_cells_find_nearly_all_and_one_question_sees_what_many_see() -> None:
    _, arrays = many()
    known = arrays["known"].astype(np.float32)
    asked = known[:200]
    in_cells, everywhere = known_of(arrays), Known(known)
    found, close = in_cells.nearest(asked)
    wanted, _ = everywhere.nearest(asked)
    overlap = [len(set(one[:100]) & set(other[:100])) / 100 for one, other in zip(found.tolist(), wanted.tolist(), strict=True)]
    assert len(known) > READ
    assert np.mean(overlap) > 0.9
    for at in range(50):
        alone, likeness = in_cells.nearest(asked[at : at + 1])
        assert set(alone[0].tolist()) == set(found[at].tolist())
        assert np.allclose(likeness[0], close[at], atol=1e-5)
        assert np.allclose(known[alone[0]] @ asked[at], likeness[0], atol=1e-5)


def test_a_prompt_is_no_neighbour_of_itself() -> None:
    _, arrays = many()
    known = arrays["known"].astype(np.float32)
    found, _ = known_of(arrays).nearest(known, leave_out_self=True)
    assert not (found == np.arange(len(known))[:, None]).any()


def test_cells_that_do_not_fit_are_refused() -> None:
    rows = unit(np.random.default_rng(1).normal(size=(10, 4)))
    with pytest.raises(ValueError, match="do not fit"):
        Known(rows, rows[:2], np.zeros(9, np.int32))
    with pytest.raises(ValueError, match="do not fit"):
        Known(rows, rows[:2], np.full(10, 2, np.int32))


def test_few_prompts_are_searched_one_by_one_and_the_linear_model_weighs_most() -> None:
    random = np.random.default_rng(2)
    rows, labels = unit(random.normal(size=(300, 16))), (random.random((300, 2)) < 0.5).astype(float)
    surface = random.normal(size=(300, 5))
    arrays = fit(surface, rows, labels)
    assert "cells.of" not in arrays
    parts = [Scorer(arrays, kind).score(surface[:1], rows[:1])[0] for kind in ("knn", "logistic", "boosting", "stack")]
    assert np.allclose(0.2 * parts[0] + 0.6 * parts[1] + 0.2 * parts[2], parts[3])
