"""A flow at /v1/ask: `metadata.flow` names it, `metadata.input` holds what it takes.

-> `{answer, request_id, flow, run_id, partial, steps, calls, model, tier, cache, usage, cost_usd, sources, truncated}`; `partial` says which step
failed and why, `steps` what became of each, with the values of those that the flow shows. Always status 200 once a step has given anything.
"""

from typing import Any

import msgspec

from farthing.brain.flows import FlowResult, Plan, StepResult, run_flow
from farthing.brain.ports import Caller
from farthing.core.errors import NotFound
from farthing.core.exchange import Exchange
from farthing.core.money import format_usd
from farthing.edge.caller import HttpCaller, Send
from farthing.edge.gateway import Gateway
from farthing.edge.replies import send_json
from farthing.wire.sse import encode

_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class FlowAsked(msgspec.Struct, frozen=True):
    """What a caller wants of a flow."""

    name: str
    given: dict[str, Any]
    stream: bool


def plan_of(gateway: Gateway, name: str) -> Plan:
    """Raises `NotFound` with the flows that there are."""
    plan = gateway.flows.get(name)
    if plan is None:
        known = ", ".join(gateway.flows.names()) or "none; write [flows.NAME]"
        raise NotFound(f"There is no flow '{name[:80]}'. Known: {known}.", param="metadata.flow")
    return plan


async def answer_of_flow(asked: FlowAsked, x: Exchange, gateway: Gateway, caller: Caller) -> bytes:
    """Run it for nobody who listens: the whole answer. Raises what refuses the flow."""
    plan, tools = plan_of(gateway, asked.name), gateway.flow_tools
    assert tools is not None
    return msgspec.json.encode(_fields(await run_flow(plan, x, asked.given, gateway.house, caller, tools)))


async def serve_flow(asked: FlowAsked, x: Exchange, gateway: Gateway, caller: HttpCaller, send: Send) -> None:
    """Run it and answer. Raises before anything is sent."""
    plan, tools = plan_of(gateway, asked.name), gateway.flow_tools
    assert tools is not None
    result = await run_flow(plan, x, asked.given, gateway.house, caller, tools)
    if caller.gone:
        return
    fields = _fields(result)
    headers = [
        (b"x-request-id", x.inbound.request_id.encode()),
        (b"x-farthing-flow", plan.name.encode("ascii", "replace")),
        (b"x-farthing-cost-usd", format_usd(result.cost_usd).encode()),
        *x.reply_headers,
    ]
    if not asked.stream:
        await send_json(send, 200, fields, headers)
        return
    await caller.start(200, [*_STREAM, *headers])
    if result.answer:
        await caller.write(encode(msgspec.json.encode({"delta": result.answer})))
    await caller.finish(encode(msgspec.json.encode(fields)))


def _fields(result: FlowResult) -> dict[str, Any]:
    x, made = result.exchange, result.exchanges
    last = next((one for one in reversed(made) if one.target is not None), None)
    target = None if last is None else last.target
    counted = [one.usage for one in made if one.usage is not None]
    cost = result.cost_usd
    return {
        "answer": result.answer,
        "request_id": x.inbound.request_id,
        "run_id": x.inbound.run_id,
        "flow": result.flow,
        "partial": result.partial,
        "steps": {name: _step(step) | ({"value": result.shown[name]} if name in result.shown else {}) for name, step in result.steps.items()},
        "calls": result.calls,
        "model": None if target is None else target.model,
        "tier": None if target is None else target.tier or None,
        "cache": "miss" if last is None or last.cache == "bypass" else last.cache,
        "usage": {"input_tokens": sum(one.input_tokens for one in counted), "output_tokens": sum(one.output_tokens for one in counted)},
        "cost_usd": None if cost is None else float(format_usd(cost)),
        "sources": [*dict.fromkeys(source for one in (x, *made) for source in one.sources)],
        "truncated": result.partial is not None,
    }


def _step(step: StepResult) -> dict[str, Any]:
    told = {"state": step.state, "ms": round(step.took_s * 1000, 1)}
    return told if step.state == "done" else told | {"reason": step.reason}
