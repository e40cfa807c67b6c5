"""Delivery: the upstream's bytes become the caller's, as they come, and the last of them waits for the ledger."""

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import lru_cache

from farthing.brain.outlet import Outlet
from farthing.brain.shortening import watch_for
from farthing.brain.trip import CutShort, Trip, after
from farthing.core.decision import Decision
from farthing.core.errors import FarthingError, UpstreamTimeout
from farthing.core.exchange import Exchange
from farthing.core.money import format_usd
from farthing.core.request import Dialect

Headers = list[tuple[bytes, bytes]]

_EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_JSON = (b"content-type", b"application/json")
# A proxy in front of us must not hold the stream back.
_UNBUFFERED = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_CONTROLS = bytes(range(32)) + b"\x7f"


async def relay(trip: Trip) -> None:
    """Read the open reply to its end and pass on what may go now. Raises `CutShort` when a cap ends it early."""
    reply, outlet, call = trip.reply, trip.outlet, trip.call
    assert reply is not None
    assert outlet is not None
    assert call is not None
    try:
        if call.stream:
            await _pour(trip, outlet, aiter(reply))
        else:
            _take(trip, await reply.read())
    except UpstreamTimeout:
        if not trip.envelope.reached_by(trip.house.clock.monotonic()):
            raise
        if not call.stream:
            raise UpstreamTimeout(f"No model had answered in time. Reached: {trip.envelope.latency_reason}.") from None
        raise CutShort(trip.envelope.latency_reason) from None
    trip.hands_off()
    outlet.end()
    note_model_time(trip)


async def _pour(trip: Trip, outlet: Outlet, pieces: AsyncIterator[bytes]) -> None:
    watched = trip.envelope.token_cap is not None
    watch = watch_for(trip)
    async for piece in pieces:
        out = _take(trip, piece)
        if out and not trip.caller.gone:
            await send_on(trip, out)
        if watched and _over_token_cap(trip, outlet):
            raise CutShort(trip.envelope.tokens_reason)
        if watch is not None and (reason := watch.feed(piece)) is not None:
            trip.x.decisions.append(Decision("output", "cut", reason))
            raise CutShort(reason)


def _take(trip: Trip, piece: bytes) -> bytes:
    """One piece from upstream: timed, kept for the cache, shared with followers, shaped for the caller."""
    x = trip.x
    if x.first_token_s is None:
        x.first_token_s = trip.house.clock.monotonic() - x.inbound.started_s
    if trip.raw is not None:
        trip.raw.append(piece)
    if trip.flight is not None:
        trip.flight.publish(piece)
    assert trip.outlet is not None
    return trip.outlet.feed(piece)


def _over_token_cap(trip: Trip, outlet: Outlet) -> bool:
    assert trip.x.signals is not None
    assert trip.envelope.token_cap is not None
    return trip.x.signals.input_tokens + trip.house.tokens.estimate(outlet.text_bytes) > trip.envelope.token_cap


async def send_on(trip: Trip, out: bytes) -> None:
    """Bytes of a stream, behind the head if they are the first."""
    if not trip.caller.started:
        await trip.caller.start(200, stream_headers(trip.x))
    await trip.caller.write(out)


async def finish(trip: Trip, tail: bytes | None = None) -> None:
    """The rest of the answer; the ledger has its row by now."""
    caller, x = trip.caller, trip.x
    assert trip.outlet is not None
    if x.inbound.keep is not None:
        return  # the store has it
    out = trip.outlet.finish(x.cost_usd, x.truncated) if tail is None else tail
    if caller.gone:
        return
    if caller.started:
        await caller.finish(out)
    else:
        await caller.answer(200, stream_headers(x) if x.inbound.peek.stream else whole_headers(x, len(out)), out)


def note_model_time(trip: Trip) -> None:
    """Once for every call: from when it left until now; and how much of that it spent in the engine's queue, where the engine says what it worked."""
    if trip.sent_s is None:
        return
    x, took_s = trip.x, trip.house.clock.monotonic() - trip.sent_s
    x.model_s = (x.model_s or 0.0) + took_s
    worked = trip.outlet.usage.worked if trip.outlet is not None and trip.outlet.usage is not None else None
    if worked is not None:
        # A stream may be held up by its reader; its first byte is not.
        streamed = x.inbound.peek.stream and x.first_token_s is not None
        began_s = (x.first_token_s or 0.0) - (after(trip, trip.sent_s) or 0.0)
        waited_s = 0.0 if trip.reply is None else trip.reply.queue_s  # here, and counted
        x.queue_s += max(0.0, (began_s - worked.prompt_s if streamed else took_s - worked.prompt_s - worked.output_s) - waited_s)
    trip.sent_s = None


def note_text(trip: Trip) -> None:
    """The words of the answer, where it was drawn for anything; what cannot be read as an answer has none."""
    x = trip.x
    if trip.outlet is None or x.answer_text is not None or x.inbound.dialect is Dialect.EMBEDDINGS or trip.sampled is None:
        return
    with suppress(FarthingError):
        answer = trip.outlet.answer()
        if answer is not None:
            x.answer_text, x.answer_calls = answer.text, answer.tool_calls


def stream_headers(x: Exchange) -> Headers:
    return [_EVENT_STREAM, *_UNBUFFERED, *_story(x)]


def whole_headers(x: Exchange, size: int) -> Headers:
    cost = (b"x-farthing-cost-usd", format_usd(x.cost_usd).encode())
    return [_JSON, (b"content-length", b"%d" % size), cost, *_story(x)]


def _story(x: Exchange) -> Headers:
    """Who answered, from where, and why."""
    target = x.target
    headers = [
        (b"x-request-id", x.inbound.request_id.encode()),
        (b"x-farthing-tier", value(target.tier or "none") if target else b"none"),
        (b"x-farthing-model", value(f"{target.service}/{target.model}") if target else b"none"),
        (b"x-farthing-cache", b"miss" if x.cache == "bypass" else x.cache.encode()),
        (b"x-farthing-decisions", value(";".join([f"{decision.lever}={decision.action}" for decision in x.decisions]))),
    ]
    if x.cache_entry is not None:
        headers.append((b"x-farthing-cache-entry", x.cache_entry.encode()))
        if x.cache == "semantic" and x.cache_similarity is not None:
            headers.append((b"x-farthing-cache-similarity", b"%.4f" % x.cache_similarity))
    if x.truncated:
        headers.append((b"x-farthing-truncated", value(x.truncated)))
    return headers + x.reply_headers


@lru_cache(maxsize=1024)
def value(text: str) -> bytes:
    """Text that came from outside, fit for a header."""
    return text.encode("ascii", "replace").translate(None, _CONTROLS)
