"""Admit, route and send: from a request to an open reply of the model that will answer it."""

from decimal import Decimal

from farthing.brain.bodies import upstream_body
from farthing.brain.check.schema import check_schema
from farthing.brain.failopen import attempt
from farthing.brain.house import House
from farthing.brain.outlet import open_outlet
from farthing.brain.route.base import Routed
from farthing.brain.trip import Trip, after
from farthing.core.account import Effect
from farthing.core.alias import is_alias
from farthing.core.call import Call
from farthing.core.decision import Decision
from farthing.core.errors import GuardrailBlocked, InputTooLong, Unavailable, UnsupportedFeature, Upstream, UpstreamRefused, UpstreamTimeout
from farthing.core.exchange import Attempt, Target
from farthing.core.money import ZERO_USD

_FAILOVER_STATUS = frozenset({408, 429})


def admit(trip: Trip) -> None:
    """What can be refused before any work: length, an unusable schema, forbidden topics. Keys and rates were and will be checked elsewhere."""
    inbound, house = trip.x.inbound, trip.house
    most = house.config.limits.input_tokens
    if most is not None and (tokens := _input_tokens(trip, most)) > most:
        raise InputTooLong(f"The input has {tokens} tokens; {most} are allowed. Shorten it, or raise `limits.input_tokens`.")
    if inbound.peek.answer_schema is not None and checks_schema(trip):
        check_schema(inbound.peek.answer_schema)
    if house.guardrails.active("input"):
        for turn in inbound.peek.turns:
            verdict = house.guardrails.inspect(turn.text, "input")
            if verdict.blocked_by is not None:
                trip.x.decisions.append(Decision("guard", "blocked", f"input matches '{verdict.blocked_by}'"))
                raise GuardrailBlocked(f"The request was refused by guardrail '{verdict.blocked_by}'.")


def _input_tokens(trip: Trip, most: int) -> int:
    """The estimate where it is far from the limit, a count where it is not."""
    peek, tokens = trip.x.inbound.peek, trip.house.tokens
    estimate = tokens.estimate(peek.text_bytes)
    if not most / 2 < estimate < most * 2:
        return estimate
    return tokens.count("\n".join(turn.text for turn in peek.turns), peek.model)


def route(trip: Trip) -> tuple[Target, ...]:
    """Where to go, in order. The decision is recorded."""
    x, house = trip.x, trip.house
    assert x.signals is not None
    signals = x.signals
    routed = attempt(
        x,
        "route",
        lambda: house.router.route(x.inbound, signals, now=house.clock.monotonic(), healthy=house.models.healthy),
        lambda: _unrouted(trip),
    )
    x.decisions.append(routed.decision)
    x.target = routed.targets[0]
    trip.open_route = routed.open
    return routed.targets


def _unrouted(trip: Trip) -> Routed:
    """Without a router: the named model, else the baseline. A key bound to certain models gets none: permission fails closed."""
    inbound, catalog = trip.x.inbound, trip.house.catalog
    named = inbound.peek.model
    target = catalog.baseline if is_alias(named) else catalog.resolve(named)
    if target is None or inbound.principal.allowed_models is not None:
        raise Unavailable("The router failed on this request; the log says how. Name a model that the key allows, or try again.")
    return Routed((target,), Decision("route", "baseline", f"without a router: {target.model}", failed_open=True))


