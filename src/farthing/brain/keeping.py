"""The answer of a batch's item, as it goes into the store with the request's row; and what its twins are served of it."""

import msgspec

from farthing.brain.cache import Answer
from farthing.brain.trip import Trip
from farthing.core.batch import Answered
from farthing.wire.batch_lines import response_of

_WHOLE = frozenset({"ok", "truncated"})
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Answer).decode


def kept(trip: Trip) -> Answered | None:
    """`None`: this request is no item, or it has no answer; its runner decides what becomes of it."""
    x, outlet = trip.x, trip.outlet
    keep = x.inbound.keep
    if keep is None or outlet is None or x.error_code is not None or x.outcome not in _WHOLE:
        return None
    body = outlet.finish(x.cost_usd, x.truncated) if trip.tail is None else trip.tail
    response = response_of(x.status, x.inbound.request_id, body if keep.reshape is None else keep.reshape(x, body))
    return Answered(keep.item, keep.epoch, x.inbound.request_id, response, ok=True, reuse=_for_twins(trip, body) if keep.has_twins else None)


def _for_twins(trip: Trip, body: bytes) -> bytes | None:
    x, now = trip.x, trip.house.clock.now()
    if x.target is None:
        return None
    target, entry = x.target, "ans" + x.inbound.request_id.removeprefix("req")
    answer = Answer(
        x.inbound.dialect,
        False,
        body,
        target.service,
        target.model,
        target.tier,
        x.usage,
        x.cost_usd,
        x.finish,
        entry,
        now,
        now,
        x.signals,
        x.sources,
    )
    return _pack(answer)


def twin_answer(packed: bytes) -> Answer:
    """What a twin left."""
    return _unpack(packed)
