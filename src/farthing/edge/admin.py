"""What an admin key may do over HTTP: reload the config, forget cached answers."""

import msgspec

from farthing.core.errors import BadJson, FarthingError
from farthing.core.request import Dialect, Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.faults import send_error
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, read_body, request_id_of
from farthing.edge.replies import send_json


class _Clear(msgspec.Struct, forbid_unknown_fields=True):
    tenant: str | None = None


async def reload(gateway: Gateway, _principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """Load the configuration again. A bad one is answered with its error, and the old one stays."""
    try:
        source = await gateway.reload()
    except FarthingError as error:
        error.status = 400
        await send_error(send, error, Dialect.CHAT, request_id_of(gateway.clock.now()))
        return
    await send_json(send, 200, {"status": "reloaded", "source": source})


async def clear_cache(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """Forget the answers of one tenant, or all of them: `{"tenant": "acme"}` or an empty body."""
    try:
        body = await read_body(receive, headers_of(scope), 65_536)
        wanted = msgspec.json.decode(body, type=_Clear) if body.strip() else _Clear()
    except msgspec.MsgspecError as error:
        await send_error(send, BadJson(f"Expected an object with an optional 'tenant': {error}"), Dialect.CHAT, request_id_of(gateway.clock.now()))
        return
    await gateway.forget_answers(wanted.tenant)
    await send_json(send, 200, {"status": "cleared", "tenant": wanted.tenant})
