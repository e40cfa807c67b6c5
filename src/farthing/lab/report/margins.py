"""What interactions earn, less what they cost."""

from decimal import Decimal

from farthing.core.money import from_picousd, to_picousd
from farthing.lab.report.figures import Margin, Money
from farthing.lab.report.money import money
from farthing.lab.report.rows import Read
from farthing.lab.report.runs import GroupRuns


def margin(endpoint: str, value_usd: Decimal, read: Read, runs: GroupRuns) -> Margin:
    """The margin of one endpoint, whose runs these are."""
    kinds = [number for number, kind in enumerate(read.kinds) if kind.endpoint == endpoint]
    totals = read.totals
    verdicts = sum(verdict.cost_picousd or 0 for verdict in read.verdicts if read.kinds[verdict.kind].endpoint == endpoint)
    cost = totals.cost.of(kinds) + verdicts
    earned = to_picousd(value_usd) * runs.interactions
    compared = totals.compared.of(kinds)
    baseline = totals.cost.of(kinds) - totals.compared_cost.of(kinds) + totals.baseline.of(kinds)
    return Margin(
        endpoint=endpoint,
        value_usd=value_usd,
        interactions=runs.interactions,
        unpriced=totals.requests.of(kinds) - totals.priced.of(kinds),
        earned_usd=from_picousd(earned),
        cost_usd=from_picousd(cost),
        margin_usd=from_picousd(earned - cost),
        margin_ratio=(earned - cost) / earned if earned else None,
        cost_per_interaction=money(cost, runs.interactions, 1, runs.cost_of_interaction),
        margin_per_interaction=_rest(money(cost, runs.interactions, 1, runs.cost_of_interaction), value_usd),
        baseline_margin_usd=from_picousd(earned - baseline) if compared else None,
    )


def _rest(cost: Money | None, value_usd: Decimal) -> Money | None:
    """What is left of the value: the interval turns round."""
    if cost is None:
        return None
    low, high = (None if edge is None else value_usd - edge for edge in (cost.high_usd, cost.low_usd))
    return Money(value_usd - cost.usd, low, high)
