"""Cost against quality: the figures by which routers are compared.

APGR and CPT as RouteLLM defines them (Ong et al. 2024, arXiv 2406.18665): the share of the gap between cheap and expensive that is recovered,
averaged over the share of calls that go to the expensive model; the share of such calls that recovers 50 or 80 % of it.
"""

from dataclasses import dataclass

import numpy as np

from farthing.brain.route.learned.base import Floats


def recovered(gap: Floats, cheap: Floats, dear: Floats) -> Floats:
    """Share of the quality gap recovered when the 0, 1, ... n prompts of largest predicted gap go to the expensive model."""
    order = np.argsort(-gap, kind="stable")
    gained = np.concatenate([[0.0], np.cumsum((dear - cheap)[order])])
    return gained / gained[-1]


def apgr(gap: Floats, cheap: Floats, dear: Floats) -> float:
    """Average performance gap recovered; 0.5 is what chance gives."""
    return float(np.trapezoid(recovered(gap, cheap, dear), dx=1 / len(gap)))


def cpt(gap: Floats, cheap: Floats, dear: Floats, share: float) -> float:
    """Share of calls to the expensive model that recovers `share` of the gap."""
    return float(np.argmax(recovered(gap, cheap, dear) >= share) / len(gap))


@dataclass(frozen=True, slots=True)
class Frontier:
    """Cost and quality of a family of settings over the same prompts, as shares of what expensive-always has."""

    cost: Floats
    quality: Floats

    def cost_at(self, share: float) -> float:
        """Least cost at which `share` of the expensive model's quality is reached; 1 where only expensive-always does. Above 1 nothing pays."""
        enough = self.quality >= share - 1e-12
        return min(1.0, float(self.cost[enough].min())) if enough.any() else 1.0


def route_frontier(gap: Floats, scores: Floats, costs: Floats) -> Frontier:
    """Every cut of a predicted gap. `scores` and `costs` have two columns: cheap, expensive."""
    order = np.argsort(-gap, kind="stable")
    quality = scores[:, 0].sum() + np.concatenate([[0.0], np.cumsum((scores[:, 1] - scores[:, 0])[order])])
    cost = costs[:, 0].sum() + np.concatenate([[0.0], np.cumsum((costs[:, 1] - costs[:, 0])[order])])
    return Frontier(cost / costs[:, 1].sum(), quality / scores[:, 1].sum())


def random_cost_at(scores: Floats, costs: Floats, share: float) -> float:
    """What a random mix of the two models costs at that quality."""
    cheap, dear = scores[:, 0].mean(), scores[:, 1].mean()
    least = costs[:, 0].sum() / costs[:, 1].sum()
    if cheap >= share * dear:
        return float(least)
    return float(least + (1 - least) * (share * dear - cheap) / (dear - cheap))
