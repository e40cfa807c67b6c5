"""The runs of a window: what each of them cost, would have cost and saved, and the intervals that drawing runs again gives.

The calls of a run hang together, so an interval over calls would be too narrow (`farthing.lab.statistics`).
Costs: 28 bytes of memory a row and 12 for each lever that acted on it; one sort per grouping.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from farthing.lab.report.accounts import Accounts
from farthing.lab.report.totals import Sums
from farthing.lab.report.window import UNKNOWN, Chunk, Codes, Verdict, Whole
from farthing.lab.statistics import Estimate, ratios

LENGTHS = ("0", "1", "2-3", "4-7", "8+")
_LENGTH_EDGES = (1, 2, 4, 8)

Vector = NDArray[np.float64]
_Number = TypeVar("_Number", np.int32, np.int64)


class GroupRuns(msgspec.Struct, frozen=True):
    """The runs of one group. Estimates are picodollars per request, or per run where they say so."""

    runs: int
    priced_runs: int  # all of whose requests have a known cost
    priced_cost: int  # picodollars of the priced runs, exactly
    cost: Estimate | None
    cost_of_run: Estimate | None
    compared_cost: Estimate | None
    baseline: Estimate | None
    saved: Estimate | None
    paid: Estimate | None  # cost and verdicts, of what has a baseline
    net: Estimate | None  # saved less verdicts
    levers: Mapping[str, Estimate | None]  # net of the verdicts charged to them
    lengths: tuple[tuple[int, int], ...]  # runs and picodollars, by LENGTHS
    interactions: int  # runs with at least one answer
    cost_of_interaction: Estimate | None


class Runs:
    """The rows, run by run."""

    def __init__(self) -> None:
        self._kinds: list[Codes] = []
        self._hashes: list[Whole] = []
        self._cost: list[Whole] = []
        self._baseline: list[Whole] = []
        self._calls: list[Codes] = []

    def add(self, chunk: Chunk) -> None:
        self._kinds.append(chunk.kinds)
        self._hashes.append(chunk.runs)
        self._cost.append(chunk.cost)
        self._baseline.append(chunk.baseline)
        self._calls.append(np.clip(chunk.calls, 0, 1 << 20).astype(np.int32))

    def table(self, accounts: Accounts, verdicts: Sequence[Verdict]) -> "RunTable":
        """After the last chunk. Takes the columns over."""
        kinds, calls = _joined(self._kinds, np.int32), _joined(self._calls, np.int32)
        hashes, cost, baseline = (_joined(parts, np.int64) for parts in (self._hashes, self._cost, self._baseline))
        return RunTable(kinds, hashes, cost, baseline, calls, accounts, verdicts)


class RunTable:
    """The rows with their runs numbered in the order in which they first come: the same store gives the same draws."""

    def __init__(
        self, kinds: Codes, hashes: Whole, cost: Whole, baseline: Whole, calls: Codes, accounts: Accounts, verdicts: Sequence[Verdict]
    ) -> None:
        self._kinds, self._cost, self._baseline, self._calls = kinds, cost, baseline, calls
        seen, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        rank = np.empty(len(seen), np.int64)
        rank[np.argsort(first)] = np.arange(len(seen))
        self._run, self._runs = rank[inverse], len(seen)
        self._levers = {name: sums.by_row() for name, sums in accounts.levers.items()}
        self._verdicts = [verdict for verdict in verdicts if verdict.cost_picousd]
        self._verdict_runs = rank[np.searchsorted(seen, np.array([verdict.run for verdict in self._verdicts], np.int64))]

    def groups(self, group_of: Codes, groups: int, answered: NDArray[np.bool_]) -> list[GroupRuns]:
        """The runs of each group. `group_of` and `answered` are by kind; a run that touches two groups is in both, with its requests there."""
        if not len(self._kinds):
            return [_NO_RUNS] * groups
        return _Grouping(self, group_of, groups, answered).all()

    @property
    def columns(self) -> tuple[Codes, Whole, Whole, Codes, Whole, int]:
        return self._kinds, self._cost, self._baseline, self._calls, self._run, self._runs

    @property
    def lever_rows(self) -> Mapping[str, tuple[Codes, Vector]]:
        return self._levers

    @property
    def charges(self) -> tuple[Sequence[Verdict], Whole]:
        """The verdicts that cost something, and the runs that they were about."""
        return self._verdicts, self._verdict_runs


class _Grouping:
    """Sums by pair of group and run, the pairs in the order of groups."""

    def __init__(self, table: RunTable, group_of: Codes, groups: int, answered: NDArray[np.bool_]) -> None:
        kinds, cost, baseline, calls, run, runs = table.columns
        row_group = group_of[kinds].astype(np.int64)
        # Runs are numbered without gaps: in one group the pairs are the runs.
        pairs, self._pair = (np.arange(runs), run) if groups == 1 else np.unique(row_group * runs + run, return_inverse=True)
        self._size = len(pairs)
        self._ends = np.searchsorted(pairs, np.arange(groups + 1, dtype=np.int64) * runs)
        priced, compared = cost != UNKNOWN, (cost != UNKNOWN) & (baseline != UNKNOWN)
        spent = np.where(priced, cost, 0)
        self.requests, self.priced, self.compared = self._by(np.ones(len(cost))), self._by(priced), self._by(compared)
        self.cost, self.compared_cost = self._by(spent), self._by(np.where(compared, cost, 0))
        self.baseline = self._by(np.where(compared, baseline, 0))
        self.calls, self.answered = self._by(calls), self._by(answered[kinds]) > 0
        self.whole = self.priced == self.requests  # runs without an unpriced request
        self.levers = {name: self._by(parts, self._pair[rows]) for name, (rows, parts) in table.lever_rows.items()}
        self.charged = np.zeros(self._size)
        self._priced_cost, self._lengths = Sums(), Sums()
        whole_rows = self.whole[self._pair]
        self._priced_cost.add(row_group[whole_rows].astype(np.int32), spent[whole_rows])
        self._length = np.searchsorted(_LENGTH_EDGES, self.calls, side="right")
        self._lengths.add((row_group * len(LENGTHS) + self._length[self._pair]).astype(np.int32), spent)
        self._charge(table, group_of, pairs, runs)

    def all(self) -> list[GroupRuns]:
        return [self._group(number) for number in range(len(self._ends) - 1)]

    def _by(self, values: NDArray[np.generic], pair: Whole | None = None) -> Vector:
        return np.bincount(self._pair if pair is None else pair, weights=values, minlength=self._size).astype(np.float64)

    def _charge(self, table: RunTable, group_of: Codes, pairs: Whole, runs: int) -> None:
        verdicts, of_run = table.charges
        if not verdicts:
            return
        group = group_of[[verdict.kind for verdict in verdicts]].astype(np.int64)
        pair = np.searchsorted(pairs, group * runs + of_run)
        cost = np.array([verdict.cost_picousd for verdict in verdicts], np.int64)
        np.add.at(self.charged, pair, cost)
        self._lengths.add((group * len(LENGTHS) + self._length[pair]).astype(np.int32), cost)
        for lever in sorted({verdict.lever for verdict in verdicts if verdict.lever is not None}):
            its = np.array([verdict.lever == lever for verdict in verdicts])
            np.subtract.at(self.levers.setdefault(lever, np.zeros(self._size)), pair[its], cost[its])

    def _group(self, number: int) -> GroupRuns:
        part = slice(int(self._ends[number]), int(self._ends[number + 1]))
        priced, compared, cost, charged = self.priced[part], self.compared[part], self.cost[part], self.charged[part]
        whole, answered = self.whole[part].astype(np.float64), self.answered[part].astype(np.float64)
        saved = self.baseline[part] - self.compared_cost[part]
        levers = {name: parts[part] for name, parts in self.levers.items()}
        found = ratios(
            [
                (cost, priced),
                (cost * whole, whole),
                (self.compared_cost[part], compared),
                (self.baseline[part], compared),
                (saved, compared),
                (self.compared_cost[part] + charged, compared),
                (saved - charged, compared),
                (cost + charged, answered),
                *((parts, compared) for parts in levers.values()),
            ]
        )
        return GroupRuns(
            runs=part.stop - part.start,
            priced_runs=int(whole.sum()),
            priced_cost=self._priced_cost.of([number]),
            cost=found[0],
            cost_of_run=found[1],
            compared_cost=found[2],
            baseline=found[3],
            saved=found[4],
            paid=found[5],
            net=found[6],
            levers=dict(zip(levers, found[8:], strict=True)),
            lengths=self._lengths_of(number, part),
            interactions=int(answered.sum()),
            cost_of_interaction=found[7],
        )

    def _lengths_of(self, number: int, part: slice) -> tuple[tuple[int, int], ...]:
        runs = np.bincount(self._length[part], minlength=len(LENGTHS))
        return tuple((int(runs[length]), self._lengths.of([number * len(LENGTHS) + length])) for length in range(len(LENGTHS)))


def _joined(parts: list[NDArray[_Number]], kind: type[_Number]) -> NDArray[_Number]:
    joined = np.concatenate(parts) if parts else np.zeros(0, kind)
    parts.clear()
    return joined


_NO_RUNS = GroupRuns(0, 0, 0, None, None, None, None, None, None, None, {}, tuple((0, 0) for _ in LENGTHS), 0, None)
