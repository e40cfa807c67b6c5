"""The row of a flow: a request of its own in the ledger, at no cost, beside the rows of its model calls, which hold all the money.

They share a run, so a report over runs sees the flow as one interaction. What the flow saved is on its own row: the calls that an agent would have
made (`replaces`), less as many of the dearest as the flow made itself, at the price of the baseline model. Without `replaces`, and of a flow that
did not end well, nothing is claimed.
"""

import logging

import msgspec

from farthing.brain.cap import hit_holds, limit_error, orphans, refusal_headers, releases
from farthing.brain.flows.plan import Plan
from farthing.brain.flows.result import FlowResult
from farthing.brain.house import House
from farthing.brain.row import ledger_row, tenant_on_record
from farthing.core.account import Effect
from farthing.core.decision import Decision
from farthing.core.errors import StoreUnavailable
from farthing.core.exchange import Exchange
from farthing.core.ledger import Hold, Intent, Refusal
from farthing.core.money import ZERO_USD, from_picousd
from farthing.core.usage import Rate, Usage
from farthing.measure.savings import Bill, settle_account

log = logging.getLogger("farthing.ledger")


async def open_flow(x: Exchange, house: House) -> tuple[Hold, ...]:
    """Count the request on its rates and leave a trace of it. Raises the limit that refuses it."""
    inbound = x.inbound
    wanted = hit_holds(inbound, house.config, monotonic=house.clock.monotonic())
    verdict = await house.book.reserve(
        Intent(
            request_id=inbound.request_id,
            run_id=inbound.run_id,
            received_at=inbound.received_at,
            endpoint=inbound.endpoint,
            tenant=tenant_on_record(inbound.tenant, hashed=house.config.store.hash_tenants),
            key_id=inbound.principal.key_id,
            user_hash=inbound.user_hash,
            model="",
            service="",
            tier="",
            quoted_picousd=0,
            quoted_input_tokens=0,
            holds=orphans(wanted),
        ),
        wanted,
    )
    if isinstance(verdict, Refusal):
        x.reply_headers = refusal_headers(verdict, house.clock.monotonic())
        raise limit_error(verdict, now=house.clock.now(), monotonic=house.clock.monotonic())
    return wanted


async def close_flow(result: FlowResult, plan: Plan, house: House, seat: tuple[Hold, ...]) -> None:
    """Write the row, tell the listeners. A store that cannot write is logged: the calls have their rows."""
    x = result.exchange
    x.usage, x.cost_usd = Usage(0, 0), ZERO_USD
    if x.outcome == "ok" and (reason := result.partial) is not None:
        x.truncated, x.outcome = reason, "truncated"
    if x.outcome == "ok":
        _account(result, plan, house.baseline_rate)
    row = ledger_row(x, total_s=house.clock.monotonic() - x.inbound.started_s, sampled=None, hash_tenants=house.config.store.hash_tenants)
    try:
        await house.book.settle(row, releases(seat, tokens_used=0, cost_picousd=0, calls=0))
    except StoreUnavailable as error:
        log.error("flow %s could not be settled yet: %s", x.inbound.request_id, error.message)
    house.publish(x, row)


def _account(result: FlowResult, plan: Plan, baseline: Rate | None) -> None:
    x, made = result.exchange, result.calls
    done = sum(step.state == "done" for step in result.steps.values())
    x.decisions.append(Decision("flow", "ran", f"{plan.name}: {done} of {len(plan.steps)} steps, {made} model calls"))
    if baseline is None:
        return
    by_price = sorted(((call.input_tokens, call.output_tokens) for call in plan.flow.replaces), key=lambda call: baseline.price(Usage(*call)))
    avoided = tuple(by_price[: max(0, len(by_price) - made)])
    effects = [Effect("calls", calls_avoided=avoided)] if avoided else []
    settled = settle_account(Bill(baseline, Usage(0, 0), 0), effects)
    x.baseline_cost_usd, x.account = from_picousd(settled.baseline_picousd), settled.account
    if avoided:
        saved = from_picousd(settled.account.saved["calls"])
        x.decisions[-1] = msgspec.structs.replace(x.decisions[-1], saved_usd=saved)
