"""A namespace's own eye: a logistic model over the survey's features, starting from what was learned on other traffic.

Refitted as labels come, by a few Newton steps towards a prior that is worth `PULL` labels a feature; some milliseconds each time.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farthing.brain.cache.semantic.context import FEATURES
from farthing.core.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SHIPPED_PRIOR = Path(__file__).parents[3] / "data" / "semantic_prior.json"
PULL = 6.0
_STEPS = 4
_HALVINGS = 12
_FIRST_FIT = 100
_GROWTH = 1.25
_MOST_ROWS = 6000


class Prior(msgspec.Struct, frozen=True):
    """Where every namespace begins: weights of the scaled features."""

    center: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]


def load_prior(path: Path) -> Prior:
    """Raises `ConfigError` when the file does not hold one for these features."""
    try:
        prior = msgspec.json.decode(path.read_bytes(), type=Prior)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"Cannot read the cache's prior {path}: {error}. Reinstall Farthing.") from error
    if len(prior.weights) != len(expand([0.0] * len(FEATURES))):
        raise ConfigError(f"The cache's prior {path} is for other features. Run examples/train_prior.py.")
    return prior


def expand(row: Sequence[float]) -> list[float]:
    """The features and what bends them: the trees of the verifier are many-sided, a logistic model is not."""
    cosine, margin, logit = row[0], row[1], row[9]
    return [*row, max(0.0, cosine - 0.85), max(0.0, cosine - 0.95), max(0.0, 0.05 - margin), max(0.0, logit), row[2] * row[7], float(row[13] > 0)]


class Scorer:
    """Scores rows; learns from labelled ones."""

    def __init__(self, prior: Prior) -> None:
        self._prior = prior
        self.weights = list(prior.weights)
        self._rows: list[list[float]] = []
        self._labels: list[bool] = []
        self._supposed: dict[int, list[float]] = {}
        self._seen, self._fit_at = 0, _FIRST_FIT

    def score(self, row: Sequence[float]) -> float:
        """The logit of the probability that the answer serves."""
        return _dot(self.weights, self._scaled(row))

    def learn(self, row: Sequence[float], right: bool) -> None:
        self._rows.append(self._scaled(row))
        self._labels.append(right)
        if len(self._rows) > _MOST_ROWS + 500:
            del self._rows[:500], self._labels[:500]
        self._count()

    def suppose(self, key: int, row: Sequence[float]) -> None:
        """That the answer does not serve, as long as nobody was asked: most of what is not likely is not the same."""
        self._supposed[key] = self._scaled(row)
        self._count()

    def known(self, key: int) -> None:
        """It is supposed no longer."""
        self._supposed.pop(key, None)

    def _count(self) -> None:
        self._seen += 1
        if self._seen >= self._fit_at:
            self._fit_at = self._seen + min(500, int(self._seen * (_GROWTH - 1)) + 1)
            self._refit()

    def _scaled(self, row: Sequence[float]) -> list[float]:
        prior = self._prior
        return [(value - center) / scale for value, center, scale in zip(expand(row), prior.center, prior.scale, strict=True)]

    def _refit(self) -> None:
        import numpy as np

        rows = np.array([*self._rows, *self._supposed.values()])
        labels = np.array([*self._labels, *(False for _ in self._supposed)], float)
        self.weights = fit(rows, labels, np.array(self._prior.weights), PULL).tolist()


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(one * other for one, other in zip(left, right, strict=True))


def fit(rows: "Floats", labels: "Floats", prior: "Floats", pull: float) -> "Floats":
    """Ridge-logistic weights near `prior`, by Newton's method; a step that would make things worse is halved."""
    import numpy as np

    weights, loss = prior.copy(), _loss(rows, labels, prior, prior, pull)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (labels - chance) - pull * (weights - prior)
        curve = (rows * (chance * (1 - chance) + 1e-6)[:, None]).T @ rows + pull * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        for _ in range(_HALVINGS):
            tried = _loss(rows, labels, weights + step, prior, pull)
            if tried <= loss + 1e-9 * abs(loss):
                weights, loss = weights + step, tried
                break
            step = step / 2
    return weights


def _loss(rows: "Floats", labels: "Floats", weights: "Floats", prior: "Floats", pull: float) -> float:
    """What `fit` makes small: how unlikely the labels are, and how far the weights are from the prior."""
    import numpy as np

    logits = rows @ weights
    return float(np.logaddexp(0, logits).sum() - labels @ logits + pull / 2 * ((weights - prior) ** 2).sum())
