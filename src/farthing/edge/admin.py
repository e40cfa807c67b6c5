"""What an admin key may do over HTTP: reload the config, forget cached answers."""

import msgspec

from farthing.core.errors import ConfigError, InvalidRequest
from farthing.core.forgetting import OPERATORS, Drop, checked
from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, read_body
from farthing.edge.replies import send_json

_MOST_BYTES = 65_536


class _Invalidate(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    value: str = ""
    tenant: str | None = None


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
    await _forget(gateway, Drop("all", "", wanted.tenant, gateway.clock.now()))
    await send_json(send, 200, {"status": "cleared", "tenant": wanted.tenant})


async def invalidate(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """Forget answers in every lane: `{"kind": "document", "value": "policy@3"}` drops what rests on another version of it.

    `tenant` keeps to one tenant's answers.
    """
    body = await read_body(receive, headers_of(scope), _MOST_BYTES)
    try:
        wanted = msgspec.json.decode(body, type=_Invalidate)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"Expected an object with 'kind' ({', '.join(OPERATORS)}), 'value' and, if you like, 'tenant': {error}") from error
    try:
        drop = checked(wanted.kind, wanted.value, wanted.tenant, gateway.clock.now())
    except ValueError as error:
        raise InvalidRequest(str(error), param="kind" if wanted.kind not in OPERATORS else "value") from None
    await send_json(send, 200, {"status": "forgotten", "answers": await _forget(gateway, drop)})


async def _forget(gateway: Gateway, drop: Drop) -> int:
    return 0 if gateway.memory is None else await gateway.memory.forget(drop)


async def cache_stats(gateway: Gateway, _principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """What the semantic cache of this worker holds, namespace by namespace, and how far each is with its certificate."""
    await send_json(send, 200, {"mode": "off"} if gateway.memory is None else gateway.memory.meaning_stats())
