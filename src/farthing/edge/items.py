"""One item of a batch, made a request of its key and walked through the journey. A wall: whatever goes wrong becomes the item's error."""

from collections.abc import Callable

import msgspec

from farthing.brain.batch.base import Served
from farthing.brain.flow import journey
from farthing.core.batch import Batch, Keep, Leased
from farthing.core.errors import FarthingError, NotAuthenticated, UpstreamRefused
from farthing.core.exchange import Exchange
from farthing.core.request import Dialect, Inbound, Principal
from farthing.edge.caller import Headers
from farthing.edge.faults import error_body, our_fault
from farthing.edge.gateway import Gateway
from farthing.edge.intake import build_inbound, request_id_of
from farthing.edge.keys import OPEN
from farthing.wire.batch_lines import PATHS

# Headers of the call that made the batch which hold for each of its items.
_KEPT = frozenset(
    b"x-farthing-endpoint x-farthing-run x-farthing-levers x-farthing-task x-farthing-domain x-farthing-language x-farthing-tenant "
    b"x-farthing-cache-match x-farthing-cache-max-wrong x-farthing-cache-tags x-farthing-prompt-version x-farthing-sources "
    b"cache-control anthropic-version anthropic-beta openai-beta".split()
)
_labels = msgspec.json.Decoder(dict[str, str]).decode


def labels_of(headers: dict[bytes, bytes]) -> str:
    """What `Batch.headers` keeps of a call."""
    return msgspec.json.encode({name.decode(): value.decode("latin-1") for name, value in headers.items() if name in _KEPT}).decode()


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
    request_id, dialect = request_id_of(now), PATHS[leased.batch.path]
    exchange: Exchange | None = None
    try:
        exchange = Exchange(_inbound(gateway, leased, request_id, now))
        await journey(exchange, gateway.house, ItemCaller())
    except FarthingError as error:
        native = isinstance(error, UpstreamRefused) and _speaks(gateway, exchange, dialect)
        gateway.tell_refused(error, dialect, exchange)
        body, _ = error_body(error, dialect, request_id, native=native)
        return _served(request_id, exchange, error, body)
    except Exception as exception:  # noqa: BLE001 the wall of the items: the log has it, the item fails
        error = our_fault(exception, request_id)
        return Served(request_id, error, error_body(error, dialect, request_id, native=False)[0])
    return _served(request_id, exchange)


def _served(request_id: str, x: Exchange | None, error: FarthingError | None = None, body: bytes = b"") -> Served:
    if x is None or x.target is None:
        return Served(request_id, error, body)
    called = bool(x.attempts) and not any(effect.lever == "batch" for effect in x.effects)
    return Served(request_id, error, body, x.target.service if called else None, x.model_s, x.usage.output_tokens if x.usage else None)


def _inbound(gateway: Gateway, leased: Leased, request_id: str, now: float) -> Inbound:
    inbound = build_inbound(
        request_id=request_id,
        dialect=PATHS[leased.batch.path],
        body=leased.body,
        headers={name.encode(): value.encode("latin-1") for name, value in _labels(leased.batch.headers).items()},
        principal=principal_of(gateway, leased.batch),
        config=gateway.house.config,
        started_s=gateway.clock.monotonic(),
        received_at=now,
    )
    inbound.lane = "background"
    inbound.keep = Keep(leased.item, leased.epoch, leased.batch.id, gateway.jobs is not None and gateway.jobs.has_twins(leased.batch.id, leased.line))
    inbound.twin = leased.reuse
    return inbound


def principal_of(gateway: Gateway, batch: Batch) -> Principal:
    """Who ordered it, as the key stands now. Raises `NotAuthenticated` for one that was revoked meanwhile."""
    if batch.key_id is not None:
        return gateway.keys.principal(batch.key_id)
    if gateway.keys.any_keys:
        raise NotAuthenticated("This batch was ordered without a key, and the gateway has been closed to such calls since.")
    return OPEN


def _speaks(gateway: Gateway, x: Exchange | None, dialect: Dialect) -> bool:
    return x is not None and x.target is not None and dialect in gateway.house.models.dialects(x.target.service)
