"""The cache step around the model call: serve what we have, fly along with who is asking already, keep what came."""

from collections.abc import Sequence

from farthing.brain.cache import Answer, Flight, LeaderLost
from farthing.brain.cap import hit_holds, limit_error, ratelimit_headers, refusal_headers
from farthing.brain.classify import Reading, classify, read
from farthing.brain.delivery import note_text, send_on
from farthing.brain.outlet import open_outlet
from farthing.brain.settlement import close_row, price_baseline, reserve_seat
from farthing.brain.trip import Trip
from farthing.core.exchange import Target
from farthing.core.ledger import Refusal
from farthing.core.money import ZERO_USD


async def serve(trip: Trip) -> bool:
    """Look, fly along, or say that a call must be made. A request that was answered before keeps the signals it had then.

    True when the answer is complete without a call of our own; it still has to be settled unless it is already."""
    x, house = trip.x, trip.house
    reading: Reading | None = None

    def words() -> Sequence[bytes]:
        nonlocal reading
        reading = read(x.inbound)
        return reading.words

    while True:
        reuse = house.cache.look(x.inbound, trip.endpoint, words=words, now=house.clock.now(), off="cache" in trip.off)
        if reuse.kind == "hit" and reuse.answer is not None:
            x.decisions.append(reuse.decision)
            await _serve_again(trip, reuse.answer)
            return True
        if x.signals is None:
            x.signals = classify(x.inbound, house.tokens, reading)
        if reuse.kind == "follow" and reuse.key is not None:
            flight = house.cache.flights.get(reuse.key)
            if flight is not None and await _fly_along(trip, flight):
                return True
            continue
        x.decisions.append(reuse.decision)
        x.cache = "miss" if reuse.kind == "lead" else "bypass"
        if reuse.key is not None:
            trip.cache_key = reuse.key
            if house.cache.config.coalesce:
                trip.flight = house.cache.flights.lead(reuse.key)
        return False


async def _serve_again(trip: Trip, answer: Answer) -> None:
    """A stored answer goes the way of a fresh one, through an outlet. One write to the book: holds and row together."""
    x, house = trip.x, trip.house
    x.cache, x.cache_entry, x.cache_similarity = "exact", answer.entry_id, 1.0
    x.target = Target(answer.service, answer.model, answer.tier)
    outlet = trip.outlet = open_outlet(answer.dialect, answer.stream, x.inbound, gather=True)
    outlet.feed(answer.body)
    x.signals = answer.signals or classify(x.inbound, house.tokens)
    x.usage, x.finish, x.cost_usd = answer.usage, answer.finish, ZERO_USD
    note_text(trip)
    price_baseline(trip)
    holds = hit_holds(x.inbound, house.config, monotonic=house.clock.monotonic())
    trip.hands_off()
    row = close_row(trip)
    trip.settled = True
    verdict = await house.book.record(row, holds)
    if isinstance(verdict, Refusal):
        trip.settled = False
        trip.outlet = None
        x.reply_headers = refusal_headers(verdict, house.clock.monotonic())
        raise limit_error(verdict, now=house.clock.now(), monotonic=house.clock.monotonic())
    x.reply_headers = ratelimit_headers(holds, verdict, house.clock.monotonic())
    house.publish(x, row)


async def _fly_along(trip: Trip, flight: Flight) -> bool:
    """Share the call in flight. False when it came down before it gave us anything, and we must ask ourselves."""
    x, house = trip.x, trip.house
    flight.board()
    try:
        if not trip.seated:
            await reserve_seat(trip)
        trip.wait_for_upstream()
        try:
            dialect, stream, target = await flight.departed()
        except LeaderLost:
            trip.hands_off()
            return False
        x.cache, x.target, x.cost_usd = "coalesced", target, ZERO_USD
        x.decisions.append(house.cache.coalesced)
        outlet = trip.outlet = open_outlet(dialect, stream, x.inbound, gather=not (stream and x.inbound.peek.stream))
        async for piece in flight.pieces():
            if x.first_token_s is None:
                x.first_token_s = house.clock.monotonic() - x.inbound.started_s
            out = outlet.feed(piece)
            if out and not trip.caller.gone:
                await send_on(trip, out)
        trip.hands_off()
        outlet.end()
        x.usage, x.finish = outlet.usage, outlet.finish_reason
        price_baseline(trip)
        return True
    finally:
        flight.leave()


def store(trip: Trip) -> None:
    """Keep the answer and land the flight. Only whole, unaltered answers get here with `raw` set."""
    x, house = trip.x, trip.house
    if trip.flight is not None:
        house.cache.flights.end(trip.flight)
    if trip.raw is None or trip.cache_key is None or trip.call is None or x.target is None or x.truncated:
        return
    house.cache.store(
        trip.cache_key,
        x.inbound,
        trip.call,
        x.target,
        trip.raw[0] if len(trip.raw) == 1 else b"".join(trip.raw),
        usage=x.usage,
        cost_usd=x.cost_usd,
        finish=x.finish,
        signals=x.signals,
        now=house.clock.now(),
    )
