"""Adding up what the finders say, for each alone and for all together.

Alone, a finding is worth what acting on it and nothing else would have saved. Together they are worth less, for they overlap: a call that a
cache answers needs no shorter prompt. A lump of a call's cost that findings would leave the shares k1, k2, ... of is worth
`1 - k1 * k2 * ...` in all, and that is split in proportion to `-ln k`: the Aumann-Shapley value of this game, which adds up to the whole
whatever the order of the findings. Amounts of a call are whole picodollars, so that the sums are exact.
"""

import heapq
import math
from array import array
from collections.abc import Sequence

from farthing.core.money import PICO
from farthing.lab.audit.costs import LUMPS, Billed
from farthing.lab.audit.finders.base import Cut

GROUPS = 256  # of runs, for the sampling error
EXAMPLES = 5
_LEAST_KEPT = 1e-9  # ln 0 is no number
_PICO = float(PICO)


class Tally:
    """One finding's sums."""

    def __init__(self) -> None:
        self.calls = 0
        self.usd = [0.0, 0.0, 0.0]  # alone: low, point, high
        self.additive_picousd = 0
        self.by_endpoint: dict[str, float] = {}
        self.groups = tuple(array("d", bytes(8 * GROUPS)) for _ in range(3))
        self.top: list[tuple[float, int, str, str]] = []  # USD, number, source, excerpt: a heap of the dearest

    def add(self, billed: Billed, cut: Cut, group: int) -> float:
        """Add what one call holds; the point in USD."""
        usd = sum(billed.costs.usd[lump] for lump in cut.lumps)
        for at, share in enumerate((cut.low, cut.point, cut.high)):
            self.usd[at] += usd * share
            self.groups[at][group] += usd * share
        point = usd * cut.point
        if point > 0:
            self.calls += 1
            endpoint = billed.call.endpoint
            self.by_endpoint[endpoint] = self.by_endpoint.get(endpoint, 0.0) + point
        return point

    def wants(self, usd: float) -> bool:
        """Whether a call would be among the examples."""
        return usd > 0 and (len(self.top) < EXAMPLES or usd > self.top[0][0])

    def show(self, usd: float, number: int, source: str, excerpt: str) -> None:
        keep = heapq.heappush if len(self.top) < EXAMPLES else heapq.heapreplace
        keep(self.top, (usd, -number, source, excerpt))


class Together:
    """The sum over all findings that counts nothing twice."""

    def __init__(self) -> None:
        self.picousd = 0
        self.low_usd, self.high_usd = 0.0, 0.0
        self.groups = array("d", bytes(8 * GROUPS))

    def add(self, billed: Billed, cuts: Sequence[tuple[Tally, Cut]], group: int) -> None:
        shares = [0.0] * len(cuts)
        whole = 0.0
        for lump in range(LUMPS):
            usd = billed.costs.usd[lump]
            if usd <= 0:
                continue
            weights = [-math.log(max(_LEAST_KEPT, 1 - cut.point)) if lump in cut.lumps else 0.0 for _, cut in cuts]
            self.low_usd += usd * (1 - _kept(lump, [(cut, cut.low) for _, cut in cuts]))
            self.high_usd += usd * (1 - _kept(lump, [(cut, cut.high) for _, cut in cuts]))
            total = sum(weights)
            if total <= 0:
                continue
            saved = usd * (1 - _kept(lump, [(cut, cut.point) for _, cut in cuts]))
            whole += saved
            for at, weight in enumerate(weights):
                shares[at] += saved * weight / total
        self.groups[group] += whole
        self._book(cuts, shares, whole)

    def _book(self, cuts: Sequence[tuple[Tally, Cut]], shares: Sequence[float], whole: float) -> None:
        """To whole picodollars; what rounding leaves goes to the largest share."""
        picousd = round(whole * _PICO)
        if not picousd:
            return
        parts = [int(share * _PICO) for share in shares]
        parts[max(range(len(parts)), key=lambda at: shares[at])] += picousd - sum(parts)
        for (tally, _), amount in zip(cuts, parts, strict=True):
            tally.additive_picousd += amount
        self.picousd += picousd


def _kept(lump: int, shares: Sequence[tuple[Cut, float]]) -> float:
    return math.prod(1 - share for cut, share in shares if lump in cut.lumps)
