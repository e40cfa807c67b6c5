"""The sums of a pair of models: what every setting of the dial would serve and spend.

One price of quality moves all cuts together. At price `l` (quality points per expensive call) a cheap answer is kept where what it is expected
to lose is worth less than the expensive call. The cuts are worked out from predicted gaps alone, so that the labels that certify a setting had
no part in making it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned.base import Dials, Floats
from farthing.brain.route.learned.choose import CHEAP, REFERENCE, Pool, choose

SETTINGS = 160
_NEVER = -9.0
_ALWAYS = 9.0
NOTHING_CHEAP = Dials(_NEVER, _ALWAYS, _ALWAYS, _ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Predicted loss of serving the cheap answer: before the call, after reading it, after reading a second one. Out of fold."""

    before: Floats
    after: Floats | None = None
    agreed: Floats | None = None
    familiarity: Floats | None = None
    each: Floats | None = None  # predicted loss by model, columns as the models; before a call

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> "Gaps":
        return Gaps(
            before=self.before[rows],
            after=None if self.after is None else self.after[rows],
            agreed=None if self.agreed is None else self.agreed[rows],
            familiarity=None if self.familiarity is None else self.familiarity[rows],
            each=None if self.each is None else self.each[rows],
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """Mean cost of a call, as shares of the expensive model's."""

    cheap: float
    second: float = 0.0


def prices_of_quality(count: int = SETTINGS) -> Floats:
    """From so low that everything goes to the expensive model to so high that nothing does, closer together where it matters."""
    return np.concatenate([[0.0], np.geomspace(0.002, 2.5, count - 1)])


def routes(gaps: Gaps, costs: Costs, count: int = SETTINGS) -> list[Dials]:
    """Settings that decide before the call only."""
    spared = max(0.0, 1.0 - costs.cheap)
    return [NOTHING_CHEAP] + [Dials(float(price * spared), _ALWAYS, _ALWAYS, _ALWAYS) for price in prices_of_quality(count)[1:] if gaps.before.size]


def choices(count: int = SETTINGS) -> list[Dials]:
    """Settings that choose among several models."""
    return [NOTHING_CHEAP, *(Dials(_NEVER, _ALWAYS, _ALWAYS, _ALWAYS, float(price)) for price in prices_of_quality(count)[1:])]


def cascades(gaps: Gaps, costs: Costs, count: int = SETTINGS) -> list[Dials]:
    """Settings that may read the cheap answer, and where it pays ask a second cheap model."""
    assert gaps.after is not None
    made = [Dials(_NEVER, _NEVER, _NEVER, _NEVER)]
    for price in prices_of_quality(count)[1:]:
        keep, escalate, worth = _after(gaps.after, gaps.agreed, costs, float(price))
        before = _before(gaps.before, worth + price * costs.cheap, float(price))
        made.append(_tighter(Dials(before, keep, escalate, float(price)), made[-1]))
    return made


def _after(after: Floats, agreed: Floats | None, costs: Costs, price: float) -> tuple[float, float, Floats]:
    """Cuts after the cheap answer, and what is lost or spent from there on by prompt."""
    plain = np.minimum(after, price)
    if agreed is None:
        return price, price, plain
    asked = price * costs.second + np.minimum(agreed, price)
    order = np.argsort(after, kind="stable")
    start, end = _best_run((asked - plain)[order])
    if start == end:
        return price, price, plain
    cuts = after[order]
    keep = float(cuts[start]) if start else _NEVER
    escalate = float(cuts[end]) if end < len(cuts) else _ALWAYS
    keep, escalate = min(keep, price), max(escalate, price)
    worth = np.where((after >= keep) & (after < escalate), asked, plain)
    return keep, escalate, worth


def _best_run(gains: Floats) -> tuple[int, int]:
    """The contiguous run with the least sum, as a half-open range; empty when every run costs."""
    sums = np.concatenate([[0.0], np.cumsum(gains)])
    highest_before = np.maximum.accumulate(sums)
    drop = sums - highest_before
    end = int(np.argmin(drop))
    if drop[end] >= -1e-12:
        return 0, 0
    start = int(np.argmax(sums[: end + 1] >= highest_before[end]))
    return start, end


def _before(before: Floats, worth: Floats, price: float) -> float:
    """Cheap first up to this gap: where trying and going on from there is worth less than asking the expensive model at once."""
    order = np.argsort(before, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum((worth - price)[order])])
    end = int(np.argmin(sums))
    if end == 0:
        return _NEVER
    return float(before[order][end - 1]) if end < len(before) else _ALWAYS


def _tighter(dials: Dials, last: Dials) -> Dials:
    """No cut may move back while the price rises, so that what is served cheap only ever grows: a higher floor never costs less quality."""
    pairs = ((dials.before, last.before), (dials.keep, last.keep), (dials.escalate, last.escalate), (dials.agree, last.agree))
    return Dials(*(max(pair) for pair in pairs))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one setting serves, prompt by prompt: the column of the model whose answer it is, and who else was asked."""

    column: npt.NDArray[np.int64]
    tried: npt.NDArray[np.bool_]  # the cheap model, before anything else
    asked: npt.NDArray[np.bool_]  # the second cheap model

    @property
    def cheap(self) -> npt.NDArray[np.bool_]:
        """Where the expensive model's answer is not served."""
        return self.column != REFERENCE


def outcome(gaps: Gaps, dials: Dials, pool: Pool | None = None) -> Outcome:
    """Run one setting over prompts. `pool`: the candidates, for a setting that chooses among several."""
    tried = gaps.before <= dials.before
    none = np.zeros(len(tried), bool)
    if dials.price is not None:
        assert pool is not None
        assert gaps.each is not None
        return Outcome(choose(gaps.each, pool, dials.price), none, none)
    if gaps.after is None:
        return Outcome(_columns(tried), tried, none)
    sure = gaps.after < dials.keep
    if gaps.agreed is None:
        return Outcome(_columns(tried & sure), tried, none)
    asked = tried & ~sure & (gaps.after < dials.escalate)
    return Outcome(_columns((tried & sure) | (asked & (gaps.agreed <= dials.agree))), tried, asked)


def _columns(cheap: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    return np.where(cheap, CHEAP, REFERENCE).astype(np.int64)


def served(found: Outcome, scores: Floats) -> Floats:
    """The score of what was served. Columns as the models."""
    return np.take_along_axis(scores, found.column[:, None], 1)[:, 0]


def spent(found: Outcome, costs: Floats) -> Floats:
    """What was spent by prompt. Columns as the models; the third is the second cheap model's where one may be asked."""
    total = served(found, costs) + np.where(found.tried & (found.column == REFERENCE), costs[:, CHEAP], 0.0)
    return total + np.where(found.asked, costs[:, 2], 0.0) if costs.shape[1] > 2 else total
