"""Boosted trees as arrays: every tree is complete, so that all trees of all heads take one step at a time."""

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned.base import Arrays, Floats

_AT_ONCE = 512


class Forest:
    """Trees of one depth, head after head; a head's value is its start plus the sum of its leaves."""

    def __init__(self, feature: npt.NDArray[np.int32], threshold: Floats, leaf: Floats, start: Floats) -> None:
        trees, inner = feature.shape
        self._depth = (inner + 1).bit_length() - 1
        if leaf.shape != (trees, inner + 1) or threshold.shape != feature.shape or trees % len(start) or inner + 1 != 1 << self._depth:
            raise ValueError("the arrays of the trees do not fit together")
        self._heads, self._start = len(start), start
        self.features = int(feature.max()) + 1 if feature.size else 0
        self._feature, self._threshold, self._leaf = feature.astype(np.intp).ravel(), threshold.ravel(), leaf.ravel()
        self._root = np.arange(trees, dtype=np.int64) * inner
        self._to_leaf = np.arange(trees, dtype=np.int64) * (inner + 1) - inner

    def predict(self, rows: Floats) -> Floats:
        """(prompts, heads) of (prompts, features)."""
        if len(rows) == 1:
            return self._one(rows[0])[None]
        return (
            np.concatenate([self._some(rows[at : at + _AT_ONCE]) for at in range(0, len(rows), _AT_ONCE)])
            if len(rows)
            else np.empty((0, self._heads))
        )

    def _one(self, row: Floats) -> Floats:
        right: npt.NDArray[np.bool_] = row.take(self._feature) > self._threshold  # every node at once: fewer steps than going down level by level
        node = np.zeros(len(self._root), np.int64)
        for _ in range(self._depth):
            node += node + 1 + right[self._root + node]
        return self._start + self._leaf[self._to_leaf + node].reshape(self._heads, -1).sum(axis=1)

    def _some(self, rows: Floats) -> Floats:
        node = np.zeros((len(rows), len(self._root)), np.int64)
        which = np.arange(len(rows))[:, None]
        for _ in range(self._depth):
            at = self._root + node
            node += node + 1 + (rows[which, self._feature[at]] > self._threshold[at])
        leaves = self._leaf[self._to_leaf + node]
        return self._start + leaves.reshape(len(rows), self._heads, -1).sum(axis=2)


def pack(name: str, feature: npt.NDArray[np.int32], threshold: Floats, leaf: Floats, start: Floats) -> Arrays:
    return {f"{name}.feature": feature, f"{name}.threshold": threshold, f"{name}.leaf": leaf, f"{name}.start": start}


def unpack(name: str, arrays: Arrays) -> Forest:
    """Raises `KeyError` or `ValueError` where they are missing or do not fit."""
    found = [arrays[f"{name}.{part}"] for part in ("feature", "threshold", "leaf", "start")]
    return Forest(found[0].astype(np.int32), *(part.astype(np.float64) for part in found[1:]))
