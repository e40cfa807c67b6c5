"""A trained router on graded prompts that it has not seen."""

from dataclasses import replace

import numpy as np

from farthing.brain.ports import Tokens
from farthing.brain.route.learned.artefact import Artefact
from farthing.brain.route.learned.base import Floats, Promise
from farthing.brain.route.learned.choose import Pool
from farthing.lab.router.bounds import p_value
from farthing.lab.router.crossfit import gaps
from farthing.lab.router.frontier import apgr, route_frontier
from farthing.lab.router.graded import Graded, GradesUnusable, for_pair
from farthing.lab.router.matrix import matrix
from farthing.lab.router.promise import DEFAULT_TERMS, wary
from farthing.lab.router.sums import Gaps, outcome, served, spent

_FEWEST = 20


def evaluation_lines(artefact: Artefact, graded: Graded, tokens: Tokens) -> list[str]:
    """What was kept and spent, endpoint by endpoint, beside what was promised. Raises `GradesUnusable`."""
    header = artefact.header
    rows, notes = for_pair(graded, header.models)
    if len(rows) < _FEWEST:
        raise GradesUnusable(f"{len(rows)} graded prompts are too few to judge a router by; {_FEWEST} say something, 500 say it well.")
    numbers = matrix(rows, tokens, cheap=header.cheap, second=header.second)
    found = wary(gaps(artefact.arrays, numbers, header.kind), replace(DEFAULT_TERMS, unfamiliar_below=header.unfamiliar_below))
    pair = numbers.labels[:, :2]
    lines = [f"{len(rows)} prompts; the gap's order recovers {apgr(found.before, pair[:, 0], pair[:, 1]):.3f} of the quality gap (chance 0.5)"]
    if found.familiarity is not None:
        lines.append(f"unfamiliar, and so expensive: {float((found.familiarity < header.unfamiliar_below).mean()):.1%}")
    if np.isnan(rows.costs).any():
        lines.append("costs are not known for every prompt, so no cost is shown")
    else:
        at = route_frontier(found.before, pair, rows.costs[:, :2]).cost_at(0.97)
        lines.append(f"best cut in hindsight reaches 97% of the expensive model's quality at {at:.1%} of its cost")
    endpoints = np.array(rows.endpoints)
    for endpoint in sorted(set(rows.endpoints)):
        own = endpoints == endpoint
        promise = header.promises.get(endpoint) or header.promises.get("*")
        lines.append(_line(endpoint, promise, found.take(own), numbers.labels[own], rows.costs[own], artefact.pool))
    return [*notes, *lines]


def _line(endpoint: str, promise: Promise | None, found: Gaps, scores: Floats, costs: Floats, pool: Pool | None) -> str:
    where = "all endpoints" if endpoint == "*" else f"endpoint {endpoint}"
    if promise is None or promise.dials is None:
        return f"{where}: everything goes to the expensive tier ({'no promise' if promise is None else promise.reason})"
    if promise.way == "cascade" and found.after is None:
        return f"{where}: the promise rests on reading cheap answers, and the grades hold none"
    seen = found if promise.way == "cascade" else replace(found, after=None, agreed=None)
    result = outcome(seen, promise.dials, pool)
    answers = served(result, scores)
    ratio = answers.sum() / scores[:, 1].sum()
    z = promise.floor * scores[:, 1] - answers
    verdict = "kept" if ratio >= promise.floor else "below, within chance" if p_value(-z, 1.0) > 0.05 else "BROKEN"
    cost = "" if np.isnan(costs).any() else f" at {spent(result, costs).sum() / costs[:, 1].sum():.1%} of the cost"
    return f"{where}: {ratio:.1%} of the expensive model's quality{cost}; floor {promise.floor * 100:g}%: {verdict}"
