"""One item of a batch, made a request of its key and walked through the journey. A wall: whatever goes wrong becomes the item's error."""

from collections.abc import Callable
from typing import Any

import msgspec

from farthing.brain.batch.base import Served
from farthing.brain.flow import journey
from farthing.core.batch import Answered, Batch, Keep, Leased
from farthing.core.errors import FarthingError, NotAuthenticated, UpstreamRefused
from farthing.core.exchange import Exchange
from farthing.core.request import Dialect, Inbound, Principal
from farthing.edge import ask, inference
from farthing.edge.caller import Headers
from farthing.edge.faults import error_body, our_fault
from farthing.edge.files import jobs_of
from farthing.edge.flows import FlowAsked, answer_of_flow
from farthing.edge.gateway import Gateway
from farthing.edge.intake import build_inbound, request_id_of
from farthing.edge.keys import OPEN
from farthing.edge.within import Inner, inner_inbound
from farthing.wire.batch_lines import PATHS, response_of

# Calls in a shape of their own wait as they came; files hold no such items.
_INNER: dict[str, Inner[Any]] = {inner.path: inner for inner in (ask.INNER, inference.INNER)}
_labels = msgspec.json.Decoder(dict[str, str]).decode


class ItemCaller:
    """Nobody listens: the answer goes into the store with the request's row."""

    gone = False
    started = False

    def listen(self, on_gone: Callable[[], None]) -> None: ...

    async def answer(self, status: int, headers: Headers, body: bytes) -> None: ...

    async def start(self, status: int, headers: Headers) -> None: ...

    async def write(self, data: bytes) -> None: ...

    async def finish(self, data: bytes) -> None: ...


async def serve_item(gateway: Gateway, leased: Leased) -> Served:
    """Fulfils `brain.batch.ports.Serve`."""
    now = gateway.clock.now()
    request_id, dialect = request_id_of(now), PATHS.get(leased.batch.path, Dialect.CHAT)
    exchange: Exchange | None = None
    try:
        inbound, flow = _made(gateway, leased, request_id, now)
        exchange = Exchange(inbound)
        if flow is None:
            await journey(exchange, gateway.house, ItemCaller())
        else:
            await _serve_flow(flow, exchange, gateway, leased)
    except FarthingError as error:
        native = leased.batch.path in PATHS and isinstance(error, UpstreamRefused) and _speaks(gateway, exchange, dialect)
        gateway.tell_refused(error, dialect, exchange)
        body, _ = error_body(error, dialect, request_id, native=native)
        return _served(request_id, exchange, error, body)
    except Exception as exception:  # noqa: BLE001 the wall of the items: the log has it, the item fails
        error = our_fault(exception, request_id)
        return Served(request_id, error, error_body(error, dialect, request_id, native=False)[0])
    return _served(request_id, exchange)


async def _serve_flow(asked: FlowAsked, x: Exchange, gateway: Gateway, leased: Leased) -> None:
    """Its answer is written after its rows, not with them: a worker that dies between runs the flow again."""
    body = await answer_of_flow(asked, x, gateway, ItemCaller())
    response = response_of(200, x.inbound.request_id, body)
    await jobs_of(gateway).answered(Answered(leased.item, leased.epoch, x.inbound.request_id, response, ok=True))


def _served(request_id: str, x: Exchange | None, error: FarthingError | None = None, body: bytes = b"") -> Served:
    if x is None or x.target is None:
        return Served(request_id, error, body)
    called = bool(x.attempts) and not any(effect.lever == "batch" for effect in x.effects)
    return Served(request_id, error, body, x.target.service if called else None, x.model_s, x.usage.output_tokens if x.usage else None)


def _made(gateway: Gateway, leased: Leased, request_id: str, now: float) -> tuple[Inbound, FlowAsked | None]:
    """The item as a request of its key, or as a flow."""
    headers = {name.encode(): value.encode("latin-1") for name, value in _labels(leased.batch.headers).items()}
    principal, started_s, flow = principal_of(gateway, leased.batch), gateway.clock.monotonic(), None
    inner = _INNER.get(leased.batch.path)
    if inner is None:
        inbound = build_inbound(
            request_id=request_id,
            dialect=PATHS[leased.batch.path],
            body=leased.body,
            headers=headers,
            principal=principal,
            config=gateway.house.config,
            started_s=started_s,
            received_at=now,
        )
    else:
        wanted = inner.read(leased.body)
        chat, flow = inner.to_chat(wanted, gateway, headers), inner.flow_of(wanted)
        inbound = inner_inbound(chat, gateway, principal, headers, request_id=request_id, started_s=started_s, received_at=now)
    inbound.lane = "background"
    if flow is None:
        twins = gateway.jobs is not None and gateway.jobs.has_twins(leased.batch.id, leased.line)
        inbound.keep = Keep(leased.item, leased.epoch, leased.batch.id, twins, None if inner is None else inner.reshape)
    inbound.twin = leased.reuse
    return inbound, flow


def principal_of(gateway: Gateway, batch: Batch) -> Principal:
    """Who ordered it, as the key stands now. Raises `NotAuthenticated` for one that was revoked meanwhile."""
    if batch.key_id is not None:
        return gateway.keys.principal(batch.key_id)
    if gateway.keys.any_keys:
        raise NotAuthenticated("This batch was ordered without a key, and the gateway has been closed to such calls since.")
    return OPEN


def _speaks(gateway: Gateway, x: Exchange | None, dialect: Dialect) -> bool:
    return x is not None and x.target is not None and dialect in gateway.house.models.dialects(x.target.service)
