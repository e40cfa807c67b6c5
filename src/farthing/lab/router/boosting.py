"""Boosted trees, grown by LightGBM and kept as complete trees in arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned import trees
from farthing.brain.route.learned.base import Arrays, Floats
from farthing.core.errors import FarthingError

Node = dict[str, Any]


class TrainerMissing(FarthingError):
    """The extra that trains is not installed."""

    code = "trainer_missing"


@dataclass(frozen=True, slots=True)
class Growth:
    """How many trees, how deep, how fast, and how many prompts a leaf needs."""

    trees: int
    depth: int
    rate: float
    least_rows: int


def grow(name: str, rows: Floats, labels: Floats, growth: Growth, *, seed: int = 0) -> Arrays:
    """A forest with one head per column of `labels`, fitted by squared error, so that a value is a mean score."""
    try:
        import lightgbm as imported  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise TrainerMissing("Training needs LightGBM: pip install 'farthing[train]'") from error
    options = {
        "objective": "regression", "learning_rate": growth.rate, "max_depth": growth.depth, "num_leaves": min(12, 1 << growth.depth),
        "min_data_in_leaf": min(growth.least_rows, max(5, len(rows) // 20)), "feature_fraction": 0.3, "bagging_fraction": 0.7, "bagging_freq": 1,
        # One thread: two fight for a core as soon as anything else runs, and results would depend on it.
        "lambda_l2": 10.0, "max_bin": 63, "num_threads": 1, "deterministic": True, "force_col_wise": True, "verbosity": -1, "seed": seed + 1,
    }  # fmt: skip
    lightgbm: Any = imported
    grown: list[tuple[npt.NDArray[np.int32], Floats, Floats]] = []
    for target in labels.T:
        start = float(target.mean())
        booster = lightgbm.train(options, lightgbm.Dataset(rows, target - start), growth.trees)
        dumped: list[Node] = booster.dump_model()["tree_info"]
        empty = growth.trees - len(dumped)  # where nothing is left to split, LightGBM stops early
        complete = [_complete(tree["tree_structure"], growth.depth) for tree in dumped]
        complete += [_complete({"leaf_value": 0.0}, growth.depth)] * empty
        grown += complete
    feature, threshold, leaf = (np.stack([tree[part] for tree in grown]) for part in range(3))
    return trees.pack(name, feature.astype(np.int32), threshold.astype(np.float64), leaf.astype(np.float64), labels.mean(axis=0))


def _complete(root: Node, depth: int) -> tuple[npt.NDArray[np.int32], Floats, Floats]:
    """The same tree with all its leaves at `depth`."""
    inner = (1 << depth) - 1
    feature, threshold, leaf = np.zeros(inner, np.int32), np.full(inner, np.inf), np.zeros(inner + 1)
    waiting: list[tuple[Node, int]] = [(root, 0)]
    while waiting:
        node, at = waiting.pop()
        if at >= inner:
            leaf[at - inner] = node["leaf_value"]
        elif "split_feature" in node:
            feature[at], threshold[at] = node["split_feature"], node["threshold"]
            waiting += [(node["left_child"], 2 * at + 1), (node["right_child"], 2 * at + 2)]
        else:
            waiting += [(node, 2 * at + 1), (node, 2 * at + 2)]
    return feature, threshold, leaf
