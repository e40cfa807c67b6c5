"""Reserve before the call, settle after it. Whatever became of a request, one row says so, and what was held is given back."""

import logging
from dataclasses import dataclass
from decimal import Decimal

from farthing.brain.accounting import close_account
from farthing.brain.cache import LeaderCut, LeaderLost
from farthing.brain.cap import hit_holds, holds, limit_error, max_output_tokens, orphans, quote, ratelimit_headers, refusal_headers, releases
from farthing.brain.delivery import finish, note_model_time, note_text
from farthing.brain.keeping import kept
from farthing.brain.prefixing import pays_to_write
from farthing.brain.row import ledger_row, tenant_on_record
from farthing.brain.shortening import learned_for
from farthing.brain.trip import Trip, after
from farthing.core.errors import (
    AnswerInvalid,
    FarthingError,
    GuardrailBlocked,
    InvalidRequest,
    LimitReached,
    NotFound,
    NotPermitted,
    PutOff,
    StoreUnavailable,
    Upstream,
)
from farthing.core.exchange import Attempt, Outcome, Quote, Target
from farthing.core.ledger import Hold, Intent, LedgerRow, Refusal, Release
from farthing.core.money import ZERO_USD, to_picousd
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.errors import render_stream_error

log = logging.getLogger("farthing.ledger")

_SHARED = (Upstream, AnswerInvalid, GuardrailBlocked)
_REFUSALS = (LimitReached, GuardrailBlocked, InvalidRequest, NotFound, NotPermitted)


@dataclass(frozen=True, slots=True)
class _Room:
    """The dearest way this request may go, which is what must be covered."""

    quote: Quote
    target: Target


def dearest(trip: Trip, targets: tuple[Target, ...]) -> _Room:
    """The highest quote over the targets; one without a price counts as dearest, because budgets fail closed."""
    x, house = trip.x, trip.house
    assert x.signals is not None
    best: _Room | None = None
    for target in targets:
        most = max_output_tokens(x.inbound, house.config, target)
        if (learned := learned_for(trip, target)) is not None:
            most = min(most, learned.limit)
        allowed = trip.envelope.allowed_output_tokens(x.signals.input_tokens)
        rate, writes = house.prices.rate(target.service, target.model), pays_to_write(trip, target)
        offer = quote(x.inbound, x.signals, target, rate, max_output_tokens=min(most, allowed) if allowed else most, writes=writes)
        if best is None or offer.price_usd is None or (best.quote.price_usd is not None and offer.price_usd > best.quote.price_usd):
            best = _Room(offer, target)
    assert best is not None
    return best


async def reserve(trip: Trip, targets: tuple[Target, ...]) -> None:
    """Quote, check the endpoint's caps, and set everything aside in one durable step. Raises what refuses it."""
    x = trip.x
    room = dearest(trip, targets)
    x.quote = room.quote
    trip.envelope.check_quote(room.quote, room.target)
    wanted = _holds(trip, room)
    if trip.x.inbound.keep is not None and _may_park(trip, targets):
        # It may wait at its provider for a day, and is not running meanwhile.
        wanted = tuple(hold for hold in wanted if hold.kind != "concurrent")
    if trip.holds:
        # A follower whose flight was lost has its seat already.
        wanted = tuple(hold for hold in wanted if hold.kind != "requests")
    await _book(trip, wanted, room.target)


def _may_park(trip: Trip, targets: tuple[Target, ...]) -> bool:
    services = trip.house.config.services
    return any((service := services.get(target.service)) is not None and service.batch for target in targets)


def _holds(trip: Trip, room: _Room) -> tuple[Hold, ...]:
    clock = trip.house.clock
    return holds(trip.x.inbound, room.quote, trip.house.config, now=clock.now(), monotonic=clock.monotonic(), target=room.target)


async def reserve_seat(trip: Trip) -> None:
    """What a request that shares another's call must fit: the request rate."""
    house = trip.house
    await _book(trip, hit_holds(trip.x.inbound, house.config, monotonic=house.clock.monotonic()), None)


async def reserve_extra(trip: Trip, target: Target) -> None:
    """Room for one more call of this request (repair, escalation). Raises the limit that refuses it."""
    room = dearest(trip, (target,))
    wanted = tuple(hold for hold in _holds(trip, room) if hold.kind in ("budget", "tokens", "run_calls"))
    await _book(trip, wanted, target)


