"""The model routes: chat completions, responses, messages, embeddings. One path; the dialect is a parameter."""

import asyncio
from collections.abc import Awaitable, Callable

from farthing.brain.flow import journey
from farthing.core.errors import FarthingError, Unavailable
from farthing.core.exchange import Exchange
from farthing.core.request import Dialect, Principal
from farthing.edge.caller import HttpCaller, Receive, Scope, Send
from farthing.edge.faults import our_fault, send_error
from farthing.edge.gateway import Gateway
from farthing.edge.intake import ClientLeft, build_inbound, headers_of, read_body, request_id_of
from farthing.edge.patient import lane_of, take
from farthing.wire.errors import render_stream_error

Handler = Callable[[Gateway, Principal, Scope, Receive, Send], Awaitable[None]]


def model_route(dialect: Dialect) -> Handler:
    """A bare ASGI handler for one dialect."""

    async def handle(gateway: Gateway, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        now, started_s = gateway.clock.now(), gateway.clock.monotonic()
        request_id = request_id_of(now)
        caller = HttpCaller(scope, receive, send)
        exchange: Exchange | None = None
        try:
            headers = headers_of(scope)
            house = gateway.house
            body = await read_body(receive, headers, house.config.limits.body_bytes)
            peeks = house.peeks[dialect]
            view = peeks.get(body)
            inbound = build_inbound(
                request_id=request_id,
                dialect=dialect,
                body=body,
                headers=headers,
                principal=principal,
                config=house.config,
                started_s=started_s,
                received_at=now,
                view=view,
            )
            if (lane := lane_of(inbound, headers, house.config)) != "now":
                await take(gateway, inbound, headers, lane, caller, send)
                return
            gateway.take_seat()
            exchange = Exchange(inbound)
            try:
                await journey(exchange, house, caller)
            finally:
                gateway.leave_seat()
            if exchange.error_code is not None:
                gateway.tell_broken(exchange)
            if view is None and exchange.cache == "exact":
                peeks.put(body, inbound.peek)
        except ClientLeft:
            return
        except FarthingError as error:
            gateway.tell_refused(error, dialect, exchange)
            await send_error(send, error, dialect, request_id, native=_native(exchange, gateway), headers=list(gateway.house.error_headers(exchange)))
        except asyncio.CancelledError:
            # The flow has settled the request; the client is gone, or the grace time is over.
            await tell_stopping(caller, send, dialect, request_id)
        except Exception as exception:  # noqa: BLE001 the wall: whatever it is, the caller gets an answer and the log has it
            error = our_fault(exception, request_id)
            if not caller.started:
                await send_error(send, error, dialect, request_id)

    return handle


async def tell_stopping(caller: HttpCaller, send: Send, dialect: Dialect, request_id: str) -> None:
    """The last word to a client whose answer will not come any more; a stream never just ends."""
    error = Unavailable("Farthing is stopping. Send the request again.", retry_after_s=1)
    if caller.gone:
        return
    if caller.started:
        await caller.finish(render_stream_error(dialect, error, request_id))
    else:
        await send_error(send, error, dialect, request_id)


def _native(exchange: Exchange | None, gateway: Gateway) -> bool:
    """True when the upstream that refused speaks the caller's dialect."""
    if exchange is None or exchange.target is None:
        return False
    return exchange.inbound.dialect in gateway.house.models.dialects(exchange.target.service)
