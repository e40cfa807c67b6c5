"""The account step: what the request would have cost without Farthing, and which lever is due what of the difference.

The baseline is the model that the caller named, or `tiers.baseline` for `farthing/...`; with the original prompt, without reuse and without an
output limit of ours. What the provider's own prompt cache saved stays in the baseline: it would have been had anyway, unless a lever moved it.
What levers cause is charged to them: a repair, an escalation and the cheap answer before it to the route that chose cheap, else to the check.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from farthing.brain.cap import DEFAULT_MAX_OUTPUT_TOKENS
from farthing.brain.trip import Trip
from farthing.core.account import Account, Effect, Saver
from farthing.core.alias import is_alias
from farthing.core.decision import Decision, LeverName
from farthing.core.exchange import FINISHED, Attempt, Exchange
from farthing.core.money import ZERO_USD, from_picousd, to_picousd
from farthing.core.prompt import prompt_parts
from farthing.core.request import Dialect
from farthing.core.usage import Rate, Usage
from farthing.measure.savings import Bill, settle_account

REUSED = frozenset({"exact", "normalised", "semantic", "coalesced"})
_CUT = frozenset({"length", "max_tokens", "incomplete"})
# Purpose of a call -> the lever that made it.
_CHARGED: dict[str, Saver] = {"router": "route", "embed": "cache", "summary": "diet", "rewrite": "retrieve", "rerank": "retrieve"}
_DECISION_OF_LEVER: dict[Saver, LeverName] = {"calls": "flow"}
_CLAIM_NOTHING = frozenset({"bypass", "miss", "kept", "failover", "control"})


def close_account(trip: Trip) -> None:
    """Set the exchange's baseline and account, and tell each lever's decision its part. Without usage or a price there is none."""
    x = trip.x
    if x.usage is None or x.target is None:
        return
    reused = x.cache in REUSED
    answering = None if reused else _answering(x)
    if not reused and answering is None:
        return
    target, usage = (x.target, x.usage) if answering is None else (answering.target, answering.usage or x.usage)
    rate = trip.house.prices.rate(target.service, target.model)
    baseline = _baseline_rate(trip, rate)
    if rate is None or baseline is None:
        _price_without_account(x, baseline, usage)
        return
    _learn_length(trip, target.model, usage, reused=reused)
    effects = [*x.effects, *_standing(trip, rate, baseline), *_charges(x, answering, routed=baseline != rate)]
    output = trip.house.lengths.again(x.inbound.endpoint, target.model, usage.output_tokens) if reused and usage.output_tokens else None
    if x.cost_usd is None:
        _price_without_account(x, baseline, usage)
        return
    bill = Bill(rate, usage, to_picousd(x.cost_usd), output)
    settled = (
        trip.house.hits.settle(x.cache_entry, bill, effects) if reused and not x.attempts else settle_account(bill, effects, _extra(x, answering))
    )
    x.baseline_cost_usd = from_picousd(settled.baseline_picousd)
    prompt = None if reused or x.inbound.dialect is Dialect.EMBEDDINGS else prompt_parts(x.inbound.peek, usage.input_tokens)
    x.account = msgspec.structs.replace(settled.account, prompt=prompt)
    _tell_decisions(x, x.account)


def _price_without_account(x: Exchange, baseline: Rate | None, usage: Usage) -> None:
    """The baseline alone, where what was paid is not known."""
    if baseline is not None:
        x.baseline_cost_usd = baseline.price(usage)


def _answering(x: Exchange) -> Attempt | None:
    """The call whose answer was served: the escalated one if it was taken, else the first that answered."""
    answered = [attempt for attempt in x.attempts if attempt.usage is not None and attempt.error_code is None]
    taken = [attempt for attempt in answered if attempt.purpose == "escalate" and attempt.target == x.target]
    first = [attempt for attempt in answered if attempt.purpose == "answer"]
    if taken and is_alias(x.inbound.peek.model):
        return taken[-1]
    return first[0] if first else None


def _baseline_rate(trip: Trip, rate: Rate | None) -> Rate | None:
    """The price of the model that would have been called: the named one, unquantized, or the configured baseline."""
    if is_alias(trip.x.inbound.peek.model):
        return trip.house.baseline_rate
    return rate


def _standing(trip: Trip, rate: Rate, baseline: Rate) -> Iterator[Effect]:
    """What the levers changed that leave no effect of their own on the exchange."""
    x, house = trip.x, trip.house
    if x.cache in REUSED:
        yield Effect("cache", avoids_call=True)
    if baseline != rate:
        yield Effect("route", rate=baseline)
    assert x.target is not None
    unquantized = house.unquantized(x.target)
    if unquantized is not None:
        yield Effect("quantize", rate=unquantized)
    if trip.marked and x.usage is not None:
        yield Effect("prompt_cache", cached_tokens=x.usage.cached_tokens or 0, written_tokens=x.usage.cache_write_tokens or 0)
    if (limit := trip.own_output_limit) is not None and x.finish in _CUT and x.usage is not None and x.usage.output_tokens >= limit:
        written = x.usage.output_tokens
        yield Effect("output", output_tokens=house.lengths.beyond(x.inbound.endpoint, x.target.model, written, DEFAULT_MAX_OUTPUT_TOKENS))
    elif trip.ruled is not None and x.usage is not None:
        task, tokens = trip.ruled
        kind, written = f"{x.inbound.endpoint}:{task}", x.usage.output_tokens
        yield Effect("output", input_tokens=-tokens, output_tokens=house.unruled.instead_of(kind, x.target.model, written))


def _charges(x: Exchange, answering: Attempt | None, *, routed: bool) -> Iterator[Effect]:
    """Every call beyond the answering one, charged to the lever that caused it. What no lever caused (a failed call) is nobody's."""
    blamed: Saver = "route" if routed or (answering is not None and answering.purpose == "escalate") else "check"
    for attempt in x.attempts:
        if attempt is answering or not attempt.cost_usd:
            continue
        if attempt.purpose == "answer" and attempt.error_code is not None:
            continue
        yield Effect(_CHARGED.get(attempt.purpose, blamed), overhead_usd=attempt.cost_usd)