async def _book(trip: Trip, wanted: tuple[Hold, ...], target: Target | None) -> None:
    x, house = trip.x, trip.house
    price = x.quote.price_usd if x.quote is not None and target is not None else ZERO_USD
    trip.hands_off()
    verdict = await house.book.reserve(
        Intent(
            request_id=x.inbound.request_id,
            run_id=x.inbound.run_id,
            received_at=x.inbound.received_at,
            endpoint=x.inbound.endpoint,
            tenant=tenant_on_record(x.inbound.tenant, hashed=house.config.store.hash_tenants),
            key_id=x.inbound.principal.key_id,
            user_hash=x.inbound.user_hash,
            model=target.model if target else "",
            service=target.service if target else "",
            tier=target.tier if target else "",
            quoted_picousd=None if price is None else to_picousd(price),
            quoted_input_tokens=x.quote.input_tokens if x.quote else 0,
            holds=orphans(wanted),
            item=None if x.inbound.keep is None else x.inbound.keep.item,
        ),
        wanted,
    )
    if isinstance(verdict, Refusal):
        x.reply_headers = refusal_headers(verdict, house.clock.monotonic())
        raise limit_error(verdict, now=house.clock.now(), monotonic=house.clock.monotonic())
    trip.seated = True
    trip.holds += wanted
    if headers := ratelimit_headers(wanted, verdict, house.clock.monotonic()):
        x.reply_headers = headers


def count_answer(trip: Trip) -> None:
    """Usage and cost of the answer that came through the outlet, as one attempt. Without the upstream's count, ours, marked so."""
    x, outlet = trip.x, trip.outlet
    if trip.counted or outlet is None or x.target is None or trip.call is None:
        return
    trip.counted = True
    usage = outlet.usage if outlet.usage is not None else _estimated(trip, x.target, outlet.text_bytes)
    add_attempt(trip, x.target, "answer", usage)
    x.usage, x.finish = usage, outlet.finish_reason


def add_attempt(
    trip: Trip, target: Target, purpose: str, usage: Usage | None, *, latency_s: float | None = None, left_s: float | None = None
) -> None:
    """One call that was made, with what it cost. Without times of its own: the call for the answer, whose time is what others left of the whole."""
    x = trip.x
    rate = trip.house.prices.rate(target.service, target.model)
    cost = rate.price(usage) if rate is not None and usage is not None else None
    if cost is not None and trip.price_factor is not None and purpose == "answer":
        cost *= trip.price_factor
    if latency_s is None:
        latency_s, left_s = (x.model_s or 0.0) - sum(attempt.latency_s for attempt in x.attempts), trip.left_s
    after_s = after(trip, left_s)
    x.attempts.append(Attempt(target, purpose, latency_s, x.first_token_s, usage, cost, after_s=after_s))  # pyright: ignore[reportArgumentType]
    x.cost_usd = total_cost(x.attempts)


def note_failed(trip: Trip, attempt: Attempt) -> None:
    """One further call that gave nothing."""
    trip.x.attempts.append(attempt)
    trip.x.cost_usd = total_cost(trip.x.attempts)


def total_cost(attempts: list[Attempt]) -> Decimal | None:
    """Sum over all attempts; unknown as soon as one is."""
    total = ZERO_USD
    for attempt in attempts:
        if attempt.cost_usd is None:
            return None
        total += attempt.cost_usd
    return total


def _estimated(trip: Trip, target: Target, answer_bytes: int) -> Usage:
    """Tokens counted by us: of the prompt, and of what had come of the answer."""
    x, house = trip.x, trip.house
    text = "\n".join(turn.text for turn in x.inbound.peek.turns)
    given = 0 if x.inbound.dialect is Dialect.EMBEDDINGS else house.tokens.estimate(answer_bytes)
    return Usage(house.tokens.count(text, target.model), given, estimated=True)


def close_row(trip: Trip) -> LedgerRow:
    """The row of this exchange as it stands now, its account closed."""
    x, house = trip.x, trip.house
    if house.keeps_accounts:
        close_account(trip)
    total_s = house.clock.monotonic() - x.inbound.started_s
    usage = x.usage
    x.decisions.extend(trip.envelope.crossed(latency_s=total_s, tokens=usage.input_tokens + usage.output_tokens if usage else None))
    if trip.limit_reason is not None and x.truncated is None and x.finish in ("length", "max_tokens", "incomplete"):
        x.truncated, x.outcome = trip.limit_reason, "truncated"
    return ledger_row(x, total_s=total_s, sampled=trip.drawn(), hash_tenants=house.config.store.hash_tenants)