async def send(trip: Trip, targets: tuple[Target, ...]) -> None:
    """Open a reply from the first target that answers. A failure after the first byte is not retried; it never comes here."""
    x, house = trip.x, trip.house
    failed: Upstream | None = None
    for target in targets:
        call = _call_after(trip, target, failed)
        if call is None:
            continue
        x.target = target
        trip.wait_for_upstream()
        started_s = trip.sent_s = trip.left_s = house.clock.monotonic()
        try:
            trip.reply = await house.models.send(call)
        except Upstream as error:
            now_s, trip.sent_s, failed = house.clock.monotonic(), None, error
            _note_failure(trip, target, error, now_s - started_s)
            if trip.envelope.reached_by(now_s):
                raise UpstreamTimeout(f"No model had begun to answer in time. Reached: {trip.envelope.latency_reason}.") from error
            if target is targets[-1] or not worth_another(error) or now_s >= call.deadline_s:
                raise
            x.decisions.append(Decision("route", "failover", f"{target.service}/{target.model} failed: {error.code}", failed_open=True))
            continue
        if trip.reply.price_factor is None:
            house.router.equals.note(target, house.clock.monotonic() - started_s)
        else:
            _note_batch(trip, trip.reply.price_factor)
        if target is not targets[0]:
            house.router.answered(x.inbound, target, now=house.clock.monotonic())
        _open(trip, call, target)
        return
    assert failed is not None
    raise failed


def _call_after(trip: Trip, target: Target, failed: Upstream | None) -> Call | None:
    """The next call; `None` where the request cannot be said there, and what made us turn to this target is the better answer."""
    try:
        return make_call(trip, target)
    except UnsupportedFeature as error:
        if failed is None:
            raise
        trip.x.decisions.append(Decision("route", "failover", f"{target.service}/{target.model} cannot be asked: {error.code}", failed_open=True))
        return None


def make_call(trip: Trip, target: Target) -> Call:
    """The call to one target: its dialect, its body, the deadline of the request."""
    inbound = trip.x.inbound
    dialect, body, stream = upstream_body(trip, target)
    item = None if inbound.keep is None else inbound.keep.item
    deadline_s = trip.envelope.deadline_s
    return Call(target.service, target.model, dialect, body, stream, deadline_s, inbound.request_id, inbound.forward_headers, item)


def worth_another(error: Upstream) -> bool:
    """Another model may do better: yes for faults of the service, no where it read the request and refused it."""
    if isinstance(error, UpstreamRefused):
        return error.status >= 500 or error.status in _FAILOVER_STATUS
    return error.retry is not False


def _note_failure(trip: Trip, target: Target, error: Upstream, latency_s: float) -> None:
    trip.x.attempts.append(Attempt(target, "answer", latency_s, None, None, ZERO_USD, error.code, after(trip, trip.left_s)))
    trip.x.model_s = (trip.x.model_s or 0.0) + latency_s


def _note_batch(trip: Trip, factor: Decimal) -> None:
    """The answer came out of a provider's batch: cheaper, and its time says nothing of the service."""
    x, target = trip.x, trip.x.target
    assert target is not None
    now_s = trip.house.clock.monotonic()
    waited_s = 0.0 if trip.sent_s is None else now_s - trip.sent_s
    x.inbound.started_s += waited_s  # hours in a batch are no latency, and use up no deadline
    trip.envelope.put_off(waited_s)
    trip.price_factor, trip.sent_s, trip.left_s = factor, now_s, now_s
    x.effects.append(Effect("batch", price_factor=factor))
    x.decisions.append(Decision("batch", "provider", f"in a batch of {target.service}, at {factor} of its price"))


def _open(trip: Trip, call: Call, target: Target) -> None:
    """The reply's head is in: choose how its bytes become the caller's."""
    x = trip.x
    trip.call = call
    gather = _must_gather(trip)
    trip.outlet = open_outlet(call.dialect, call.stream, x.inbound, gather=gather)
    if trip.cache_key is not None:
        trip.raw = []
    if trip.flight is not None:
        trip.flight.depart(call, target, checked=gather)
    if trip.reply is not None:
        x.queue_s += trip.reply.queue_s


def _must_gather(trip: Trip) -> bool:
    """A check must see the whole answer before the caller sees any of it: the same verdict, streaming or whole."""
    if guards_answers(trip.house) or trip.judged is not None:
        return True
    return trip.x.inbound.peek.answer_schema is not None and checks_schema(trip)


def guards_answers(house: House) -> bool:
    return house.guardrails.active("output") or house.config.guard.max_answer_chars is not None


def checks_schema(trip: Trip) -> bool:
    return trip.house.config.check.schema and "check" not in trip.off
