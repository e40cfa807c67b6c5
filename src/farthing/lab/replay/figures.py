"""From columns to figures: what each configuration would have cost, how fast and how good it would have been, and how sure that is.

Two kinds of doubt stay apart until the end. The total is about these very requests: exact where the log has every answer, else as uncertain as the
lengths that were estimated. Figures per request are about traffic like this: an interval over runs (`lab.statistics`), widened by the same doubt.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import sqrt
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from farthing.core.money import from_picousd
from farthing.lab.offpolicy import Worth
from farthing.lab.replay.columns import Columns
from farthing.lab.replay.run import LaneResult, Replay
from farthing.lab.replay.worth import worth_of
from farthing.lab.statistics import Estimate, ratio, sums_by, wilson

_Z = 1.959963984540054
ANSWERED = ("ok", "truncated")
_REFUSED = "refused"
HITS = ("exact", "normalised", "semantic", "coalesced")

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds over the answered requests whose time is known; the gateway's own time is not in it."""

    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    known: int


class Quality(msgspec.Struct, frozen=True):
    """Mean grade of the answers that have one. Those without say nothing: compare lanes pair by pair (`farthing compare`)."""

    mean: float
    low: float | None
    high: float | None
    method: str  # of the interval: wilson, bootstrap over runs
    scored: int


class Figures(msgspec.Struct, frozen=True):
    """One lane."""

    name: str
    requests: int
    answered: int
    cost_usd: Decimal
    cost_low_usd: float
    cost_high_usd: float
    unpriced: int
    per_request_usd: Estimate | None
    latency: Latency
    hit_ratio: float | None
    cache: Mapping[str, int]
    tiers: Mapping[str, int]  # of the answered; "none": a model that is in no tier
    models: Mapping[str, int]
    quality: Quality | None
    refused: Mapping[str, int]  # error code -> requests
    failed: Mapping[str, int]
    basis: Mapping[str, int]  # where the cost of the answered comes from: logged, recorded, reused, fitted, borrowed
    unchecked: int
    unmended: int
    dieted: int
    worth: Worth | None = None  # of its choices, by the log's chances; None: the log has none
    frontier: bool = False  # no other lane is cheaper and at least as good

    @property
    def covered(self) -> float | None:
        """Share of the answered requests whose quality is known."""
        return None if not self.answered or self.quality is None else self.quality.scored / self.answered


def figures(found: Replay) -> list[Figures]:
    """Every lane, with those marked that lie on the frontier of cost and quality."""
    lanes = [lane_figures(lane, found) for lane in found.lanes]
    return [msgspec.structs.replace(lane, frontier=_unbeaten(lane, lanes)) for lane in lanes]


def lane_figures(lane: LaneResult, found: Replay) -> Figures:
    """The figures of one lane."""
    columns, words = lane.columns, found.names.words.values
    outcomes = count(words, columns.outcome)
    answered = answered_in(columns, words)
    cost = known_cost(columns)
    priced = ~np.isnan(cost)
    total = int(np.array(columns.cost, np.int64)[priced].sum())
    runs = np.array(found.requests.runs, np.int64)
    doubt_usd = doubt(lane)
    usd = float(from_picousd(total))
    hits = sum(times for kind, times in count(words, columns.cache).items() if kind in HITS)
    return Figures(
        name=lane.name,
        requests=len(columns),
        answered=int(answered.sum()),
        cost_usd=from_picousd(total),
        cost_low_usd=max(0.0, usd - _Z * doubt_usd),
        cost_high_usd=usd + _Z * doubt_usd,
        unpriced=int((~priced).sum()),
        per_request_usd=_per_request(runs, cost, priced, answered, doubt_usd),
        latency=_latency(columns, answered),
        hit_ratio=hits / len(columns) if len(columns) else None,
        cache={kind or "unknown": times for kind, times in count(words, columns.cache).items()},
        tiers={tier or "none": times for tier, times in count(words, columns.tier, answered).items()},
        models={model or "unknown": times for model, times in count(words, columns.model, answered).items()},
        quality=_quality(runs, np.array(columns.score), answered),
        refused=_by_code(outcomes, refused=True),
        failed=_by_code(outcomes, refused=False),
        basis=count(words, columns.origin, answered),
        unchecked=lane.unchecked,
        unmended=lane.unmended,
        dieted=lane.dieted,
        worth=None if lane is found.lanes[0] else worth_of(lane, found),
    )


