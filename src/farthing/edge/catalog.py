"""GET /v1/models and GET /v1/models/NAME: what a caller may name, in a shape that the OpenAI and the Anthropic SDKs both read."""

from fnmatch import fnmatchcase
from typing import Any

from farthing.brain.ports import CatalogPort
from farthing.core.alias import ALIASES, AUTO
from farthing.core.errors import ModelNotFound
from farthing.core.exchange import Target
from farthing.core.request import Principal
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.replies import send_json

ONE = "/v1/models/"
_OWN = "farthing"
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"  # Anthropic's word for a model without a known date; its SDK wants one


async def handle(gateway: Gateway, principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    """The list. Services with open patterns serve more names than it holds."""
    catalog = gateway.house.catalog
    names = [name for name in catalog.names() if _may_name(principal, catalog, name)]
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
    await send_json(send, 200, {"object": "list", "data": [_model(catalog, name) for name in names], "has_more": False, **ends})


async def one(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """One model, when a request that names it would be taken. Raises `ModelNotFound`."""
    catalog, name = gateway.house.catalog, scope["path"].removeprefix(ONE)
    if not _may_name(principal, catalog, name):
        raise ModelNotFound(name[:200])
    await send_json(send, 200, _model(catalog, name))


def _model(catalog: CatalogPort, name: str) -> dict[str, Any]:
    owner = _OWN if name in ALIASES else catalog.resolve(name).service
    return {"id": name, "object": "model", "type": "model", "display_name": name, "created": 0, "created_at": _UNKNOWN_DATE, "owned_by": owner}


def _targets(catalog: CatalogPort, name: str) -> tuple[Target, ...]:
    """Where this name may lead. Raises `ModelNotFound`."""
    if name == AUTO:
        return catalog.tier("cheap") + catalog.tier("expensive")
    return catalog.tier(name.partition("/")[2]) if name in ALIASES else (catalog.resolve(name),)


def _may_name(principal: Principal, catalog: CatalogPort, name: str) -> bool:
    """Whether the key lets it through: by the name itself, or by a model it leads to."""
    targets, patterns = _targets(catalog, name), principal.allowed_models
    if patterns is None:
        return bool(targets)
    spellings = [name, *(spelling for target in targets for spelling in (target.model, f"{target.service}/{target.model}"))]
    return bool(targets) and any(fnmatchcase(spelling, pattern) for spelling in spellings for pattern in patterns)
