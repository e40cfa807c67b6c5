"""From out-of-fold gaps and grades to what can be promised, endpoint by endpoint."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from farthing.brain.route.learned.base import Dials, Floats, Promise, Way
from farthing.brain.route.learned.choose import REFERENCE, Pool
from farthing.lab.router.bounds import Bound, last_kept, least_ratio
from farthing.lab.router.sums import Costs, Gaps, Outcome, cascades, choices, outcome, routes, served, spent

_WORTH_IT = 0.995  # a certified cost above this saves nothing worth the trouble
_NEVER = 99.0  # beyond any cut
_COARSE = 60


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a promise."""

    floor: float = 0.97
    confidence: float = 0.95
    bound: Bound = "betting"
    ways: tuple[Literal["route", "cascade", "choose"], ...] = ("route", "cascade", "choose")
    unfamiliar_below: float = 0.01


DEFAULT_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Setting:
    """One position of the dial with its outcome on the graded prompts."""

    dials: Dials
    found: Outcome
    cost: float  # share of expensive-always


def promise(gaps: Gaps, scores: Floats, costs: Floats, terms: Terms, *, name: str = "this traffic", pool: Pool | None = None) -> Promise:
    """The cheapest setting that the evidence certifies. Columns of scores and costs as the models: cheap, expensive, others.

    The way (route before, cascade after, choose among several) is chosen by predicted sums, the setting by fixed-sequence testing: no label is
    used twice.
    """
    familiar = wary(gaps, terms)
    way, settings = choose_way(familiar, costs, terms, float(scores[:, 1].mean()), pool)
    losses = [terms.floor * scores[:, 1] - served(setting.found, scores) for setting in settings]
    kept = last_kept(losses, terms.floor, confidence=terms.confidence, bound=terms.bound)
    best = min(range(kept + 1), key=lambda at: settings[at].cost, default=-1)
    if best < 0 or settings[best].cost > _WORTH_IT:
        return _expensive(settings, losses, scores, terms, name)
    chosen = settings[best]
    answers = served(chosen.found, scores)
    least = least_ratio(lambda floor: floor * scores[:, 1] - answers, 1.2, confidence=terms.confidence, bound=terms.bound)
    ratio, labels = float(answers.sum() / scores[:, 1].sum()), len(scores)
    reason = (
        f"{ratio:.1%} of the expensive model's quality measured on {labels} prompts, at least {least:.1%} with {terms.confidence * 100:g}% confidence"
    )
    return Promise(
        floor=terms.floor, confidence=terms.confidence, labels=labels, way=way, dials=chosen.dials, quality_ratio=ratio, least_ratio=least,
        cost_ratio=chosen.cost, reason=f"{reason}, at {chosen.cost:.0%} of its cost",
    )  # fmt: skip


def wary(gaps: Gaps, terms: Terms) -> Gaps:
    """Unfamiliar prompts go to the expensive model here as they will in the gateway."""
    if gaps.familiarity is None:
        return gaps
    strange = gaps.familiarity < terms.unfamiliar_below
    each = None
    if gaps.each is not None:
        each = np.where(strange[:, None], _NEVER, gaps.each)
        each[:, REFERENCE] = 0.0
    return replace(gaps, before=np.where(strange, _NEVER, gaps.before), each=each)


def choose_way(gaps: Gaps, costs: Floats, terms: Terms, quality: float, pool: Pool | None) -> tuple[Way, list[Setting]]:
    """The way whose predicted sums are best where the predicted loss just meets the floor, with all its settings."""
    best: tuple[float, Way, list[Setting]] | None = None
    for way in terms.ways:
        if (way == "cascade" and gaps.after is None) or (way == "choose" and pool is None):
            continue
        seen = gaps if way == "cascade" else replace(gaps, after=None, agreed=None)
        settings = settings_of(way, seen, costs, pool=pool)
        allowed = (1 - terms.floor) * quality
        cost = min((one.cost for one in settings if _predicted_loss(seen, one.found) <= allowed), default=1.0)
        if best is None or cost < best[0]:
            best = (cost, way, settings)
    assert best is not None
    return best[1], best[2]


def settings_of(way: Way, gaps: Gaps, costs: Floats, count: int = _COARSE, *, pool: Pool | None = None) -> list[Setting]:
    """The dial of a way, from everything expensive on. Only in the sums of a cascade answers are read."""
    dear = costs[:, 1].mean()
    mean = Costs(float(costs[:, 0].mean() / dear), float(costs[:, 2].mean() / dear) if costs.shape[1] > 2 else 0.0)
    seen = gaps if way == "cascade" else replace(gaps, after=None, agreed=None)
    dials = cascades(seen, mean, count) if way == "cascade" else choices(count) if way == "choose" else routes(seen, mean, count)
    found = [outcome(seen, one, pool) for one in dials]
    return [Setting(one, what, float(spent(what, costs).sum() / costs[:, 1].sum())) for one, what in zip(dials, found, strict=True)]


def _predicted_loss(gaps: Gaps, found: Outcome) -> float:
    if gaps.each is not None and gaps.after is None:
        return float(served(found, gaps.each).mean())
    last = gaps.before if gaps.after is None else gaps.after if gaps.agreed is None else np.where(found.asked, gaps.agreed, gaps.after)
    return float(np.where(found.cheap, last, 0.0).mean())


def _expensive(settings: list[Setting], losses: list[Floats], scores: Floats, terms: Terms, name: str) -> Promise:
    """Nothing certified, or nothing that pays: say which, and what would change it."""
    labels = len(scores)
    needed = labels_needed(settings, losses)
    if needed is None:
        reason = f"no setting saves anything on {name} while keeping {terms.floor * 100:g}% of the expensive model's quality"
    else:
        wanted = max(needed, labels + 1)
        asked = f"{terms.floor * 100:g}% with {terms.confidence * 100:g}% confidence"
        reason = f"{labels} graded prompts are too few to promise {asked}; about {wanted} may do"
    return Promise(
        floor=terms.floor, confidence=terms.confidence, labels=labels, way="expensive", dials=None, quality_ratio=1.0, least_ratio=1.0,
        cost_ratio=1.0, reason=f"{reason}; all of it goes to the expensive tier",
    )  # fmt: skip


def labels_needed(settings: list[Setting], losses: list[Floats]) -> int | None:
    """A guess from means and spreads: how many prompts would certify some setting that saves. `None` when none would."""
    needed: list[float] = []
    for setting, z in zip(settings, losses, strict=True):
        mean = float(z.mean())
        if setting.cost < _WORTH_IT and mean < 0:
            needed.append((1.8 * max(float(z.std()), 0.05) / mean) ** 2)
    return int(np.ceil(min(needed) / 10) * 10) if needed else None