def doubt(lane: LaneResult) -> float:
    """Standard error of the lane's total cost, in USD."""
    return sqrt(sum(part.shared_usd**2 + part.own_usd2 for part in lane.doubts.values()))


def known_cost(columns: Columns) -> Floats:
    """USD by request, NaN where unknown."""
    cost = np.array(columns.cost, np.float64)
    cost[cost < 0] = np.nan
    return cost / 1e12


def answered_in(columns: Columns, words: list[str]) -> Flags:
    """Which requests got an answer."""
    good = [code for code, word in enumerate(words) if word.partition(":")[0] in ANSWERED]
    return np.isin(np.array(columns.outcome), good)


def count(words: list[str], codes: Any, where: Flags | None = None) -> dict[str, int]:
    """How often each word, the most frequent first."""
    chosen = np.array(codes, np.int64)
    times = np.bincount(chosen if where is None else chosen[where], minlength=1)
    named = [(words[code], int(often)) for code, often in enumerate(times) if often]
    return dict(sorted(named, key=lambda pair: (-pair[1], pair[0])))


def _by_code(outcomes: Mapping[str, int], *, refused: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for outcome, times in outcomes.items():
        kind, _, code = outcome.partition(": ")
        if kind not in ANSWERED and (kind == _REFUSED) is refused:
            found[code or kind] = found.get(code or kind, 0) + times
    return found


def _per_request(runs: NDArray[np.int64], cost: Floats, priced: Flags, answered: Flags, doubt_usd: float) -> Estimate | None:
    counted = answered & priced
    if not counted.any():
        return None
    found = ratio(*sums_by(runs, np.where(priced, cost, 0.0), counted.astype(np.float64)))
    return None if found is None else widened(found, _Z * doubt_usd / int(counted.sum()))


def widened(found: Estimate, by: float) -> Estimate:
    """The same figure with a further, independent doubt of that half-width."""
    if found.low is None or found.high is None:
        return found
    low = found.value - sqrt((found.value - found.low) ** 2 + by**2)
    return Estimate(found.value, low, found.value + sqrt((found.high - found.value) ** 2 + by**2), found.runs)


def _latency(columns: Columns, answered: Flags) -> Latency:
    seconds = np.array(columns.latency_s)
    known = np.sort(seconds[answered & ~np.isnan(seconds)]) * 1000
    if not len(known):
        return Latency(None, None, None, 0)
    p50, p90, p99 = (round(float(value), 3) for value in np.quantile(known, (0.5, 0.9, 0.99), method="inverted_cdf"))
    return Latency(p50, p90, p99, len(known))


def _quality(runs: NDArray[np.int64], scores: Floats, answered: Flags) -> Quality | None:
    graded = answered & ~np.isnan(scores)
    scored = int(graded.sum())
    if not scored:
        return None
    given = scores[graded]
    mean = float(given.sum() / scored)
    alone = len(np.unique(runs[graded])) == scored
    if alone and np.isin(given, (0.0, 1.0)).all():
        low, high = wilson(float(given.sum()), scored) or (None, None)
        return Quality(mean, low, high, "wilson", scored)
    found = ratio(*sums_by(runs, np.where(graded, scores, 0.0), graded.astype(np.float64)))
    return Quality(mean, found.low if found else None, found.high if found else None, "bootstrap over runs", scored)


def _unbeaten(lane: Figures, lanes: list[Figures]) -> bool:
    return not any(_beats(other, lane) for other in lanes) and lane.quality is not None and lane.per_request_usd is not None


def _beats(one: Figures, other: Figures) -> bool:
    """Cheaper and no worse, or better and no dearer."""
    if one.quality is None or other.quality is None or one.per_request_usd is None or other.per_request_usd is None:
        return False
    cost, than = one.per_request_usd.value, other.per_request_usd.value
    good, as_good = one.quality.mean, other.quality.mean
    return (cost < than and good >= as_good) or (good > as_good and cost <= than)