async def settle(trip: Trip) -> None:
    """Write the row and true up the meters, before the last byte goes out. Settles once."""
    if trip.settled:
        return
    x, house = trip.x, trip.house
    trip.hands_off()
    count_answer(trip)
    if x.cost_usd is None:
        x.cost_usd = total_cost(x.attempts)
    if trip.caller.gone and x.outcome == "ok":
        x.outcome = "client_closed"
    note_text(trip)
    row = close_row(trip)
    answered = kept(trip)
    trip.settled = True
    await house.book.settle(row, _releases(trip), answered)
    house.publish(x, row)


def _releases(trip: Trip) -> tuple[Release, ...]:
    x = trip.x
    made = [attempt for attempt in x.attempts if attempt.error_code is None]
    known = [attempt.usage for attempt in made if attempt.usage is not None]
    tokens = sum(usage.input_tokens + usage.output_tokens for usage in known)
    cost = x.cost_usd if x.attempts else ZERO_USD
    return releases(
        trip.holds,
        tokens_used=tokens if len(known) == len(made) else None,
        cost_picousd=None if cost is None else to_picousd(cost),
        calls=len(made),
    )


async def cut(trip: Trip, reason: str) -> None:
    """A cap ended the answer: the caller gets what there is, marked as cut, and the upstream is stopped."""
    x = trip.x
    trip.hands_off()
    trip.land(LeaderCut(reason))
    if trip.reply is not None:
        trip.reply.close()
    assert trip.outlet is not None
    note_model_time(trip)
    tail = trip.tail = trip.outlet.cut(reason)
    x.truncated, x.outcome, x.finish = reason, "truncated", "length"
    count_answer(trip)
    x.finish, trip.own_output_limit = "length", 0
    await settle(trip)
    await finish(trip, tail)


async def abandon(trip: Trip) -> None:
    """Nobody listens any more, or the gateway stops: settle what was used so far."""
    x = trip.x
    trip.land(LeaderLost("The call this request waited for was abandoned."))
    if trip.reply is not None:
        trip.reply.close()
    if trip.sent_s is not None and trip.outlet is None and x.target is not None:
        # The model has read the prompt: leaving before it answers makes that no cheaper.
        note_model_time(trip)
        x.usage = _estimated(trip, x.target, 0)
        add_attempt(trip, x.target, "answer", x.usage)
    note_model_time(trip)
    x.outcome, x.status = ("client_closed" if trip.caller.gone else "interrupted"), 499
    try:
        await settle(trip)
    except StoreUnavailable as error:
        log.error("request %s could not be settled yet: %s", x.inbound.request_id, error.message)


async def fail(trip: Trip, error: FarthingError) -> None:
    """Settle a failure. Raises the error when the caller has heard nothing yet, else ends the stream with it."""
    x = trip.x
    # What one caller may not have says nothing about another; what came of the call binds all who share it.
    trip.land(error if isinstance(error, _SHARED) else LeaderLost("The call this request waited for was not made."))
    if trip.reply is not None:
        trip.reply.close()
        note_model_time(trip)
    x.outcome, x.status, x.error_code, x.error_message = _outcome(error), error.status, error.code, error.message
    try:
        await settle(trip)
    except StoreUnavailable as unavailable:
        log.error("request %s could not be settled yet: %s", x.inbound.request_id, unavailable.message)
        error = unavailable if not trip.caller.started else error
    if not trip.caller.started:
        raise error
    await trip.caller.finish(render_stream_error(x.inbound.dialect, error, x.inbound.request_id))


async def last_resort(trip: Trip) -> None:
    """A fault of our own stopped the journey: book all that was held, so that nothing stays held until this worker ends."""
    if not trip.seated:
        return
    x = trip.x
    trip.outlet = None
    x.outcome, x.status, x.error_code, x.error_message = "error", 500, FarthingError.code, "Farthing failed on this request; the log says how."
    x.cost_usd = None
    if x.target is not None and not trip.counted and (trip.reply is not None or trip.sent_s is not None):
        x.attempts.append(Attempt(x.target, "answer", x.model_s or 0.0, x.first_token_s, None, None, after_s=after(trip, trip.left_s)))
    try:
        await settle(trip)
    except StoreUnavailable as error:
        log.error("request %s could not be settled yet: %s", x.inbound.request_id, error.message)


def _outcome(error: FarthingError) -> Outcome:
    if isinstance(error, PutOff):
        return "interrupted"
    if isinstance(error, AnswerInvalid):
        return "invalid_answer"
    if isinstance(error, Upstream):
        return "upstream_error"
    return "refused" if isinstance(error, _REFUSALS) else "error"