def _extra(x: Exchange, answering: Attempt | None) -> dict[str, int]:
    """What was paid beyond the answering call, by purpose; a first answer that another replaced is a `retry`."""
    sums: dict[str, Decimal] = {}
    for attempt in x.attempts:
        if attempt is not answering and attempt.cost_usd:
            purpose = "retry" if attempt.purpose == "answer" else attempt.purpose
            sums[purpose] = sums.get(purpose, ZERO_USD) + attempt.cost_usd
    return {purpose: to_picousd(cost) for purpose, cost in sums.items()}


def _learn_length(trip: Trip, model: str, usage: Usage, *, reused: bool) -> None:
    """Of an answer that ended by itself; and of one that a learned limit ended, so that a limit which bites too often rises."""
    x, house = trip.x, trip.house
    ended = x.finish in FINISHED
    if reused or not (ended or (trip.learns_limit and trip.own_output_limit and x.finish in _CUT)):
        return
    house.lengths.add(x.inbound.endpoint, model, usage.output_tokens)
    if ended and trip.unruled is not None:
        house.unruled.add(f"{x.inbound.endpoint}:{trip.unruled}", model, usage.output_tokens)


def _tell_decisions(x: Exchange, account: Account) -> None:
    """Each lever's part goes to its first decision that acted; one that decided nothing about this request gets a line that says why it counts."""
    left: dict[str, int] = {_DECISION_OF_LEVER.get(lever, lever): part for lever, part in account.saved.items()}
    for place, decision in enumerate(x.decisions):
        if decision.lever in left and decision.action not in _CLAIM_NOTHING:
            x.decisions[place] = msgspec.structs.replace(decision, saved_usd=from_picousd(left.pop(decision.lever)))
    for lever, part in left.items():
        assert x.target is not None
        reason = f"the answer is {x.target.service}/{x.target.model}'s"
        x.decisions.append(Decision(lever, "counted", reason, saved_usd=from_picousd(part)))  # pyright: ignore[reportArgumentType]
