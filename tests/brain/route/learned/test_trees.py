"""Trees in arrays say what LightGBM's own say."""

import lightgbm
import numpy as np

from farthing.brain.route.learned import trees
from farthing.lab.router.boosting import Growth, grow


def test_a_forest_predicts_what_its_trainer_predicts() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(600, 12))
    labels = np.stack([(rows[:, 0] + rows[:, 1] > 0).astype(float), np.abs(rows[:, 2])], axis=1)
    forest = trees.unpack("f", grow("f", rows, labels, Growth(40, 4, 0.1, 20)))
    options = {
        "objective": "regression", "learning_rate": 0.1, "max_depth": 4, "num_leaves": 12, "min_data_in_leaf": 20, "feature_fraction": 0.3,
        "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 10.0, "max_bin": 63, "num_threads": 1, "deterministic": True,
        "force_col_wise": True, "verbosity": -1, "seed": 1,
    }  # fmt: skip
    for head in range(2):
        start = labels[:, head].mean()
        booster = lightgbm.train(options, lightgbm.Dataset(rows, labels[:, head] - start), 40)
        assert np.allclose(forest.predict(rows)[:, head], start + booster.predict(rows), atol=1e-9)
    assert np.allclose(forest.predict(rows[:1]), forest.predict(rows[:5])[:1])


def test_labels_that_never_vary_give_a_constant() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 3))
    assert np.allclose(trees.unpack("f", grow("f", rows, np.ones((200, 1)), Growth(5, 3, 0.1, 20))).predict(rows), 1.0)
