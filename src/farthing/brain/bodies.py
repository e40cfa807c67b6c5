"""The body that goes upstream: the caller's own bytes wherever dialects agree and no lever changed anything.

Top-level fields are patched one by one; everything else, fields invented next year included, passes as it came.
"""

import msgspec

from farthing.brain.cap import limit_field, max_output_tokens
from farthing.brain.prefixing import keep_prefix
from farthing.brain.shortening import learned_for, setting_of
from farthing.brain.trip import Trip
from farthing.core.decision import Decision
from farthing.core.errors import UnsupportedFeature
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.wire.dialects import translate_request
from farthing.wire.patch import patch

_encode = msgspec.json.encode
_TRUE = b"true"


def upstream_body(trip: Trip, target: Target) -> tuple[Dialect, bytes, bool]:
    """Dialect, body and whether the upstream shall stream. Raises `UnsupportedFeature` where no translation exists."""
    inbound = trip.x.inbound
    spoken = trip.house.models.dialects(target.service)
    stream = inbound.peek.stream or _streams_for_cap(trip)
    body = trip.body
    if trip.house.guardrails.active("input"):
        body = _redacted(trip, body)
    limit = _output_limit(trip, target)
    trip.sent_limit = inbound.peek.max_output_tokens if limit is None else limit
    if inbound.dialect in spoken:
        return inbound.dialect, keep_prefix(trip, target, inbound.dialect, _native(trip, target, body, stream, limit)), stream
    if inbound.dialect is Dialect.EMBEDDINGS:
        raise UnsupportedFeature(f"'{target.service}' serves no embeddings. Ask for a model of a service that does.", param="model")
    dialect = Dialect.CHAT if Dialect.CHAT in spoken else Dialect.MESSAGES
    if limit is not None:
        body = patch(body, {_limit_field(trip, target, inbound.dialect): _encode(limit)})
    translated = translate_request(inbound.dialect, dialect, body, model=target.model, stream=stream)
    return dialect, keep_prefix(trip, target, dialect, translated), stream


def _native(trip: Trip, target: Target, body: bytes, stream: bool, limit: int | None) -> bytes:
    peek, dialect = trip.x.inbound.peek, trip.x.inbound.dialect
    changes: dict[str, bytes | None] = {}
    if peek.model != target.model:
        changes["model"] = _encode(target.model)
    if stream and not peek.stream:
        changes["stream"] = _TRUE
    if stream and dialect is Dialect.CHAT and not (peek.stream and peek.wants_usage):
        # Asked for upstream, accounted for, and hidden from a caller who did not ask.
        changes["stream_options"] = b'{"include_usage":true}'
    if limit is not None:
        changes[_limit_field(trip, target, dialect)] = _encode(limit)
    return patch(body, changes) if changes else body


def _streams_for_cap(trip: Trip) -> bool:
    """Under a latency cap a whole answer is fetched as a stream, so that there is something to give when time is up."""
    inbound = trip.x.inbound
    if not trip.envelope.cut_by_cap or inbound.dialect is Dialect.EMBEDDINGS:
        return False
    return inbound.peek.n == 1 and not inbound.peek.wants_logprobs


def _output_limit(trip: Trip, target: Target) -> int | None:
    """The output limit to write into the body, or `None` to leave the caller's."""
    x = trip.x
    inbound, config = x.inbound, trip.house.config
    if x.signals is None or inbound.dialect is Dialect.EMBEDDINGS:
        return None
    asked = inbound.peek.max_output_tokens
    allowed = trip.envelope.allowed_output_tokens(x.signals.input_tokens)
    if allowed is not None and allowed < max_output_tokens(inbound, config, target):
        x.decisions.append(Decision("cap", "output_limit", f"max_tokens {asked or 'unset'} -> {allowed}: {trip.envelope.tokens_reason}"))
        trip.limit_reason = trip.envelope.tokens_reason
        trip.own_output_limit = allowed
        return allowed
    limit = config.endpoint(inbound.endpoint).max_output_tokens
    if (learned := learned_for(trip, target)) is not None and (limit is None or learned.limit < limit):
        why = f"99 % of the last {learned.answers} answers here ended within {learned.within}"
        x.decisions.append(Decision("output", "limit", f"max_tokens unset -> {learned.limit}: {why}"))
        trip.limit_reason = f"{learned.limit} tokens: {why} (`{setting_of(trip, 'learn_limit')}`)"
        trip.own_output_limit, trip.learns_limit = learned.limit, True
        return learned.limit
    if asked is None and limit is not None:
        x.decisions.append(Decision("cap", "output_limit", f"max_tokens unset -> {limit} (endpoints.{inbound.endpoint}.max_output_tokens)"))
        trip.own_output_limit = limit
        return limit
    return None


def _limit_field(trip: Trip, target: Target, dialect: Dialect) -> str:
    return limit_field(trip.house.config, target.service, dialect, trip.x.inbound.body)


def _redacted(trip: Trip, body: bytes) -> bytes:
    """The body without what the guardrails take out of its texts. Privacy fails closed: a body that cannot be read is not sent."""
    clean = trip.house.guardrails.clean_body(body)
    if clean is not body and not trip.redacted:
        trip.redacted = True
        trip.x.decisions.append(Decision("guard", "redacted", "guardrails took something out before the prompt left"))
    return clean
