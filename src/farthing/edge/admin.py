"""What an admin key may do over HTTP: reload the config, forget cached answers."""

from typing import Literal

import msgspec

from farthing.brain.cache.semantic.lane import Drop
from farthing.core.errors import ConfigError, InvalidRequest
from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, read_body
from farthing.edge.replies import send_json

_MOST_BYTES = 65_536


class _Invalidate(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["entry", "document", "tenant", "endpoint", "tag", "all"]
    value: str = ""


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


async def invalidate(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """Forget answers of the semantic cache: `{"kind": "document", "value": "policy@3"}` drops what rests on another version of it."""
    body = await read_body(receive, headers_of(scope), _MOST_BYTES)
    try:
        wanted = msgspec.json.decode(body, type=_Invalidate)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"Expected an object with 'kind' (entry, document, tenant, endpoint, tag, all) and 'value': {error}") from error
    if wanted.kind != "all" and not wanted.value:
        raise InvalidRequest(f"Say which {wanted.kind} to forget, in 'value'.", param="value")
    gone = 0 if gateway.memory is None else await gateway.memory.forget_meaning(Drop(wanted.kind, wanted.value))
    await send_json(send, 200, {"status": "forgotten", "answers": gone})


async def cache_stats(gateway: Gateway, _principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """What the semantic cache of this worker holds, namespace by namespace, and how far each is with its certificate."""
    await send_json(send, 200, {"mode": "off"} if gateway.memory is None else gateway.memory.meaning_stats())
