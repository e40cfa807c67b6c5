"""Choosing among three and five models before the call, beside the best of their pairs. A section of bench/route.py."""

import argparse

import numpy as np

from _harness import Figure
from _routing import FLOORS, TOKENS, graded, show
from farthing.lab.router.crossfit import cross_gaps
from farthing.lab.router.folds import random_folds
from farthing.lab.router.frontier import Frontier, route_frontier
from farthing.lab.router.graded import for_pair
from farthing.lab.router.matrix import matrix
from farthing.lab.router.promise import Terms, promise, settings_of, wary
from farthing.lab.router.sums import served
from farthing.lab.router.train import Plan, candidates

_MINI, _FLASH = "gpt-4o-mini-2024-07-18", "gemini-1.5-flash"
SEVERAL = (
    ((_FLASH, _MINI), "gpt-4o-2024-08-06"),
    ((_FLASH, _MINI, "claude-3-5-haiku-20241022", "gpt-4o-2024-08-06"), "claude-3-5-sonnet-20241022"),
)


def several_section(_: argparse.Namespace) -> list[Figure]:
    print("\nSeveral models, one choice before the call (zeroeval): cost at a share of the dearest's quality, out of fold, in hindsight")
    figures: list[Figure] = []
    for cheaper, dear in SEVERAL:
        models = (cheaper[0], dear, *cheaper[1:])
        rows, _ = for_pair(graded("zeroeval"), models)
        rows = rows.take(~np.isnan(rows.costs).any(axis=1))
        numbers = matrix(rows, TOKENS, cheap="")
        gaps = cross_gaps(numbers, random_folds(rows, 5, 100), ("stack",), seed=100)["stack"]
        pool = candidates(Plan(cheap=cheaper[0], reference=dear, others=cheaper[1:]), models, rows.costs)
        assert pool is not None
        assert gaps.each is not None
        found = settings_of("choose", gaps, rows.costs, 200, pool=pool)
        quality = np.array([served(one.found, numbers.labels).sum() for one in found]) / numbers.labels[:, 1].sum()
        chosen = Frontier(np.array([one.cost for one in found]), quality)
        pairs = {
            model: route_frontier(
                gaps.each[:, models.index(model)], numbers.labels[:, [models.index(model), 1]], rows.costs[:, [models.index(model), 1]]
            )
            for model in cheaper
        }
        print(f"  {', '.join(cheaper)} -> {dear} ({len(rows)} prompts)")
        for name, curve in (("choice among all", chosen), *((f"only {model}", one) for model, one in pairs.items())):
            print(f"    {name:<40}" + "".join(f"{share:.0%}: {curve.cost_at(share):6.3f}   " for share in FLOORS), flush=True)
        for share in (0.97, 0.99):
            part = chosen.cost_at(share) / min(curve.cost_at(share) for curve in pairs.values())
            figures.append(show(Figure(f"{len(models)} models against the best pair at {share:.0%}, {dear}", part, "ratio", None)))
        made = promise(wary(gaps, Terms()), numbers.labels, rows.costs, Terms(ways=("choose",)), pool=pool)
        figures.append(show(Figure(f"{len(models)} models, cost under a promise of 97 %, {dear}", made.cost_ratio, "ratio", None, note=made.reason)))
    return figures
