"""Is it alive, is it ready, what does it count."""

from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.replies import send_bytes, send_json


async def alive(_gateway: Gateway, _principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """200 as long as this process answers."""
    await send_json(send, 200, {"status": "ok"})


async def ready(gateway: Gateway, _principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """200 when requests can be served, 503 with the reason when not."""
    missing = gateway.ready()
    if missing is None:
        await send_json(send, 200, {"status": "ready"})
    else:
        await send_json(send, 503, {"status": "not ready", "reason": missing}, [(b"retry-after", b"1")])


async def metrics(gateway: Gateway, _principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """Prometheus text format."""
    body, content_type = gateway.metrics.render()
    await send_bytes(send, 200, body, content_type.encode())
