"""The cache step around the model call: serve what we have, fly along with who is asking already, keep what came."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec

from farthing.brain.cache import Answer, Flight, Lane, LeaderCut, LeaderLost, Verdict, entry_id_of
from farthing.brain.cap import hit_holds, limit_error, ratelimit_headers, refusal_headers
from farthing.brain.checking import hold_to_guardrails
from farthing.brain.classify import Reading, classify, read
from farthing.brain.delivery import note_text, send_on
from farthing.brain.failopen import attempt, cautious
from farthing.brain.keeping import kept, twin_answer
from farthing.brain.outlet import Gathered, open_outlet
from farthing.brain.sending import guards_answers
from farthing.brain.settlement import close_row, reserve_seat
from farthing.brain.trip import CutShort, Trip, Whole
from farthing.core.decision import Decision
from farthing.core.errors import UpstreamTimeout
from farthing.core.exchange import Exchange, Signals, Target
from farthing.core.ledger import Refusal
from farthing.core.money import ZERO_USD
from farthing.core.request import Dialect

_TWIN = Decision("cache", "coalesced", "the same request of this batch was answered")


async def serve(trip: Trip) -> bool:
    """Look, fly along, or say that a call must be made. A request that was answered before keeps the signals it had then.

    True when the answer is complete without a call of our own; it still has to be settled unless it is already."""
    x, house = trip.x, trip.house
    reading: Reading | None = None
    by_meaning = house.meaning is not None
    if x.inbound.twin is not None:
        x.decisions.append(_TWIN)
        await _serve_again(trip, twin_answer(x.inbound.twin), "coalesced")
        return True

    def words() -> Sequence[bytes]:
        nonlocal reading
        reading = read(x.inbound)
        return reading.words

    while True:
        reuse = attempt(
            x,
            "cache",
            lambda: house.cache.look(x.inbound, trip.endpoint, words=words, now=house.clock.now(), off="cache" in trip.off),
            lambda: house.cache.without,
        )
        if reuse.kind == "hit" and reuse.answer is not None:
            x.decisions.append(reuse.decision)
            x.cache_similarity = 1.0
            await _serve_again(trip, reuse.answer, reuse.lane)
            return True
        if x.signals is None:
            x.signals = _classified(trip, reading)
        if reuse.kind == "follow" and reuse.key is not None:
            flight = house.cache.flights.get(reuse.key)
            if flight is not None and await _fly_along(trip, flight):
                return True
            continue
        if reuse.kind == "lead" and by_meaning and house.meaning is not None:
            by_meaning = False
            found = await house.meaning.look(trip)
            if isinstance(found, Flight):
                if await _fly_along(trip, found):
                    return True
            elif found is not None:
                await _serve_again(trip, found.answer, "semantic")
                return True
            continue  # the same question may have come meanwhile
        x.decisions.append(reuse.decision)
        x.cache = "miss" if reuse.kind == "lead" else "bypass"
        if reuse.key is not None:
            trip.cache_key, trip.origin = reuse.key, reuse.origin
            if house.cache.config.coalesce and not (house.parks and x.inbound.keep is not None):
                normalised = None if reuse.origin is None else reuse.origin.normalised
                trip.flight = house.cache.flights.lead(reuse.key, *(() if normalised is None else (normalised,)))
                trip.flight.entry_id = entry_id_of(x.inbound.request_id)
                if house.meaning is not None:
                    house.meaning.departs(trip, trip.flight)
        return False


def _classified(trip: Trip, reading: Reading | None = None) -> Signals:
    x, tokens = trip.x, trip.house.tokens
    return attempt(x, "classify", lambda: classify(x.inbound, tokens, reading), lambda: cautious(x.inbound, tokens))


async def _serve_again(trip: Trip, answer: Answer, kind: Lane | Literal["coalesced"]) -> None:
    """A stored answer goes the way of a fresh one, through an outlet. One write to the book: holds and row together."""
    x, house = trip.x, trip.house
    x.cache, x.cache_entry = kind, answer.entry_id
    x.target = Target(answer.service, answer.model, answer.tier)
    outlet = trip.outlet = open_outlet(answer.dialect, answer.stream, x.inbound, gather=True)
    outlet.feed(answer.body)
    x.signals = answer.signals or x.signals or _classified(trip)
    x.finish, x.cost_usd, x.sources = answer.finish, ZERO_USD, answer.sources
    if guards_answers(house) and isinstance(outlet, Gathered) and x.inbound.dialect is not Dialect.EMBEDDINGS:
        hold_to_guardrails(trip, outlet)
    x.usage = answer.usage
    note_text(trip)
    if trip.seated:
        # It had begun to share a call that was lost. Settling gives its seat back.
        return
    holds = hit_holds(x.inbound, house.config, monotonic=house.clock.monotonic())
    trip.hands_off()
    row = close_row(trip)
    answered = kept(trip)
    trip.settled = True
    verdict = await house.book.record(row, holds, answered)
    if isinstance(verdict, Refusal):
        trip.settled = False
        trip.outlet = None
        x.usage = x.baseline_cost_usd = x.account = None
        x.decisions = [msgspec.structs.replace(decision, saved_usd=None) for decision in x.decisions]
        x.reply_headers = refusal_headers(verdict, house.clock.monotonic())
        raise limit_error(verdict, now=house.clock.now(), monotonic=house.clock.monotonic())
    x.reply_headers = ratelimit_headers(holds, verdict, house.clock.monotonic())
    house.publish(x, row)


async def _fly_along(trip: Trip, flight: Flight) -> bool:
    """Share the call in flight. False when it came down before it gave us anything, and we must ask ourselves."""
    x = trip.x
    flight.board()
    try:
        if not trip.seated:
            await reserve_seat(trip)
        trip.wait_for_upstream()
        async with asyncio.timeout(trip.envelope.deadline_s - trip.house.clock.monotonic()):
            await _share(trip, flight)
        return True
    except LeaderLost:
        trip.hands_off()
        if trip.caller.started:
            raise
        trip.outlet = x.target = x.cost_usd = x.first_token_s = x.cache_similarity = x.cache_entry = None
        x.cache = "bypass"
        x.decisions = [decision for decision in x.decisions if decision is not trip.house.cache.coalesced and decision is not trip.near]
        trip.near = None
        return False
    except LeaderCut as cut:
        raise CutShort(cut.message) from None
    except TimeoutError:
        raise _too_late(trip, flight) from None
    finally:
        flight.leave()


async def _share(trip: Trip, flight: Flight) -> None:
    """Read the flight to its end and pass on what may go now; behind a check nothing may before it has landed."""
    x, house = trip.x, trip.house
    dialect, stream, x.target = await flight.departed()
    x.cost_usd, x.sources = ZERO_USD, flight.sources
    # A near one is a hit by meaning whose answer is not there yet; a dispute finds either by its entry.
    x.cache, x.cache_entry = "coalesced" if trip.near is None else "semantic", flight.entry_id
    x.decisions.append(trip.near or house.cache.coalesced)
    outlet = trip.outlet = open_outlet(dialect, stream, x.inbound, gather=flight.checked or not (stream and x.inbound.peek.stream))
    async for piece in flight.pieces():
        if x.first_token_s is None:
            x.first_token_s = house.clock.monotonic() - x.inbound.started_s
        out = outlet.feed(piece)
        if out and not trip.caller.gone:
            await send_on(trip, out)
    trip.hands_off()
    outlet.end()
    x.usage, x.finish = outlet.usage, outlet.finish_reason
    if flight.verdict is not None and isinstance(outlet, Gathered):
        _adopt(x, outlet, flight.verdict)


def _adopt(x: Exchange, outlet: Gathered, verdict: Verdict) -> None:
    """The check of the one who made the call changed the answer: what goes out is what it made of it."""
    outlet.replace(verdict.answer)
    outlet.finish_reason = x.finish = verdict.finish
    if verdict.truncated is not None:
        x.truncated, x.outcome = verdict.truncated, "truncated"
    x.decisions.append(Decision("check", "adopted", "the shared answer was changed by a check"))


def _too_late(trip: Trip, flight: Flight) -> Exception:
    """The call that is shared may last longer than this request may."""
    reason = trip.envelope.latency_reason
    if trip.envelope.cut_by_cap and trip.outlet is not None and flight.stream:
        return CutShort(reason)
    return UpstreamTimeout(f"The call that this request shares took too long. Reached: {reason}.")


def store(trip: Trip) -> None:
    """Keep the answer and land the flight. Only whole, unaltered answers get here with `raw` or `instead` set."""
    house = trip.house
    if trip.flight is not None:
        if trip.raw is None and isinstance(trip.outlet, Gathered):
            trip.flight.verdict = Verdict(trip.outlet.answer(), trip.x.finish, trip.x.truncated)
        house.cache.flights.end(trip.flight)
    if trip.cache_key is not None and (whole := _whole(trip)) is not None:
        attempt(trip.x, "cache", lambda: _keep(trip, whole), lambda: None)


def _whole(trip: Trip) -> Whole | None:
    if trip.instead is not None or trip.raw is None or trip.call is None:
        return trip.instead
    return Whole(trip.call, trip.raw[0] if len(trip.raw) == 1 else b"".join(trip.raw), trip.x.usage, trip.x.cost_usd)


def _keep(trip: Trip, whole: Whole) -> None:
    x, house = trip.x, trip.house
    if trip.cache_key is None or x.target is None or x.truncated:
        return
    house.cache.store(
        trip.cache_key,
        x.inbound,
        whole.call,
        x.target,
        whole.body,
        usage=whole.usage,
        cost_usd=whole.cost_usd,
        finish=x.finish,
        signals=x.signals,
        sources=(*x.sources, *x.inbound.cites),
        origin=trip.origin,
    )
    if house.meaning is not None and (answer := house.cache.entries.get(trip.cache_key, house.clock.now())) is not None:
        house.meaning.fresh(trip, answer)
