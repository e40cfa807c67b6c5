"""From a prompt's features to the chance that each model answers it well. Training and serving run this same code."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned import neighbours, trees
from farthing.brain.route.learned.base import Arrays, Floats, Kind, weights

# What a linear model sees of embedding and surface, brought to a like scale.
_EMBEDDING_SCALE, _SURFACE_SCALE = 4.0, 0.5
_STRANGE_SCALE = 8.0


_Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """Prompts as all kinds of router read them. `plain`: standard surface features; `rows`: with what the neighbours say."""

    plain: Floats
    rows: Floats
    embeddings: npt.NDArray[np.float32] | None
    voted: Floats | None  # by the neighbours, per model
    familiarity: Floats  # 0..1, a quantile of the training set's own


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
            self._familiar = arrays["familiar"].astype(np.float64)
            self._look(arrays)
            if len(self.known) != len(self.labels):
                raise ValueError("the known prompts and their labels differ in number")

    def _look(self, arrays: Arrays) -> None:
        """All that an embedding is multiplied with, side by side, so that one multiplication does: for the neighbours, and for the familiarity."""
        axes, whiten = arrays["embedding.axes"].astype(np.float32), arrays["familiar.whiten"].astype(np.float32)
        width, self._low = axes.shape
        self._across: _Singles = np.ascontiguousarray(np.concatenate([axes, whiten[:width] * _STRANGE_SCALE], axis=1), np.float32)
        mean, middle = arrays["embedding.mean"].astype(np.float32), arrays["familiar.middle"].astype(np.float32)
        self._origin: _Singles = np.concatenate([mean @ axes, middle @ whiten], dtype=np.float32)
        self._form: _Singles = np.ascontiguousarray(whiten[width:])

    def score(self, surface: Floats, embeddings: npt.NDArray[np.float32] | None) -> tuple[Floats, Floats, Floats]:
        """Quality (prompts x models), the columns that the cascade reads on, and familiarity."""
        seen = self.see(surface, embeddings)
        return self.quality(seen), seen.rows, seen.familiarity

    def see(self, surface: Floats, embeddings: npt.NDArray[np.float32] | None) -> Seen:
        """What costs most, and is the same for every kind of router: standing, neighbours, familiarity."""
        plain = self.standard(surface)
        if not self.embeds or embeddings is None:
            return Seen(plain, plain, None, None, np.ones(len(plain)))
        across: _Singles = embeddings @ self._across - self._origin
        voted, columns = neighbours.votes(*self.known.nearest(neighbours.unit(across[:, : self._low])), self.labels)
        return Seen(plain, np.concatenate([plain, columns], axis=1), embeddings, voted, self._familiarity(plain, across[:, self._low :]))

    def standard(self, surface: Floats) -> Floats:
        return np.minimum(np.maximum((surface - self._mean) / self._spread, -8.0), 8.0)

    def _familiarity(self, plain: Floats, meaning: _Singles) -> Floats:
        """Share of the training prompts that are at least as far (Mahalanobis) from the middle of them all. Distance to neighbours says less."""
        away = meaning + plain.astype(np.float32) @ self._form
        distances: Floats = np.asarray((away * away).sum(axis=1), np.float64)
        return 1.0 - self._familiar.searchsorted(distances).astype(np.float64) / len(self._familiar)

    def quality(self, seen: Seen, kind: Kind | None = None) -> Floats:
        """Prompts x models, by the kind that the artefact is of or by another."""
        weighed = self._weights if kind is None else weights(kind, len(self.labels))
        parts: list[tuple[float, Floats]] = []
        if seen.voted is not None and "knn" in weighed:
            parts.append((weighed["knn"], seen.voted))
        if self._linear is not None and "logistic" in weighed:
            parts.append((weighed["logistic"], self._linear.chance(seen.plain, seen.embeddings)))
        if self._forest is not None and "boosting" in weighed:
            parts.append((weighed["boosting"], self._forest.predict(seen.rows)))
        total = sum(weight for weight, _ in parts)
        mixed: Floats = np.zeros((len(seen.rows), self.labels.shape[1]))
        for weight, value in parts:
            mixed += weight / total * value
        return np.minimum(np.maximum(mixed, 0.0), 1.0)


class Linear:
    """Logistic regression on embedding and surface: the sums of `linear_rows`, without making these rows."""

    def __init__(self, weights: Floats, surface: int) -> None:
        self._meaning = np.ascontiguousarray(weights[: -surface - 1] * _EMBEDDING_SCALE, np.float32)
        self._surface = np.ascontiguousarray(weights[-surface - 1 : -1] * _SURFACE_SCALE)
        self._constant = weights[-1]

    def chance(self, plain: Floats, embeddings: npt.NDArray[np.float32] | None) -> Floats:
        """Raises `ValueError` where the widths differ from those of training."""
        total = plain @ self._surface + self._constant
        return sigmoid(total if embeddings is None else total + embeddings @ self._meaning)


def known_of(arrays: Arrays) -> neighbours.Known:
    """The graded prompts of an artefact, in cells where it has them."""
    centres = arrays["cells.centres"].astype(np.float32) if "cells.centres" in arrays else None
    return neighbours.Known(arrays["known"].astype(np.float32), centres, arrays["cells.of"].astype(np.int32) if centres is not None else None)


def strange_rows(plain: Floats, embeddings: npt.NDArray[np.float32]) -> _Singles:
    """What is compared with the training set's middle and spread: meaning and form together."""
    return np.concatenate([embeddings * _STRANGE_SCALE, plain], axis=1).astype(np.float32)


def linear_rows(plain: Floats, embeddings: npt.NDArray[np.float32] | None) -> Floats:
    """What the logistic model reads, with the constant last."""
    ones = np.ones((len(plain), 1))
    parts = [plain * _SURFACE_SCALE, ones] if embeddings is None else [embeddings * _EMBEDDING_SCALE, plain * _SURFACE_SCALE, ones]
    return np.concatenate(parts, axis=1).astype(np.float64)


def sigmoid(values: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.minimum(np.maximum(values, -30.0), 30.0)))
