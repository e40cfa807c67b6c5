"""Calls that may wait: taken into the queue, answered when there is room, or fetched later from /v1/background/ID.

A caller says so with `x-farthing-priority: background`, or `{"metadata": {"priority": "background"}}` in the body; it gets 202 and a place to
ask at once, or the answer itself when it comes within `Prefer: wait=SECONDS`. Where an endpoint's `latency_slo_s` is an hour or more, calls wait
by themselves: their callers have not asked for it, so they are held open for `batch.hold_s` and mostly read an ordinary answer.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from farthing.brain.batch.ports import Shelf
from farthing.brain.batch.reading import alike
from farthing.config import Config
from farthing.core.batch import Batch, NewItem
from farthing.core.errors import InvalidRequest, NotFound, UpstreamTimeout
from farthing.core.request import Inbound, Principal
from farthing.edge.batches import new_batch, owned_batch
from farthing.edge.caller import Headers, HttpCaller, Receive, Scope, Send
from farthing.edge.files import jobs_of
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, labels_of, tenant_of
from farthing.edge.replies import send_bytes, send_json
from farthing.wire.batch_lines import PATHS
from farthing.wire.patch import patch

ONE = "/v1/background/"
PATIENT_S = 3600.0  # who may wait an hour need not be served now
_PRIORITY = b"x-farthing-priority"
_WORD = b"background"
_WAIT = re.compile(rb"(?:^|[,;\s])wait=(\d{1,5})(?:$|[,;\s])")
_FIRST_LOOK_S, _LAST_LOOK_S = 0.02, 0.5
_ASK_AGAIN_S = 2
_PATHS = {dialect: path for path, dialect in PATHS.items()}

Lane = Literal["now", "asked", "endpoint"]


class _Body(msgspec.Struct):
    metadata: dict[str, Any] | None = None


class Order(msgspec.Struct, frozen=True):
    """What is queued: the body of a path."""

    path: str
    body: bytes


class _Response(msgspec.Struct):
    status_code: int
    request_id: str | None
    body: msgspec.Raw


_read_body = msgspec.json.Decoder(_Body).decode
_read_response = msgspec.json.Decoder(_Response).decode


def lane_of(inbound: Inbound, headers: Mapping[bytes, bytes], config: Config, said: bytes | None = None) -> Lane:
    """Whether this call is for now, was asked to wait (`said`: in a body of its own shape), or waits because its endpoint may. Raises
    `InvalidRequest` for a priority that is none."""
    said = headers.get(_PRIORITY, said)
    if said is None and b'"background"' in inbound.body and _in_metadata(inbound):
        said = _WORD
    if said == b"interactive":
        return "now"
    if said is not None:
        if said != _WORD:
            raise InvalidRequest("x-farthing-priority is 'background' or 'interactive'.", param="x-farthing-priority")
        if inbound.peek.stream:
            raise InvalidRequest("A background call has no stream: its answer is fetched when it is there. Leave out 'stream'.", param="stream")
        return "asked"
    slo_s = config.endpoint(inbound.endpoint).latency_slo_s
    return "endpoint" if slo_s is not None and slo_s >= PATIENT_S and config.batch.enabled and not inbound.peek.stream else "now"


def _in_metadata(inbound: Inbound) -> bool:
    """Says the body so itself? Then the word is taken out of it: it is meant for us, and services refuse what they do not know."""
    try:
        metadata = _read_body(inbound.body).metadata
    except msgspec.MsgspecError:
        return False
    if not metadata or metadata.get("priority") != "background":
        return False
    rest = {name: value for name, value in metadata.items() if name != "priority"}
    inbound.body = patch(inbound.body, {"metadata": msgspec.json.encode(rest) if rest else None})
    return True


async def take(
    gateway: Gateway, inbound: Inbound, headers: Mapping[bytes, bytes], lane: Lane, caller: HttpCaller, send: Send, order: Order | None = None
) -> None:
    """Queue the call (`order`, where it is not in a dialect), and answer: with its answer where that comes in time, else with 202."""
    order = order or Order(_PATHS[inbound.dialect], inbound.body)
    jobs, config, now = jobs_of(gateway), gateway.house.config, gateway.clock.now()
    slo_s = config.endpoint(inbound.endpoint).latency_slo_s
    batch = new_batch(
        inbound.tenant,
        inbound.principal,
        path=order.path,
        file=None,
        window="",
        window_s=config.batch.window_s if slo_s is None else min(slo_s, config.batch.window_s),
        metadata=None,
        headers=labels_of(headers),
        now=now,
    )
    await jobs.create(batch, [NewItem(0, batch.id, order.body, alike(inbound.peek), None)])
    gateway.wake_runner()
    if lane == "asked":
        found = _WAIT.search(headers.get(b"prefer", b""))
        hold_s = min(float(found[1]) if found else 0.0, config.batch.hold_s)
    else:
        hold_s = config.batch.hold_s
    if not await _came(jobs, batch.id, gateway, hold_s, caller):
        if not caller.gone:
            await send_json(send, 202, _shown(batch, "queued"), _where(batch))
        return
    await _answer(jobs, batch, send)


async def _came(jobs: Shelf, batch_id: str, gateway: Gateway, within_s: float, caller: HttpCaller) -> bool:
    """Whether the answer is there within so many seconds, while its caller listens and the gateway goes on."""
    until_s, look_s = gateway.clock.monotonic() + within_s, _FIRST_LOOK_S
    caller.listen(lambda: None)
    while gateway.clock.monotonic() < until_s and not caller.gone and not gateway.house.stopping:
        await asyncio.sleep(look_s)
        look_s = min(look_s * 1.5, _LAST_LOOK_S)
        found = jobs.answer(batch_id)
        if found is not None and found[1] is not None:
            return not caller.gone
    return False


async def fetch(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """GET /v1/background/ID: the answer as the call itself would have had it, or 202 while it is still to come."""
    batch = _owned(gateway, principal, scope)
    await _answer(jobs_of(gateway), batch, send)


async def cancel(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """DELETE /v1/background/ID: what has not begun will not."""
    batch = _owned(gateway, principal, scope)
    await jobs_of(gateway).cancel(batch.id, gateway.clock.now())
    gateway.wake_runner()
    found = jobs_of(gateway).answer(batch.id)
    await send_json(send, 200, _shown(batch, "queued" if found is None else found[0]))


def _owned(gateway: Gateway, principal: Principal, scope: Scope) -> Batch:
    return owned_batch(gateway, tenant_of(headers_of(scope), principal), scope["path"].removeprefix(ONE), "call")


async def _answer(jobs: Shelf, batch: Batch, send: Send) -> None:
    state, packed = jobs.answer(batch.id) or ("queued", None)
    if packed is not None:
        response = _read_response(packed)
        headers: Headers = [(b"x-farthing-lane", b"background"), (b"x-farthing-id", batch.id.encode())]
        if response.request_id is not None:
            headers.append((b"x-request-id", response.request_id.encode()))
        await send_bytes(send, response.status_code, bytes(response.body), headers=headers)
    elif state == "cancelled":
        raise NotFound(f"The call '{batch.id}' was cancelled before it was made.")
    elif state == "expired":
        error = UpstreamTimeout(f"The call '{batch.id}' was not made within its {batch.expires_at - batch.created_at:.0f} s. Send it again.")
        error.retry = False
        raise error
    else:
        await send_json(send, 202, _shown(batch, state), _where(batch))


def _shown(batch: Batch, state: str) -> dict[str, Any]:
    status = {"running": "in_progress", "later": "queued", "twin": "queued"}.get(state, state)
    return {
        "id": batch.id,
        "object": "background",
        "status": status,
        "endpoint": batch.path,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        "url": f"{ONE}{batch.id}",
    }


def _where(batch: Batch) -> Headers:
    return [(b"location", f"{ONE}{batch.id}".encode()), (b"retry-after", b"%d" % _ASK_AGAIN_S), (b"preference-applied", b"respond-async")]
