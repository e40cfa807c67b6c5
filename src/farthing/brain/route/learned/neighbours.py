"""Nearest graded prompts, and what each model made of them. Rows are unit vectors of a reduced embedding."""

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
READ = 3000  # known prompts that one question is compared with, at least

Singles = npt.NDArray[np.float32]


def dims(known: int) -> int:
    """How many axes to keep for so many known prompts."""
    return DIMS if known <= MANY else DIMS_OF_MANY


def reduce(embeddings: npt.NDArray[np.floating], mean: npt.NDArray[np.floating], axes: npt.NDArray[np.floating]) -> Singles:
    """Unit vectors along the main axes of the training set."""
    low = (embeddings - mean) @ axes
    size = np.linalg.norm(low, axis=-1, keepdims=True)
    return (low / np.maximum(size, 1e-9)).astype(np.float32)


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
        if len(queries) == 1 and not leave_out_self:
            return self._nearest_one(queries[0], count)
        found, close = np.empty((len(queries), count), np.int64), np.empty((len(queries), count), np.float32)
        for start in range(0, len(queries), _AT_ONCE):
            likeness = queries[start : start + _AT_ONCE] @ self._rows.T
            if self._centres is not None:
                likeness[~self._near(queries[start : start + _AT_ONCE])[:, self._cell]] = -2.0
            if leave_out_self:
                rows = np.arange(len(likeness))
                likeness[rows, rows + start] = -2.0
            best = np.argpartition(likeness, -count, axis=1)[:, -count:]
            values = np.take_along_axis(likeness, best, 1)
            order = np.argsort(-values, axis=1, kind="stable")
            found[start : start + _AT_ONCE] = np.take_along_axis(best, order, 1)
            close[start : start + _AT_ONCE] = np.take_along_axis(values, order, 1)
        return found, close

    def _near(self, queries: Singles) -> npt.NDArray[np.bool_]:
        """Which cells each question looks into."""
        assert self._centres is not None
        order = np.argsort(-(queries @ self._centres.T), axis=1, kind="stable")
        before = np.cumsum(self._sizes[order], axis=1) - self._sizes[order]
        near = np.empty(order.shape, bool)
        np.put_along_axis(near, order, before < READ, 1)
        return near

    def _nearest_one(self, query: Singles, count: int) -> tuple[npt.NDArray[np.int64], Singles]:
        if self._centres is None:
            return _best(self._rows @ query, count)
        cells = (self._centres @ query).argsort(kind="stable")[::-1]
        held = self._sizes[cells].cumsum()
        cells = cells[: int(held.searchsorted(READ)) + 1]
        likeness = np.concatenate([self._by_cell[part] @ query for part in map(self._parts.__getitem__, cells.tolist())])
        found, close = _best(likeness, count)
        of = held.searchsorted(found, side="right")
        return self._order[found - held[of] + self._ends[cells[of]]], close


def _best(likeness: Singles, count: int) -> tuple[npt.NDArray[np.int64], Singles]:
    """Of one question."""
    best = likeness.argpartition(-count)[-count:]
    values = likeness[best]
    order = (-values).argsort(kind="stable")
    return best[order][None], values[order][None]


def votes(found: npt.NDArray[np.int64], close: Singles, labels: npt.NDArray[np.floating]) -> tuple[Floats, Floats]:
    """The kNN estimate per model, and the columns that other models read: means over 10 to 300 neighbours, a soft mean, how near they are."""
    theirs = labels[found]  # prompts x neighbours x models
    sums = theirs.cumsum(axis=1, dtype=np.float64)
    count = found.shape[1]
    at = [min(k, count) for k in COUNTS]
    means = sums[:, [k - 1 for k in at]] / np.array(at, np.float64)[:, None]
    weights = np.exp(_SHARPNESS * (close - close[:, :1])).astype(np.float64)
    soft = np.matmul(weights[:, None, :], theirs)[:, 0] / weights.sum(axis=1, keepdims=True)
    voters = min(VOTERS, count)
    rows = (means.reshape(len(found), -1), soft, close[:, [0, voters - 1]])
    return sums[:, voters - 1] / voters, np.concatenate(rows, axis=1, dtype=np.float64)
