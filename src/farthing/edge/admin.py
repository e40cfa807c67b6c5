"""What an admin key may do over HTTP: reload the config, forget cached answers."""

import msgspec

from farthing.core.errors import ConfigError, InvalidRequest
from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, read_body
from farthing.edge.replies import send_json

_MOST_BYTES = 65_536


class _Clear(msgspec.Struct, forbid_unknown_fields=True):
    tenant: str | None = None


async def reload(gateway: Gateway, _principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """Load the configuration again. A bad one is answered with its error, and the old one stays."""
    try:
        await gateway.reload()
    except ConfigError as error:
        error.status = 400
        raise
    await send_json(send, 200, {"status": "reloaded"})


async def clear_cache(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """Forget the answers of one tenant, or all of them: `{"tenant": "acme"}` or an empty body."""
    body = await read_body(receive, headers_of(scope), _MOST_BYTES)
    try:
        wanted = msgspec.json.decode(body, type=_Clear) if body.strip() else _Clear()
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"Expected an object with an optional 'tenant': {error}") from error
    await gateway.forget_answers(wanted.tenant)
    await send_json(send, 200, {"status": "cleared", "tenant": wanted.tenant})
