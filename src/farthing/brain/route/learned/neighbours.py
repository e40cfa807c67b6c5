"""Nearest graded prompts, and what each model made of them. Rows are unit vectors of a reduced embedding."""

from functools import cache

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned.base import MANY, Floats

# All 384 axes are no better than 128 (MMLU, APGR 0.706 against 0.707); among many prompts 48 do as well (0.742 against 0.741), and the time of a
# decision is that of reading them all; among 1,300 (GSM8K) 48 cost 0.01.
DIMS, DIMS_OF_MANY = 128, 48
COUNTS = (10, 30, 100, 300)
MOST = COUNTS[-1]
VOTERS = 100  # of the kNN router proper
_SHARPNESS = 8.0
_AT_ONCE = 1024
READ = 1500  # known prompts that one question is compared with, at least: 3,000 are no better (APGR 0.625 against 0.626 on MMLU-Pro)

Singles = npt.NDArray[np.float32]


def dims(known: int) -> int:
    """How many axes to keep for so many known prompts."""
    return DIMS if known <= MANY else DIMS_OF_MANY


def reduce(embeddings: npt.NDArray[np.floating], mean: npt.NDArray[np.floating], axes: npt.NDArray[np.floating]) -> Singles:
    """Unit vectors along the main axes of the training set."""
    return unit((embeddings - mean) @ axes)


def unit(rows: npt.NDArray[np.floating]) -> Singles:
    size = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return np.asarray(rows / np.maximum(size, 1e-9)[:, None], np.float32)


class Known:
    """Graded prompts to look among. Many of them lie in cells, of which only those nearest to a question are read: as many as hold `READ` prompts.

    Reading all of 14,000 takes a quarter of a millisecond and drives everything else out of the processor's cache.
    """

    def __init__(self, rows: Singles, centres: Singles | None = None, cell: npt.NDArray[np.integer] | None = None) -> None:
        """`cell`: of each row. Raises `ValueError` where they do not fit."""
        self._rows, self._centres = np.ascontiguousarray(rows), centres
        if centres is None or cell is None:
            self._centres = None
            return
        if len(cell) != len(rows) or centres.shape[1] != rows.shape[1] or cell.min(initial=0) < 0 or cell.max(initial=0) >= len(centres):
            raise ValueError("the cells and the known prompts do not fit together")
        self._cell, self._sizes = cell, np.bincount(cell, minlength=len(centres))
        self._order = np.argsort(cell, kind="stable")
        self._by_cell = np.ascontiguousarray(rows[self._order])
        self._ends = np.cumsum(self._sizes)
        self._parts = [slice(int(end - size), int(end)) for end, size in zip(self._ends, self._sizes, strict=True)]

    def __len__(self) -> int:
        return len(self._rows)

    def nearest(self, queries: Singles, *, leave_out_self: bool = False) -> tuple[npt.NDArray[np.int64], Singles]:
        """Indices and similarities of the nearest rows, best first. `leave_out_self`: the queries are the known rows."""
        count = min(MOST, len(self) - int(leave_out_self))
        if self._centres is not None and len(queries):  # a question reads a part of the rows only: one after another is quicker than all against all
            alone = [self._nearest_one(query, count, at if leave_out_self else None) for at, query in enumerate(queries)]
            return np.concatenate([found for found, _ in alone]), np.concatenate([close for _, close in alone])
        if len(queries) == 1 and not leave_out_self:
            return _best(self._rows @ queries[0], count)
        found, close = np.empty((len(queries), count), np.int64), np.empty((len(queries), count), np.float32)
        for start in range(0, len(queries), _AT_ONCE):
            likeness = queries[start : start + _AT_ONCE] @ self._rows.T
            if leave_out_self:
                rows = np.arange(len(likeness))
                likeness[rows, rows + start] = -2.0
            best = np.argpartition(likeness, -count, axis=1)[:, -count:]
            values = np.take_along_axis(likeness, best, 1)
            order = np.argsort(-values, axis=1, kind="stable")
            found[start : start + _AT_ONCE] = np.take_along_axis(best, order, 1)
            close[start : start + _AT_ONCE] = np.take_along_axis(values, order, 1)
        return found, close

    def _nearest_one(self, query: Singles, count: int, without: int | None) -> tuple[npt.NDArray[np.int64], Singles]:
        """Among the rows of the nearest cells. `without`: the row that the question is."""
        assert self._centres is not None
        cells = (self._centres @ query).argsort(kind="stable")[::-1]
        held = self._sizes[cells].cumsum()
        enough = int(held.searchsorted(READ)) + 1
        cells, held = cells[:enough], held[:enough]
        likeness = np.concatenate([self._by_cell[part] @ query for part in map(self._parts.__getitem__, cells.tolist())])
        found, close = _best(likeness, count if without is None else count + 1)
        moved = self._ends.take(cells) - held  # from a row's place among those read to its place among all
        rows = self._order.take(found + moved.take(held.searchsorted(found, side="right")))
        if without is None:
            return rows, close
        keep = np.flatnonzero(rows[0] != without)[:count]
        return rows[:, keep], close[:, keep]


def _best(likeness: Singles, count: int) -> tuple[npt.NDArray[np.int64], Singles]:
    """Of one question."""
    best = likeness.argpartition(-count)[-count:]
    values = likeness[best]
    order = (-values).argsort(kind="stable")
    return best[order][None], values[order][None]


def votes(found: npt.NDArray[np.int64], close: Singles, labels: npt.NDArray[np.floating]) -> tuple[Floats, Floats]:
    """The kNN estimate per model, and the columns that other models read: means over 10 to 300 neighbours, a soft mean, how near they are."""
    count, models = found.shape[1], labels.shape[1]
    theirs = labels.take(found, axis=0)  # prompts x neighbours x models
    means = np.matmul(_firsts(count), theirs) / _at(count)  # of one prompt in a third of the time of running sums
    weights = np.exp(_SHARPNESS * (close - close[:, :1])).astype(np.float64)
    many = len(COUNTS) * models
    rows = np.empty((len(found), many + models + 2))
    rows[:, :many] = means.reshape(len(found), many)
    rows[:, many:-2] = np.matmul(weights[:, None, :], theirs)[:, 0] / weights.sum(axis=1, keepdims=True)
    rows[:, -2], rows[:, -1] = close[:, 0], close[:, min(VOTERS, count) - 1]
    return means[:, COUNTS.index(VOTERS)], rows


@cache
def _at(count: int) -> Floats:
    """How many neighbours each mean is over, where there are but `count`."""
    return np.minimum(np.array(COUNTS, np.float64), count)[:, None]


@cache
def _firsts(count: int) -> Singles:
    """Rows that add up the first neighbours. Sums of so few grades are exact in single precision when grades are right or wrong."""
    return (np.arange(count) < _at(count)).astype(np.float32)
