"""Routes with a shape of their own: they walk the same journey as a chat call, and what comes out is reshaped.

So `/v1/ask` and `/llm-inference` have every lever, cap and ledger row of `/v1/chat/completions`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from farthing.brain.flow import journey
from farthing.core.conversation import Answer, TextDelta
from farthing.core.errors import BadJson, FarthingError, InvalidRequest
from farthing.core.exchange import Exchange
from farthing.core.money import format_usd
from farthing.core.request import Dialect, Inbound, Principal
from farthing.edge.caller import Headers, HttpCaller, Receive, Scope, Send
from farthing.edge.dialogue import Handler, tell_stopping
from farthing.edge.faults import our_fault, send_error
from farthing.edge.flows import FlowAsked, serve_flow
from farthing.edge.gateway import Gateway
from farthing.edge.intake import ClientLeft, build_inbound, check_tenant, hash_user, headers_of, read_body, request_id_of
from farthing.edge.patient import Order, lane_of, take
from farthing.edge.replies import send_json
from farthing.wire.dialects import LANGUAGES, Collector
from farthing.wire.errors import render_stream_error
from farthing.wire.sse import encode

_Wanted = TypeVar("_Wanted")
_INNER_HEADERS = (b"content-type", b"content-length")  # of the chat answer, which is reshaped


class InnerRequest(msgspec.Struct):
    """A chat body, and what its caller said beside it."""

    body: dict[str, Any]
    endpoint: str | None = None
    tenant: str | None = None
    run: str | None = None
    session: str | None = None
    task_type: str | None = None
    language: str | None = None
    domain: str | None = None
    levers_off: frozenset[str] = frozenset()
    priority: str | None = None


class Shaped(msgspec.Struct):
    """A served exchange and its answer, ready to be told in the route's own shape."""

    exchange: Exchange
    answer: Answer

    def common(self) -> dict[str, Any]:
        """What every such answer carries."""
        x = self.exchange
        usage = x.usage
        return {
            "request_id": x.inbound.request_id,
            "model": x.target.model if x.target else None,
            "tier": (x.target.tier or None) if x.target else None,
            "cache": "miss" if x.cache == "bypass" else x.cache,
            "usage": None if usage is None else {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens},
            "cost_usd": None if x.cost_usd is None else float(format_usd(x.cost_usd)),
        }


class InnerCaller:
    """Takes a chat answer instead of a socket; the real client's hang-up still counts. Text of a stream goes on as it comes."""

    def __init__(self, outer: HttpCaller, *, stream: bool) -> None:
        self._outer = outer
        self._stream = stream
        self._reader = LANGUAGES[Dialect.CHAT].reader()
        self._collector = Collector()
        self._body: list[bytes] = []
        self.headers: Headers = []

    @property
    def gone(self) -> bool:
        return self._outer.gone

    @property
    def started(self) -> bool:
        return self._outer.started

    def listen(self, on_gone: Callable[[], None]) -> None:
        self._outer.listen(on_gone)

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        await self.start(status, headers)
        await self.write(body)

    async def start(self, status: int, headers: Headers) -> None:
        self.headers = [header for header in headers if header[0] not in _INNER_HEADERS]
        if self._stream:
            await self._outer.start(status, headers)

    async def write(self, data: bytes) -> None:
        if not self._stream:
            self._body.append(data)
            return
        events = self._reader.feed(data)
        for event in events:
            self._collector.feed(event)
        deltas = [encode(msgspec.json.encode({"delta": event.text})) for event in events if isinstance(event, TextDelta)]
        if deltas:
            await self._outer.write(b"".join(deltas))

    async def finish(self, data: bytes) -> None:
        await self.write(data)

    def gathered(self) -> Answer:
        """The whole answer. Raises what a stream told us instead."""
        if not self._stream:
            return LANGUAGES[Dialect.CHAT].parse_answer(b"".join(self._body))
        if self._collector.failed is not None:
            raise self._collector.failed
        return self._collector.answer()


