"""What the ledger should say of every request, worked out anew from what the model service billed.

Nothing of the gateway is used: prices are fractions of its own table, the calls are those that the service saw, and a lever's part is its mean
contribution over all orders of the levers, worked out order by order. One number is taken from the row, because only the gateway can know it:
how many tokens the diet took out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import permutations
from typing import Any

from tests.fakes.script import STEER

# USD per million tokens: input, output, cached input. Odd on purpose, so that rounding would show.
PRICES = {
    "gpt-4o-mini": ("0.1537123457", "0.6113", "0.0719"),
    "gpt-4o": ("2.4999", "10.0003123451", "1.2501"),
    "claude-haiku-4-5": ("1.0007", "4.9993", "0.1003777771"),
    "llama-small": ("0.0333", "0.0777", "0.0111"),
}
BASELINE = "gpt-4o"
REUSED = ("exact", "coalesced")
_FIELDS = ("input_usd_per_mtok", "output_usd_per_mtok", "cached_usd_per_mtok")
TABLES = "\n".join(
    f'[models."{name}"]\n' + "\n".join(f"{field} = {price}" for field, price in zip(_FIELDS, row, strict=True)) for name, row in PRICES.items()
)

Tokens = tuple[int, int, int]  # input, output, of the input cached


@dataclass(frozen=True, slots=True)
class Billed:
    """One call that the service answered."""

    model: str
    tokens: Tokens
    repair: bool

    @property
    def usd(self) -> Fraction | None:
        return price(self.model, self.tokens)


@dataclass(slots=True)
class Expected:
    """What one row must say; `None` is unknown. `estimated`: the difference to the baseline rests on tokens that nobody counted."""

    cost: Fraction | None
    baseline: Fraction | None = None
    saved: dict[str, Fraction] = field(default_factory=dict)
    estimated: bool = False


def price(model: str, tokens: Tokens) -> Fraction | None:
    """USD, exactly."""
    row = PRICES.get(model)
    if row is None:
        return None
    rate_in, rate_out, rate_cached = (Fraction(text) for text in row)
    given, written, cached = tokens
    return ((given - cached) * rate_in + cached * rate_cached + written * rate_out) / 1_000_000


def billed_by_id(calls: Sequence[Any]) -> dict[int, list[Billed]]:
    """What the service answered, by the `id:N` in its text, in order. Calls that it refused or failed cost nothing."""
    found: dict[int, list[Billed]] = {}
    for call in calls:
        plan = call.usage
        if plan is None:
            continue
        text = call.body.decode()
        said = dict(STEER.findall(text))
        repair = "mend" in said and "json_schema" not in text
        tokens = (plan.input_tokens, plan.output_tokens, plan.cached_tokens)
        found.setdefault(int(said["id"]), []).append(Billed(call.fields["model"], tokens, repair))
    return found


def expect(row: Mapping[str, Any], calls: Sequence[Billed], *, named: str) -> Expected:
    """The row of a request that named a model, for which the service answered these calls (for a repeated question: one of them)."""
    baseline_model = BASELINE if named.startswith("farthing/") else None
    if row["cache"] in REUSED:
        return _reused(calls[0], baseline_model)
    if row["usage_estimated"]:
        own = (row["tokens_in"], row["tokens_out"], row["tokens_cached"] or 0)
        return Expected(price(row["model_name"], own), estimated=True)
    if not calls:
        return Expected(Fraction(0))
    costs = [call.usd for call in calls]
    if None in costs:
        return Expected(None)
    cost = sum((cost for cost in costs if cost is not None), Fraction(0))
    trimmed = sum(decision.get("saved_tokens", 0) for decision in json.loads(row["decisions"]) if decision["lever"] == "diet")
    return _answered(calls, cost, baseline_model, taken=row["outcome"] != "invalid_answer", trimmed=trimmed)


def _reused(call: Billed, baseline_model: str | None) -> Expected:
    """Nothing was paid. With a cheaper model behind the answer than the baseline, cache and route share the saving."""
    levers = ["cache", "route"] if _routed(call, baseline_model) else ["cache"]
    return _settled(call, baseline_model, levers, Fraction(0))


def _answered(calls: Sequence[Billed], cost: Fraction, baseline_model: str | None, *, taken: bool, trimmed: int) -> Expected:
    """The first call answered, unless it was mended by asking the dear model again; whatever else was called is charged to one lever."""
    escalated = baseline_model is not None and taken and len(calls) > 1 and not calls[-1].repair
    answering = calls[-1] if escalated else calls[0]
    routed = _routed(answering, baseline_model)
    levers = ["route"] if routed or escalated else ["check"] if len(calls) > 1 else []
    if trimmed:
        levers.append("diet")
    own = answering.usd
    assert own is not None
    expected = _settled(answering, baseline_model, levers, own, trimmed)
    expected.cost = cost
    for lever in levers[:1]:
        if lever != "diet":
            expected.saved[lever] -= cost - own
    return expected


def _routed(call: Billed, baseline_model: str | None) -> bool:
    return baseline_model is not None and PRICES[call.model] != PRICES[baseline_model]


def _settled(call: Billed, baseline_model: str | None, levers: Sequence[str], cost: Fraction, trimmed: int = 0) -> Expected:
    """The baseline is the price with no lever acting; a part is the mean over all orders in which levers could have been switched on."""
    given, written, cached = call.tokens

    def paid(acting: frozenset[str]) -> Fraction:
        if "cache" in acting:
            return Fraction(0)
        model = call.model if "route" in acting or baseline_model is None else baseline_model
        usd = price(model, (given if "diet" in acting else given + trimmed, written, cached))
        assert usd is not None
        return usd

    saved = dict.fromkeys(levers, Fraction(0))
    orders = list(permutations(levers))
    for order in orders:
        for place, lever in enumerate(order):
            before = frozenset(order[:place])
            saved[lever] += (paid(before) - paid(before | {lever})) / len(orders)
    return Expected(cost, paid(frozenset()), saved)
