"""Choosing among several models: cheaper only as the price of quality rises, safe where two are as good."""

import msgspec
import numpy as np
import pytest

from farthing.brain.route.learned.base import FORMAT, Header
from farthing.brain.route.learned.choose import Pool, choose, losses, pool_of

POOL = Pool((0, 2, 1), (0.05, 0.3, 1.0))
OLD = {
    "format": FORMAT, "version": "a", "created_at": 0.0, "features_version": 1, "answers_version": 1, "embedder": None, "dims": 0,
    "models": ["mini", "large"], "cheap": "mini", "reference": "large", "second": None, "kind": "boosting", "labels": 100,
    "unfamiliar_below": 0.01, "languages": [], "promises": {},
}  # fmt: skip


def test_as_quality_gets_dearer_to_buy_every_prompt_moves_to_cheaper_models_only() -> None:
    loss = losses(np.random.default_rng(0).random((500, 3)))
    ratio = dict(zip(POOL.columns, POOL.cost_ratios, strict=True))
    spent = np.array([[ratio[int(column)] for column in choose(loss, POOL, price)] for price in np.geomspace(0.001, 3, 40)])
    assert (np.diff(spent, axis=0) <= 0).all()
    assert len(np.unique(spent)) == 3


def test_between_two_models_it_is_the_cut_of_a_gap() -> None:
    quality = np.random.default_rng(1).random((500, 2))
    gap = quality[:, 1] - quality[:, 0]
    chosen = choose(losses(quality), Pool((0, 1), (0.1, 1.0)), 0.2)
    assert (chosen == np.where(gap < 0.2 * 0.9, 0, 1)).all()


def test_of_equal_models_the_dearest_is_taken() -> None:
    assert choose(np.zeros((1, 3)), POOL, 0.0).tolist() == [1]


def test_a_header_that_does_not_fit_is_refused_and_one_without_candidates_has_none() -> None:
    old = msgspec.json.decode(msgspec.json.encode(OLD), type=Header)
    assert pool_of(old) is None
    with pytest.raises(ValueError, match="differ in number"):
        pool_of(msgspec.structs.replace(old, candidates=("mini", "large"), cost_ratios=(0.1,)))
    with pytest.raises(ValueError, match="not in"):
        pool_of(msgspec.structs.replace(old, candidates=("nano", "large"), cost_ratios=(0.1, 1.0)))
