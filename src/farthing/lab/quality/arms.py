"""The arms of an experiment side by side: cost, latency, quality, and how they differ from the first arm.

Differences have intervals that hold at every moment, however often one looks: asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha,
Kennedy & Ramdas 2024, "Time-uniform central limit theory and asymptotic confidence sequences"). As soon as one excludes zero one may stop. Each
arm gets half the error, and half-widths add up, which is a little wide and always sound. They are tightest around `_TUNED_FOR` runs, and
none is claimed below `FEWEST_RUNS`. The unit is the run, because the calls of one run hang together. Figures of a single arm have bootstrap
intervals, for one look.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from math import log, sqrt
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from farthing.core.errors import ConfigError
from farthing.core.judgement import VerdictSums
from farthing.lab.quality.shown import ledger
from farthing.lab.statistics import Estimate, ratio
from farthing.measure.quality import Quality, quality
from farthing.stores.sqlite.judgements import verdict_sums

FEWEST_RUNS = 30
_TUNED_FOR = 1_000
_ALPHA = 0.05
_PICO = 1e12
Vector = NDArray[np.float64]


class Difference(msgspec.Struct, frozen=True):
    """An arm less the first one. `low` and `high` hold it at every look at once; `None`: too few runs to say."""

    value: float
    low: float | None
    high: float | None

    @property
    def decided(self) -> bool:
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


class Arm(msgspec.Struct, frozen=True):
    """One arm. Money in USD, times in milliseconds."""

    name: str
    runs: int
    requests: int
    unpriced_runs: int  # left out of the money
    cost_per_run_usd: Estimate | None
    latency_p50_ms: float | None
    latency_p90_ms: float | None
    quality: Quality
    cost_difference_usd: Difference | None = None  # per run
    latency_difference_ms: Difference | None = None  # mean latency of a run's requests
    score_difference: Difference | None = None


class Compared(msgspec.Struct, frozen=True):
    """The arms, the one that others are compared with first."""

    experiment: str
    arms: tuple[Arm, ...]


class _Seen:
    """What one arm's rows hold, by run."""

    def __init__(self) -> None:
        self.requests = 0
        self.cost: dict[str, float | None] = {}
        self.latency: dict[str, list[float]] = {}
        self.scores: dict[str, list[float]] = {}

    def latencies(self) -> Vector:
        return np.array([value for values in self.latency.values() for value in values], dtype=np.float64)

    def costs(self) -> Vector:
        return np.array([cost for cost in self.cost.values() if cost is not None], dtype=np.float64)


def compare_arms(store_path: Path, name: str, order: Sequence[str] = ()) -> Compared:
    """`order`: names of the arms as the configuration has them. Raises `ConfigError` when the ledger knows nothing of the experiment."""
    with ledger(store_path) as connection:
        seen = _read(connection, name)
        said = {
            (key[0] or "").partition("=")[2]: sums for key, sums in verdict_sums(connection, ("experiment",)) if (key[0] or "").startswith(f"{name}=")
        }
    if not seen:
        raise ConfigError(f"No request of experiment '{name}' is in the ledger. Runs take part from the moment that [experiments.{name}] is loaded.")
    names = sorted(seen, key=lambda arm: (order.index(arm) if arm in order else len(order), arm))
    first = seen[names[0]]
    return Compared(name, tuple(_arm(arm, seen[arm], said.get(arm, VerdictSums()), None if arm == names[0] else first) for arm in names))


def difference(arm: Vector, first: Vector) -> Difference | None:
    """Mean of one less mean of the other, with an interval for all looks."""
    if not len(arm) or not len(first):
        return None
    value = float(arm.mean() - first.mean())
    reach = [half_width(len(values), float(values.std()), _ALPHA / 2) for values in (arm, first)]
    if reach[0] is None or reach[1] is None:
        return Difference(value, None, None)
    return Difference(value, value - reach[0] - reach[1], value + reach[0] + reach[1])


def half_width(runs: int, spread: float, alpha: float) -> float | None:
    """Of the asymptotic confidence sequence for a mean after so many runs."""
    if runs < FEWEST_RUNS:
        return None
    square = (-2 * log(alpha) + log(-2 * log(alpha)) + 1) / _TUNED_FOR
    grown = runs * square + 1
    return spread * sqrt(2 * grown / (runs * runs * square) * log(sqrt(grown) / alpha))


def _read(connection: sqlite3.Connection, name: str) -> dict[str, _Seen]:
    seen: dict[str, _Seen] = {}
    rows = connection.execute(
        "SELECT experiment, run_id, cost_picousd, latency_total_ms FROM requests WHERE experiment >= ? AND experiment < ?", (f"{name}=", f"{name}>")
    )
    for experiment, run, cost, latency_ms in rows:
        arm = seen.setdefault(experiment.partition("=")[2], _Seen())
        arm.requests += 1
        known = arm.cost.get(run, 0.0)
        arm.cost[run] = None if cost is None or known is None else known + cost / _PICO
        if latency_ms is not None:
            arm.latency.setdefault(run, []).append(latency_ms)
    scores = connection.execute(
        "SELECT r.experiment, r.run_id, j.score FROM judgements j JOIN requests r USING (request_id)"
        " WHERE j.score IS NOT NULL AND r.experiment >= ? AND r.experiment < ?",
        (f"{name}=", f"{name}>"),
    )
    for experiment, run, score in scores:
        seen[experiment.partition("=")[2]].scores.setdefault(run, []).append(score)
    return seen


def _arm(name: str, seen: _Seen, said: VerdictSums, first: _Seen | None) -> Arm:
    costs, latencies = seen.costs(), seen.latencies()
    p50, p90 = (float(value) for value in np.percentile(latencies, (50, 90))) if len(latencies) else (None, None)
    return Arm(
        name=name,
        runs=len(seen.cost),
        requests=seen.requests,
        unpriced_runs=len(seen.cost) - len(costs),
        cost_per_run_usd=ratio(costs, np.ones_like(costs)),
        latency_p50_ms=p50,
        latency_p90_ms=p90,
        quality=quality(said),
        cost_difference_usd=None if first is None else difference(costs, first.costs()),
        latency_difference_ms=None if first is None else difference(_means(seen.latency), _means(first.latency)),
        score_difference=None if first is None else difference(_means(seen.scores), _means(first.scores)),
    )


def _means(by_run: Mapping[str, list[float]]) -> Vector:
    return np.array([sum(values) / len(values) for values in by_run.values()], dtype=np.float64)
