"""Two replays of one log, request by request: the difference, and how sure it is.

Pairs are requests with the same id in both. What the two share (which requests came, how long they are) cancels in a pair, so a difference is far
surer than two intervals side by side say. Intervals are over runs, drawn again as a whole; estimated output lengths widen that of the cost: where
both lanes estimate from the same answers, only what they do not share.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan, sqrt
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from farthing.core.errors import ConfigError
from farthing.lab.replay.document import FORMAT
from farthing.lab.replay.figures import ANSWERED, HITS, widened
from farthing.lab.statistics import Estimate, paired_difference, sums_by

_Z = 1.959963984540054

Floats = NDArray[np.float64]


class Columns(msgspec.Struct):
    """The rows of a lane, as far as they are compared."""

    cost_picousd: list[int | None]
    latency_ms: list[float | None]
    score: list[float | None]
    cache: list[str]
    outcome: list[str]
    robust_score: list[float | None] = []  # absent from replays of older versions


class DoubtOf(msgspec.Struct):
    calls: int
    shared_usd: float
    own_usd2: float


class LaneOf(msgspec.Struct):
    name: str
    doubts: dict[str, DoubtOf]
    columns: Columns


class Requests(msgspec.Struct):
    id: list[str]
    run: list[str]


class ReplayFile(msgspec.Struct):
    """What is read of `farthing replay --json`."""

    format: str
    lanes: list[LaneOf]
    requests: Requests


class Side(msgspec.Struct):
    """One lane of one file."""

    title: str
    requests: Requests
    lane: LaneOf


class Line(msgspec.Struct, frozen=True):
    """One measure: both means over the pairs where it is known on both sides, and the second less the first."""

    name: str
    unit: str
    pairs: int
    first: float
    second: float
    difference: Estimate
    relative: float | None  # of the first


class Comparison(msgspec.Struct, frozen=True):
    """All measures; `only_first` and `only_second` are requests without a partner."""

    first: str
    second: str
    pairs: int
    runs: int
    only_first: int
    only_second: int
    lines: tuple[Line, ...]


def open_side(named: str) -> Side:
    """`FILE` or `FILE#LANE`; without a lane the last one of the file. Raises `ConfigError`."""
    path, _, wanted = named.partition("#") if not Path(named).exists() else (named, "", "")
    found = _read(path)
    names = [lane.name for lane in found.lanes]
    if wanted and wanted not in names:
        raise ConfigError(f"{path} has no lane '{wanted}'. It has: {', '.join(names)}.")
    lane = found.lanes[names.index(wanted)] if wanted else found.lanes[-1]
    return Side(f"{path}#{lane.name}", found.requests, lane)


def compare(first: Side, second: Side) -> Comparison:
    """Pair by pair. Raises `ConfigError` when the two have no request in common."""
    rows = dict(zip(second.requests.id, range(len(second.requests.id)), strict=True))
    pairs = [(at, rows[name]) for at, name in enumerate(first.requests.id) if name in rows]
    if not pairs:
        raise ConfigError(f"{first.title} and {second.title} have no request in common: they are replays of different logs.")
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    runs = [first.requests.run[at] for at, _ in pairs]
    lines = [_line(measure, first.lane, second.lane, left, right, runs) for measure in _MEASURES]
    return Comparison(
        first=first.title,
        second=second.title,
        pairs=len(pairs),
        runs=len(set(runs)),
        only_first=len(first.requests.id) - len(pairs),
        only_second=len(second.requests.id) - len(pairs),
        lines=tuple(line for line in lines if line is not None),
    )


class _Measure(msgspec.Struct, frozen=True):
    name: str
    unit: str
    read: Callable[[Columns], Floats]
    per_run: bool = False
    estimated: bool = False  # rests on estimated lengths


def _line(measure: _Measure, first: LaneOf, second: LaneOf, left: NDArray[Any], right: NDArray[Any], runs: Sequence[str]) -> Line | None:
    one, two = measure.read(first.columns)[left], measure.read(second.columns)[right]
    known = ~(np.isnan(one) | np.isnan(two))
    pairs = int(known.sum())
    if not pairs:
        return None
    tops, others, ones = sums_by(runs, np.where(known, one, 0.0), np.where(known, two, 0.0), known.astype(np.float64))
    bottom = (ones > 0).astype(np.float64) if measure.per_run else ones
    found = paired_difference(others, bottom, tops, bottom)
    assert found is not None
    units = float(bottom.sum())
    if measure.estimated:
        found = widened(found, _Z * _unshared_doubt(first.doubts, second.doubts) / units)
    before, after = float(tops.sum() / units), float(others.sum() / units)
    return Line(measure.name, measure.unit, pairs, before, after, found, found.value / before if before else None)


def _unshared_doubt(first: Mapping[str, DoubtOf], second: Mapping[str, DoubtOf]) -> float:
    """Standard error of the difference of two totals, USD. A mean length that both use is wrong for both by the same amount."""
    nothing = DoubtOf(0, 0.0, 0.0)
    sides = [(first.get(title, nothing), second.get(title, nothing)) for title in sorted({*first, *second})]
    return sqrt(sum((one.shared_usd - two.shared_usd) ** 2 + one.own_usd2 + two.own_usd2 for one, two in sides))


def _read(path: str) -> ReplayFile:
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=ReplayFile)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Name two files that 'farthing replay --json' wrote.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no replay: {error}. Write one with 'farthing replay LOGS --config new.toml --json > {path}'.") from error
    if found.format != FORMAT:
        raise ConfigError(f"{path} is of format '{found.format}'; this version reads '{FORMAT}'. Replay again.")
    if not found.lanes or not found.requests.id:
        raise ConfigError(f"{path} holds no requests.")
    return found


def _usd(columns: Columns) -> Floats:
    return _floats(columns.cost_picousd) / 1e12


def _answered(columns: Columns) -> Floats:
    return np.array([outcome.partition(":")[0] in ANSWERED for outcome in columns.outcome], np.float64)


def _hits(columns: Columns) -> Floats:
    return np.array([kind in HITS for kind in columns.cache], np.float64)


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([nan if value is None else value for value in values], np.float64)


_MEASURES = (
    _Measure("cost per request", "USD", _usd, estimated=True),
    _Measure("cost per run", "USD", _usd, per_run=True, estimated=True),
    _Measure("latency", "ms", lambda columns: _floats(columns.latency_ms)),
    _Measure("quality", "", lambda columns: _floats(columns.score)),
    _Measure("quality off policy", "", lambda columns: _floats(columns.robust_score or [None] * len(columns.score))),
    _Measure("answered", "", _answered),
    _Measure("cache hits", "", _hits),
)
