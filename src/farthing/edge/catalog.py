"""GET /v1/models: what a caller may name."""

from fnmatch import fnmatchcase

from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.replies import send_json


async def handle(gateway: Gateway, principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """OpenAI's list shape, which Anthropic's SDK reads as well (`data[].id`, `has_more`)."""
    allowed = principal.allowed_models
    names = [name for name in gateway.house.catalog.names() if allowed is None or any(fnmatchcase(name, pattern) for pattern in allowed)]
    data = [{"id": name, "object": "model", "type": "model", "display_name": name, "created": 0, "owned_by": _owner(name)} for name in names]
    await send_json(
        send,
        200,
        {"object": "list", "data": data, "has_more": False, "first_id": names[0] if names else None, "last_id": names[-1] if names else None},
    )


def _owner(name: str) -> str:
    owner, slash, _ = name.partition("/")
    return owner if slash else "service"
