"""From a prompt's features to the chance that each model answers it well. Training and serving run this same code."""

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned import neighbours, trees
from farthing.brain.route.learned.base import Arrays, Floats, Kind, weights

# What a linear model sees of embedding and surface, brought to a like scale.
_EMBEDDING_SCALE, _SURFACE_SCALE = 4.0, 0.5
_STRANGE_SCALE = 8.0


class Scorer:
    """The arrays of one trained router. Rows in, qualities out; many rows at once or one."""

    def __init__(self, arrays: Arrays, kind: Kind) -> None:
        """Raises `KeyError` or `ValueError` when arrays are missing or do not fit."""
        self._mean, self._spread = arrays["surface.mean"].astype(np.float64), arrays["surface.spread"].astype(np.float64)
        self.labels = arrays["labels"].astype(np.float32)
        self._weights = weights(kind, len(self.labels))
        self._linear = Linear(arrays["linear.weights"].astype(np.float64), len(self._mean)) if "linear.weights" in arrays else None
        self._forest = trees.unpack("boosting", arrays) if "boosting.feature" in arrays else None
        self.embeds = "known" in arrays
        if self.embeds:
            self.known = known_of(arrays)
            self._centre, self._axes = arrays["embedding.mean"].astype(np.float32), arrays["embedding.axes"].astype(np.float32)
            self._familiar = arrays["familiar"].astype(np.float64)
            self._middle, self._whiten = arrays["familiar.middle"].astype(np.float32), arrays["familiar.whiten"].astype(np.float32)
            if len(self.known) != len(self.labels):
                raise ValueError("the known prompts and their labels differ in number")

    def score(self, surface: Floats, embeddings: npt.NDArray[np.float32] | None) -> tuple[Floats, Floats, Floats]:
        """Quality (prompts x models), the columns that the cascade reads on, and familiarity (0..1, a quantile of the training set's own)."""
        plain = self.standard(surface)
        if not self.embeds or embeddings is None:
            return self._mix(plain, None, None), plain, np.ones(len(plain))
        low = neighbours.reduce(embeddings, self._centre, self._axes)
        found, close = self.known.nearest(low)
        knn, columns = neighbours.votes(found, close, self.labels)
        rows = np.concatenate([plain, columns], axis=1)
        return self._mix(rows, knn, embeddings), rows, self.familiarity(plain, embeddings)

    def standard(self, surface: Floats) -> Floats:
        return np.asarray(np.clip((surface - self._mean) / self._spread, -8.0, 8.0), np.float64)

    def familiarity(self, plain: Floats, embeddings: npt.NDArray[np.float32]) -> Floats:
        """Share of the training prompts that are at least as far (Mahalanobis) from the middle of them all. Distance to neighbours says less."""
        away = (strange_rows(plain, embeddings) - self._middle) @ self._whiten
        distances: Floats = np.asarray((away * away).sum(axis=1), np.float64)
        return 1.0 - self._familiar.searchsorted(distances).astype(np.float64) / len(self._familiar)

    def _mix(self, rows: Floats, knn: Floats | None, embeddings: npt.NDArray[np.float32] | None) -> Floats:
        parts: list[tuple[float, Floats]] = []
        if knn is not None and "knn" in self._weights:
            parts.append((self._weights["knn"], knn))
        if self._linear is not None and "logistic" in self._weights:
            parts.append((self._weights["logistic"], self._linear.chance(rows[:, : len(self._mean)], embeddings)))
        if self._forest is not None and "boosting" in self._weights:
            parts.append((self._weights["boosting"], self._forest.predict(rows)))
        total = sum(weight for weight, _ in parts)
        mixed: Floats = np.zeros((len(rows), self.labels.shape[1]))
        for weight, value in parts:
            mixed += weight / total * value
        return np.clip(mixed, 0.0, 1.0)


class Linear:
    """Logistic regression on embedding and surface: the sums of `linear_rows`, without making these rows."""

    def __init__(self, weights: Floats, surface: int) -> None:
        self._meaning = np.ascontiguousarray(weights[: -surface - 1] * _EMBEDDING_SCALE)
        self._surface = np.ascontiguousarray(weights[-surface - 1 : -1] * _SURFACE_SCALE)
        self._constant = weights[-1]

    def chance(self, plain: Floats, embeddings: npt.NDArray[np.float32] | None) -> Floats:
        """Raises `ValueError` where the widths differ from those of training."""
        total = plain @ self._surface + self._constant
        return sigmoid(total if embeddings is None else total + embeddings.astype(np.float64) @ self._meaning)


def known_of(arrays: Arrays) -> neighbours.Known:
    """The graded prompts of an artefact, in cells where it has them."""
    centres = arrays["cells.centres"].astype(np.float32) if "cells.centres" in arrays else None
    return neighbours.Known(arrays["known"].astype(np.float32), centres, arrays["cells.of"].astype(np.int32) if centres is not None else None)


def strange_rows(plain: Floats, embeddings: npt.NDArray[np.float32]) -> neighbours.Singles:
    """What is compared with the training set's middle and spread: meaning and form together."""
    return np.concatenate([embeddings * _STRANGE_SCALE, plain], axis=1).astype(np.float32)


def linear_rows(plain: Floats, embeddings: npt.NDArray[np.float32] | None) -> Floats:
    """What the logistic model reads, with the constant last."""
    ones = np.ones((len(plain), 1))
    parts = [plain * _SURFACE_SCALE, ones] if embeddings is None else [embeddings * _EMBEDDING_SCALE, plain * _SURFACE_SCALE, ones]
    return np.concatenate(parts, axis=1).astype(np.float64)


def sigmoid(values: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(values, -30.0, 30.0)))
