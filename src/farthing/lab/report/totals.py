"""Whole numbers added up by kind of row, exactly, whatever their size; and the times of all rows, for exact quantiles."""

import numpy as np
from numpy.typing import NDArray

from farthing.lab.report.figures import Spread
from farthing.lab.report.window import UNKNOWN, Chunk, Codes, Whole

_LOW_BITS = 32
_LOW_MASK = (1 << _LOW_BITS) - 1


class Sums:
    """One sum per code. Two halves of 64 bits each: the sums stay exact beyond what one of them holds."""

    def __init__(self) -> None:
        self._low: Whole = np.zeros(0, np.int64)
        self._high: Whole = np.zeros(0, np.int64)

    def add(self, codes: Codes, values: Whole) -> None:
        if not len(codes):
            return
        missing = int(codes.max()) + 1 - len(self._low)
        if missing > 0:
            self._low, self._high = (np.concatenate([half, np.zeros(missing, np.int64)]) for half in (self._low, self._high))
        np.add.at(self._low, codes, values & _LOW_MASK)
        np.add.at(self._high, codes, values >> _LOW_BITS)

    def of(self, codes: list[int]) -> int:
        """Over these codes together."""
        have = [code for code in codes if code < len(self._low)]
        return (sum(self._high[have].tolist()) << _LOW_BITS) + sum(self._low[have].tolist())


class Squares:
    """One sum of squares per code, and its root: how far a sum may be off whose parts err independently."""

    def __init__(self) -> None:
        self._sums: NDArray[np.float64] = np.zeros(0)

    def add(self, codes: Codes, values: Whole) -> None:
        sums = np.bincount(codes, weights=values.astype(np.float64) ** 2, minlength=len(self._sums))
        sums[: len(self._sums)] += self._sums
        self._sums = sums.astype(np.float64)

    def root(self, codes: list[int]) -> float:
        """Over these codes together."""
        return float(np.sqrt(self._sums[[code for code in codes if code < len(self._sums)]].sum()))


class Totals:
    """What a report counts and adds up, by kind."""

    def __init__(self) -> None:
        self.requests, self.calls = Sums(), Sums()
        self.tokens_in, self.tokens_out, self.tokens_cached, self.tokens_unknown = Sums(), Sums(), Sums(), Sums()
        self.priced, self.cost = Sums(), Sums()
        self.compared, self.compared_cost, self.baseline = Sums(), Sums(), Sums()

    def add(self, chunk: Chunk) -> None:
        self.requests.add(chunk.kinds, np.ones_like(chunk.calls))
        self._add_known(self.calls, chunk, chunk.calls)
        self._add_known(self.tokens_in, chunk, chunk.tokens_in)
        self._add_known(self.tokens_out, chunk, chunk.tokens_out)
        self._add_known(self.tokens_cached, chunk, chunk.tokens_cached)
        unknown = (chunk.tokens_in == UNKNOWN) | (chunk.tokens_out == UNKNOWN)
        self.tokens_unknown.add(chunk.kinds, unknown.astype(np.int64))
        self.priced.add(chunk.kinds, (chunk.cost != UNKNOWN).astype(np.int64))
        self._add_known(self.cost, chunk, chunk.cost)
        compared = (chunk.cost != UNKNOWN) & (chunk.baseline != UNKNOWN)
        self.compared.add(chunk.kinds, compared.astype(np.int64))
        self.compared_cost.add(chunk.kinds, np.where(compared, chunk.cost, 0))
        self.baseline.add(chunk.kinds, np.where(compared, chunk.baseline, 0))

    def _add_known(self, sums: Sums, chunk: Chunk, values: Whole) -> None:
        sums.add(chunk.kinds, np.where(values == UNKNOWN, 0, values))


class Times:
    """One of the times of every row, with the row's kind."""

    def __init__(self) -> None:
        self._kinds: list[Codes] = []
        self._values: list[NDArray[np.float64]] = []

    def add(self, kinds: Codes, values: NDArray[np.float64]) -> None:
        known = ~np.isnan(values)
        self._kinds.append(kinds[known])
        self._values.append(values[known])

    def spreads(self, group_of: Codes, groups: int) -> list[Spread]:
        """The spread of all of them, then that of each group."""
        if not self._values:
            return [_spread(np.zeros(0))] * (groups + 1)
        values = np.concatenate(self._values)
        if not groups:
            return [_spread(np.sort(values))]
        by_value = np.argsort(values)
        ordered = values[by_value]
        of = group_of[np.concatenate(self._kinds)[by_value]].astype(np.int16 if groups < 1 << 15 else np.int32)
        by_group = np.argsort(of, kind="stable")  # of short whole numbers: a radix sort
        ends = np.searchsorted(of[by_group], np.arange(groups + 1))
        parts = ordered[by_group]
        return [_spread(ordered), *(_spread(parts[ends[group] : ends[group + 1]]) for group in range(groups))]


def _spread(ordered: NDArray[np.float64]) -> Spread:
    count = len(ordered)
    if not count:
        return Spread(counted=0, average=None, p50=None, p90=None, p99=None, max=None)
    p50, p90, p99 = (float(ordered[-(-count * percent // 100) - 1]) for percent in (50, 90, 99))
    return Spread(counted=count, average=float(ordered.mean()), p50=p50, p90=p90, p99=p99, max=float(ordered[-1]))
