"""POST /v1/feedback: what people, or programs that know better, think of an answer.

`{request_id, score | thumb | label, comment?}` -> `{request_id, status: "recorded"}`. `score` is 0 to 1, `thumb` "up" or "down" (1 or 0), `label` a
word of the caller's own; at least one of them. The request id is the one in `x-request-id` of the answer. A key speaks of its own tenant's
requests only: another tenant's id is as unknown as one that never was. Saying it again replaces what the same key said before.
Comments are kept without personal data.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from farthing.brain.check.redact import redact
from farthing.brain.row import tenant_on_record
from farthing.core.errors import BadJson, InvalidRequest, NotFound, Unavailable
from farthing.core.judgement import Judgement, Subject
from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, read_body
from farthing.edge.replies import send_json

_MOST_BYTES = 65_536
_THUMBS = {"up": 1.0, "down": 0.0}
_WRONG_HIT = "wrong_hit"  # an answer out of the cache that was not one to this question
_REUSED = frozenset({"exact", "normalised", "semantic"})
_DISPUTED = 0.5
_ANYBODY = "open"  # who speaks on a gateway without keys


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of the route."""

    request_id: Annotated[str, Meta(min_length=1, max_length=200)]
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    thumb: Literal["up", "down"] | None = None
    label: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    comment: Annotated[str, Meta(max_length=4000)] | None = None


_read = msgspec.json.Decoder(Feedback).decode


async def handle(gateway: Gateway, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """Write one verdict on a settled request. Raises `InvalidRequest`, `NotFound` or `StoreUnavailable`."""
    said = _parse(await read_body(receive, headers_of(scope), _MOST_BYTES))
    if gateway.judgements is None:
        raise Unavailable("This gateway keeps no feedback.")
    subject = gateway.judgements.subject(said.request_id)
    if subject is None or not _may_speak(principal, subject, gateway):
        raise NotFound(
            f"No request '{said.request_id[:80]}' of yours is in the ledger. Send the id from x-request-id of its answer.", param="request_id"
        )
    score = said.score if said.thumb is None else _THUMBS[said.thumb]
    judgement = Judgement(
        request_id=said.request_id,
        judged_at=gateway.clock.now(),
        source="feedback",
        score=score,
        label=None if said.label is None else redact(said.label),
        comment=None if said.comment is None else redact(said.comment),
        tenant=subject.tenant,
        endpoint=subject.endpoint,
        model_tier=subject.model_tier,
        cache=subject.cache,
        experiment=subject.experiment,
        author=principal.key_id or _ANYBODY,
    )
    await gateway.judgements.say(judgement)
    disputed = said.label == _WRONG_HIT or (score is not None and score < _DISPUTED and subject.cache in _REUSED)
    if gateway.memory is not None and disputed:
        await gateway.memory.dispute(said.request_id)
    gateway.metrics.judged(endpoint=subject.endpoint or "", tier=subject.model_tier, cache=subject.cache or "", source="feedback", score=score)
    await send_json(send, 200, {"request_id": said.request_id, "status": "recorded"})


def _parse(body: bytes) -> Feedback:
    try:
        said = _read(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{error}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadJson(f"The body is not JSON: {error}") from error
    if said.score is None and said.thumb is None and said.label is None:
        raise InvalidRequest("Say what you think of the answer: 'score' (0 to 1), 'thumb' (\"up\" or \"down\") or 'label'.")
    if said.score is not None and said.thumb is not None:
        raise InvalidRequest("Send 'score' or 'thumb', not both: each is the score.", param="thumb")
    return said


def _may_speak(principal: Principal, subject: Subject, gateway: Gateway) -> bool:
    hashed = gateway.house.config.store.hash_tenants
    return principal.role == "admin" or subject.tenant == tenant_on_record(principal.tenant, hashed=hashed)
