"""`farthing router train`: from graded prompts to an artefact. kNN, logistic regression, boosting and their stack compete on cost at the floor."""

import hashlib
import time
from dataclasses import dataclass, field

import numpy as np

from farthing.brain.ports import Tokens
from farthing.brain.route.cascade import answers
from farthing.brain.route.learned import features
from farthing.brain.route.learned.base import FORMAT, Arrays, Floats, Header, Kind, Promise, Way
from farthing.brain.route.learned.choose import REFERENCE, Pool
from farthing.lab.router.crossfit import cross_gaps, fit_all
from farthing.lab.router.folds import random_folds
from farthing.lab.router.frontier import Frontier, apgr, random_cost_at, route_frontier
from farthing.lab.router.graded import Graded, GradesUnusable, for_pair, require_enough
from farthing.lab.router.matrix import matrix
from farthing.lab.router.promise import DEFAULT_TERMS, Terms, promise, settings_of
from farthing.lab.router.sums import Gaps, served

KINDS: tuple[Kind, ...] = ("knn", "logistic", "boosting", "stack")
ALL = "*"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train. `second`: another cheap model whose agreement a cascade may ask for. `others`: models that may be chosen as well."""

    cheap: str
    reference: str
    second: str | None = None
    others: tuple[str, ...] = ()
    terms: Terms = DEFAULT_TERMS
    folds: int = 5
    seed: int = 0
    embedder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An artefact, and what the model card says of it."""

    header: Header
    arrays: Arrays
    costs_at_floor: dict[str, float]  # by kind, out of fold; "random" and "oracle" beside them
    recovered: dict[str, float]  # APGR by kind
    frontiers: dict[str, Frontier]
    gaps: Gaps
    scores: Floats
    costs: Floats
    took_s: float
    notes: list[str] = field(default_factory=list[str])


def train(graded: Graded, plan: Plan, tokens: Tokens) -> Trained:
    """Raises `GradesUnusable` for grades that cannot train, `TrainerMissing` without the extra. Deterministic in its arguments but for its clock."""
    started = time.monotonic()
    models = tuple(dict.fromkeys((plan.cheap, plan.reference, *((plan.second,) if plan.second else ()), *plan.others)))
    if plan.cheap == plan.reference:
        raise GradesUnusable(f"'{plan.cheap}' is named as the cheap and as the expensive model. Name two: --cheap and --expensive.")
    rows, notes = for_pair(graded, models)
    require_enough(rows)
    numbers = matrix(rows, tokens, cheap=plan.cheap, second=plan.second)
    costs = _costs(rows, notes)
    pool = candidates(plan, models, costs)
    kinds: tuple[Kind, ...] = KINDS if rows.embeddings is not None else ("logistic", "boosting")
    found = cross_gaps(numbers, random_folds(rows, plan.folds, plan.seed), kinds, seed=plan.seed)
    scores = numbers.labels
    pair = scores[:, :2]
    frontiers = {kind: route_frontier(one.before, pair, costs[:, :2]) for kind, one in found.items()}
    at_floor = {kind: frontier.cost_at(plan.terms.floor) for kind, frontier in frontiers.items()}
    kind = min(kinds, key=lambda name: (at_floor[name], -apgr(found[name].before, pair[:, 0], pair[:, 1])))
    if numbers.answers is None:
        notes.append(f"no texts of answers by '{plan.cheap}': trained without a cascade")
    at_floor |= _references(pair, costs, plan.terms.floor)
    if numbers.answers is not None:
        frontiers["cascade"] = _frontier("cascade", found[kind], scores, costs, pool)
        at_floor["cascade"] = frontiers["cascade"].cost_at(plan.terms.floor)
    if pool is not None:
        frontiers["choose"] = _frontier("choose", found[kind], scores, costs, pool)
        at_floor["choose"] = frontiers["choose"].cost_at(plan.terms.floor)
    made = promises(found[kind], rows, scores, costs, plan.terms, pool)
    header = _header(rows, plan, kind, made, numbers.languages, numbers.answers is not None, pool)
    return Trained(
        header=header, arrays=fit_all(numbers, seed=plan.seed), costs_at_floor=at_floor, frontiers=frontiers, gaps=found[kind],
        scores=scores, costs=costs,
        recovered={name: apgr(one.before, pair[:, 0], pair[:, 1]) for name, one in found.items()}, took_s=time.monotonic() - started, notes=notes,
    )  # fmt: skip


