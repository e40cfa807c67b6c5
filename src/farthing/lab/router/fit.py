"""Fitting the competitors: kNN, logistic regression, boosting, and their stack. The result is arrays; scoring them is `brain/route/learned`."""

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned import neighbours
from farthing.brain.route.learned.base import CELLS, MANY, Arrays, Floats
from farthing.brain.route.learned.scorer import known_of, linear_rows, sigmoid, strange_rows
from farthing.lab.router.boosting import Growth, grow

# Among many prompts a stronger penalty and slower trees do better on subjects that were held out (stack 0.574 -> 0.583 APGR on MMLU-Pro, grades of
# six models that no benchmark reports) and hardly worse on the others (0.621 -> 0.619); what is met later is never quite what was graded.
_RIDGE, _RIDGE_OF_MANY = 30.0, 150.0
_NEWTON_STEPS = 8
_STILL = 1e-7  # a step that changes no chance
_SHRINK = 0.05
_CLIP = 8.0
_PER_CELL, _ROUNDS = 250, 10
ROUTE_GROWTH = Growth(trees=150, depth=4, rate=0.05, least_rows=60)
ROUTE_GROWTH_OF_MANY = Growth(trees=150, depth=4, rate=0.03, least_rows=150)


def fit(surface: Floats, embeddings: npt.NDArray[np.float32] | None, labels: Floats, *, seed: int = 0) -> Arrays:
    """All that a `Scorer` needs, for every kind at once. Deterministic in its arguments."""
    mean, spread = surface.mean(axis=0), surface.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    plain = np.clip((surface - mean) / spread, -_CLIP, _CLIP)
    arrays: Arrays = {"surface.mean": mean, "surface.spread": spread, "labels": labels.astype(np.float32)}
    rows = plain
    if embeddings is not None:
        arrays |= _known(embeddings)
        found, close = known_of(arrays).nearest(arrays["known"].astype(np.float32), leave_out_self=True)
        _, columns = neighbours.votes(found, close, labels.astype(np.float32))
        rows = np.concatenate([plain, columns], axis=1)
        arrays |= _usual(plain, embeddings)
    design = linear_rows(plain, embeddings)
    ridge, growth = (_RIDGE_OF_MANY, ROUTE_GROWTH_OF_MANY) if len(labels) > MANY else (_RIDGE, ROUTE_GROWTH)
    arrays["linear.weights"] = np.stack([logistic(design, column, ridge) for column in labels.T], axis=1)
    return arrays | grow("boosting", rows, labels, growth, seed=seed)


def _known(embeddings: npt.NDArray[np.float32]) -> Arrays:
    """The main axes of the embeddings, and every prompt along them."""
    mean = embeddings.mean(axis=0)
    centred = embeddings - mean
    values, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(centred))
    axes = vectors[:, np.argsort(-values)[: neighbours.dims(len(embeddings))]].astype(np.float32)
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # eigenvectors come with either sign
    known = neighbours.reduce(embeddings, mean, axes)
    return {"known": known, "embedding.mean": mean, "embedding.axes": axes} | _cells(known)


def _cells(known: npt.NDArray[np.float32]) -> Arrays:
    """Many prompts in cells of some hundreds: k-means on the sphere."""
    if len(known) <= CELLS:
        return {}
    centres = known[np.random.default_rng(0).permutation(len(known))[: len(known) // _PER_CELL]]
    for _ in range(_ROUNDS):
        cell = (known @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, cell, known)
        size = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(size > 0, sums / np.maximum(size, 1e-9), centres).astype(np.float32)
    return {"cells.centres": centres, "cells.of": (known @ centres.T).argmax(axis=1).astype(np.int32)}


def _usual(plain: Floats, embeddings: npt.NDArray[np.float32]) -> Arrays:
    """Middle and spread of the training prompts, and their own distances from it."""
    rows = strange_rows(plain, embeddings)
    middle = rows.mean(axis=0)
    away = (rows - middle).astype(np.float64)
    spread = away.T @ away / len(away)
    spread += np.eye(len(spread)) * (_SHRINK * np.trace(spread) / len(spread))
    precise: Floats = np.asarray(np.linalg.inv(spread), np.float64)
    whiten = np.linalg.cholesky(precise).astype(np.float32)
    apart = (rows - middle) @ whiten
    inside: Floats = np.asarray((apart * apart).sum(axis=1), np.float64)
    # As if each had been left out of the spread (Sherman-Morrison): in small sets every prompt pulls the spread towards itself.
    distances = inside / np.maximum(1 - inside / len(inside), 1e-3)
    return {"familiar.middle": middle, "familiar.whiten": whiten, "familiar": np.sort(distances)}


def logistic(rows: Floats, target: Floats, ridge: float) -> Floats:
    """Ridge-penalised logistic regression by Newton's method; the last column is the constant and goes free. Targets may be shares."""
    weights = np.zeros(rows.shape[1])
    share = float(np.clip(target.mean(), 1e-3, 1 - 1e-3))
    weights[-1] = np.log(share / (1 - share))
    penalty = np.full(rows.shape[1], ridge)
    penalty[-1] = 1e-6
    for _ in range(_NEWTON_STEPS):
        chance = sigmoid(rows @ weights)
        slope = rows.T @ (target - chance) - penalty * weights
        bend = (rows * (chance * (1 - chance))[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if np.abs(step).max() < _STILL:
            break
    return weights