def _no_flow(_wanted: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Inner(Generic[_Wanted]):
    """A route with a shape of its own: its body is read as `shape`, `to_chat` makes a chat call of it, `to_answer` tells what came of that.

    Where `flow_of` names a flow, that is run in place of the call.
    """

    path: str
    shape: type[_Wanted]
    to_chat: Callable[[_Wanted, Gateway, Mapping[bytes, bytes]], InnerRequest]
    to_answer: Callable[[Shaped], dict[str, Any]]
    flow_of: Callable[[_Wanted], FlowAsked | None] = _no_flow

    def read(self, body: bytes) -> _Wanted:
        """Raises `InvalidRequest`."""
        return _read(self.shape, body)

    def reshape(self, x: Exchange, body: bytes) -> bytes:
        """The route's own answer, from a whole chat answer."""
        return msgspec.json.encode(self.to_answer(Shaped(x, LANGUAGES[Dialect.CHAT].parse_answer(body))))


def served_within(inner: Inner[_Wanted]) -> Handler:
    """The handler of such a route."""

    async def handle(gateway: Gateway, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        now, started_s = gateway.clock.now(), gateway.clock.monotonic()
        request_id = request_id_of(now)
        caller = HttpCaller(scope, receive, send)
        exchange: Exchange | None = None
        try:
            headers = headers_of(scope)
            body = await read_body(receive, headers, gateway.house.config.limits.body_bytes)
            wanted = inner.read(body)
            chat = inner.to_chat(wanted, gateway, headers)
            inbound = inner_inbound(chat, gateway, principal, headers, request_id=request_id, started_s=started_s, received_at=now)
            said = None if chat.priority is None else chat.priority.encode()
            if (lane := lane_of(inbound, headers, gateway.house.config, said)) != "now":
                await take(gateway, inbound, headers, lane, caller, send, Order(inner.path, body))
                return
            gateway.take_seat()
            if (asked := inner.flow_of(wanted)) is not None:
                exchange = Exchange(inbound)
                try:
                    await serve_flow(asked, exchange, gateway, caller, send)
                finally:
                    gateway.leave_seat()
                return
            exchange, within = Exchange(inbound), InnerCaller(caller, stream=inbound.peek.stream)
            try:
                await journey(exchange, gateway.house, within)
            finally:
                gateway.leave_seat()
            if caller.gone:
                return
            result = inner.to_answer(Shaped(exchange, within.gathered()))
            if inbound.peek.stream:
                await caller.finish(encode(msgspec.json.encode(result)))
            else:
                await send_json(send, 200, result, within.headers)
        except ClientLeft:
            return
        except asyncio.CancelledError:
            await tell_stopping(caller, send, Dialect.CHAT, request_id)
        except FarthingError as error:
            gateway.tell_refused(error, Dialect.CHAT, exchange)
            if caller.started:
                await caller.finish(render_stream_error(Dialect.CHAT, error, request_id))
            else:
                await send_error(send, error, Dialect.CHAT, request_id, headers=list(gateway.house.error_headers(exchange)))
        except Exception as exception:  # noqa: BLE001 the wall: whatever it is, the caller gets an answer and the log has it
            error = our_fault(exception, request_id)
            if not caller.started:
                await send_error(send, error, Dialect.CHAT, request_id)

    return handle


def _read(shape: type[_Wanted], body: bytes) -> _Wanted:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{error}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadJson(f"The body is not JSON: {error}") from error


def inner_inbound(
    inner: InnerRequest,
    gateway: Gateway,
    principal: Principal,
    headers: Mapping[bytes, bytes],
    *,
    request_id: str,
    started_s: float,
    received_at: float,
) -> Inbound:
    """The chat request that stands for this one. What the body says wins over headers; the tenant still needs the right key."""
    inbound = build_inbound(
        request_id=request_id,
        dialect=Dialect.CHAT,
        body=msgspec.json.encode(inner.body),
        headers=headers,
        principal=principal,
        config=gateway.house.config,
        started_s=started_s,
        received_at=received_at,
    )
    if inner.tenant:
        inbound.tenant = check_tenant(inner.tenant, principal)
        inbound.tenant_tier = gateway.house.config.tenant_tiers.get(inbound.tenant)
        inbound.user_hash = hash_user(inbound.tenant, inbound.peek.end_user)
    inbound.endpoint = inner.endpoint or inbound.endpoint
    inbound.run_id = inner.run or inbound.run_id
    inbound.session = inner.session or inbound.session
    inbound.task_type = inner.task_type or inbound.task_type
    inbound.language = inner.language or inbound.language
    inbound.domain = inner.domain or inbound.domain
    inbound.levers_off |= inner.levers_off
    inbound.no_store = inbound.no_store or "store" in inner.levers_off
    return inbound