def promises(gaps: Gaps, rows: Graded, scores: Floats, costs: Floats, terms: Terms, pool: Pool | None = None) -> dict[str, Promise]:
    """One for every endpoint that has grades; rows without an endpoint speak for all that have none of their own."""
    endpoints = np.array(rows.endpoints)
    made: dict[str, Promise] = {}
    for endpoint in sorted(set(rows.endpoints)):
        own = endpoints == endpoint
        name = "this traffic" if endpoint == ALL else f"endpoint '{endpoint}'"
        made[endpoint] = promise(gaps.take(own), scores[own], costs[own], terms, name=name, pool=pool)
    return made


def candidates(plan: Plan, models: tuple[str, ...], costs: Floats) -> Pool | None:
    """All models of the plan but a second opinion that is no candidate itself, by mean cost; `None` for a pair.

    One that costs as much as the reference or more is left out: the reference keeps the floor by definition.
    """
    names = dict.fromkeys((plan.cheap, *plan.others))
    mean = dict(zip(models, costs.mean(axis=0) / costs[:, REFERENCE].mean(), strict=True))
    cheaper = sorted((name for name in names if mean[name] < 1), key=lambda name: mean[name])
    if len(cheaper) < 2:
        return None
    chosen = (*cheaper, plan.reference)
    return Pool(tuple(models.index(name) for name in chosen), tuple(float(mean[name]) for name in chosen))


def _frontier(way: Way, gaps: Gaps, scores: Floats, costs: Floats, pool: Pool | None) -> Frontier:
    settings = settings_of(way, gaps, costs, 120, pool=pool)
    quality = np.array([served(one.found, scores).sum() for one in settings]) / scores[:, REFERENCE].sum()
    return Frontier(np.array([one.cost for one in settings]), quality)


def _references(pair: Floats, costs: Floats, floor: float) -> dict[str, float]:
    return {
        "random": random_cost_at(pair, costs[:, :2], floor),
        "oracle": route_frontier(pair[:, 1] - pair[:, 0], pair, costs[:, :2]).cost_at(floor),
    }


def _costs(rows: Graded, notes: list[str]) -> Floats:
    """Costs by prompt and model; one that is unknown is its model's mean."""
    costs = rows.costs.copy()
    unknown = np.isnan(costs)
    if unknown.all(axis=0).any():
        missing = ", ".join(rows.models[at] for at in np.flatnonzero(unknown.all(axis=0)))
        raise GradesUnusable(
            f"No cost is known for {missing}. Give `cost_usd` in the rows, or set the model's prices under [models] in farthing.toml."
        )
    if unknown.any():
        notes.append(f"{int(unknown.any(axis=1).sum())} prompts without a cost: counted at the mean")
        costs = np.where(unknown, np.nanmean(costs, axis=0), costs)
    if (costs < 0).any() or costs[:, 1].sum() <= 0:
        raise GradesUnusable("Costs must be 0 or more, and the expensive model's must not all be 0.")
    return costs


def _header(
    rows: Graded, plan: Plan, kind: Kind, made: dict[str, Promise], languages: tuple[str | None, ...], cascade: bool, pool: Pool | None
) -> Header:
    seen = hashlib.blake2b(digest_size=6)
    for part in (*rows.ids, *rows.models, kind, repr(plan)):
        seen.update(part.encode("utf-8", "replace") + b"\0")
    seen.update(rows.scores.tobytes())
    return Header(
        format=FORMAT, version=seen.hexdigest(), created_at=time.time(), features_version=features.VERSION, answers_version=answers.VERSION,
        embedder=plan.embedder if rows.embeddings is not None else None, dims=0 if rows.embeddings is None else rows.embeddings.shape[1],
        models=rows.models, cheap=plan.cheap, reference=plan.reference, second=plan.second, kind=kind, labels=len(rows),
        unfamiliar_below=plan.terms.unfamiliar_below, languages=_common(languages), promises=made, cascade=cascade,
        candidates=() if pool is None else tuple(rows.models[at] for at in pool.columns), cost_ratios=() if pool is None else pool.cost_ratios,
    )  # fmt: skip


def _common(languages: tuple[str | None, ...]) -> tuple[str, ...]:
    """Languages with enough prompts to have been judged by."""
    known = [language for language in languages if language is not None]
    return tuple(sorted({language for language in known if known.count(language) >= max(5, len(known) // 200)}))


__all__ = ["ALL", "KINDS", "Plan", "Trained", "promises", "train"]
