"""The dashboard over HTTP: its page and files, signing in and out, and its figures as panels, CSV or JSON.

The page itself holds nothing secret and is public; every figure asks for a viewer or an admin key, or a session of one. A viewer key that is
bound to a tenant sees that tenant alone, and no viewer sees the words of prompts and answers.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from urllib.parse import parse_qsl

import msgspec

from farthing.core.errors import BadJson, InvalidRequest, NotAuthenticated, NotFound, NotPermitted
from farthing.core.request import Principal
from farthing.dashboard import Gallery, Panel, read_view
from farthing.dashboard.site import static as static_file
from farthing.edge import sessions
from farthing.edge.caller import Headers, Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.intake import headers_of, read_body
from farthing.edge.keys import require
from farthing.edge.replies import send_bytes, send_json

STATIC = "/dashboard/static/"
DATA = "/dashboard/data/"
EVERY_TENANT = "*"
_MOST_BYTES = 4096
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SECURITY: Headers = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
_PRIVATE: Headers = [*_SECURITY, (b"cache-control", b"no-store")]


class _Login(msgspec.Struct, forbid_unknown_fields=True):
    key: str


async def page(_gateway: Gateway, _principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """The page. It asks for its figures itself, and shows the door when it is refused."""
    await _send_static(scope, send, "index.html")


async def static(_gateway: Gateway, _principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    await _send_static(scope, send, scope["path"].removeprefix(STATIC))


async def login(gateway: Gateway, _principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
    """`{"key": "fk-..."}` -> a session. JSON only: no form of another site can send it."""
    headers = headers_of(scope)
    sessions.same_site(headers)
    if headers.get(b"content-type", b"").partition(b";")[0].strip() != b"application/json":
        raise InvalidRequest('Sign in with JSON: {"key": "fk-..."}.', param="content-type")
    try:
        wanted = msgspec.json.decode(await read_body(receive, headers, _MOST_BYTES), type=_Login)
    except msgspec.MsgspecError as error:
        raise BadJson(f'Expected {{"key": "fk-..."}}: {error}') from error
    if not gateway.keys.any_keys:
        await send_json(send, 200, {"role": "admin"}, _PRIVATE)
        return
    principal = gateway.keys.authenticate(wanted.key)
    require("viewer", principal)
    cookie = sessions.issue(principal, gateway.keys, gateway.clock.now(), secure=_is_secure(scope, headers))
    await send_json(send, 200, {"role": principal.role}, [*_PRIVATE, (b"set-cookie", cookie)])


async def logout(_gateway: Gateway, _principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    headers = headers_of(scope)
    sessions.same_site(headers)
    await send_json(send, 200, {"status": "signed out"}, [*_PRIVATE, (b"set-cookie", sessions.end(secure=_is_secure(scope, headers)))])


async def session(gateway: Gateway, _principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """Whether somebody is signed in, for the page to know whether to show the door: no refusal, and nothing but a role."""
    try:
        principal = sessions.identify(headers_of(scope), gateway.keys, gateway.clock.now())
        require("viewer", principal)
    except (NotAuthenticated, NotPermitted) as refused:
        await send_json(send, 200, {"role": None, "reason": refused.message}, _PRIVATE)
    else:
        await send_json(send, 200, {"role": principal.role, "reason": None}, _PRIVATE)


async def show(gateway: Gateway, principal: Principal, scope: Scope, _receive: Receive, send: Send) -> None:
    """One panel, one request, or the outline. `format=csv` and `format=json` give the bare figures."""
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=32))
    name, gallery = scope["path"].removeprefix(DATA), gateway.dashboard
    if gallery is None:
        raise NotFound("This gateway keeps no figures to show.")
    only = _only_tenant(gateway, principal)
    config = gateway.house.config
    if name == "request":
        texts = principal.role == "admin"
        await _send_panel(send, await gallery.request(query.get("id", ""), config, tenant=only, texts=texts), query)
        return
    view = read_view(query, gateway.clock.now(), only_tenant=only)
    if name == "outline":
        outline = await gallery.outline(view, only_tenant=only)
        await send_json(send, 200, outline | {"role": principal.role, "signed_in": principal.key_id is not None}, _PRIVATE)
        return
    await _send_panel(send, await gallery.panel(name, view, config), query)


def _only_tenant(gateway: Gateway, principal: Principal) -> str | None:
    if principal.role == "admin" or principal.tenant == EVERY_TENANT:
        return None
    return Gallery.tenant_on_record(principal.tenant, gateway.house.config)


async def _send_panel(send: Send, panel: Panel, query: Mapping[str, str]) -> None:
    wanted = query.get("format", "")
    if wanted == "":
        await send_json(send, 200, panel, _PRIVATE)
    elif wanted == "csv":
        await send_bytes(send, 200, panel.figures.csv(), b"text/csv; charset=utf-8", _PRIVATE)
    elif wanted == "json":
        await send_bytes(send, 200, panel.figures.json(), b"application/json", _PRIVATE)
    else:
        raise InvalidRequest("There is no such format. Choose csv or json, or leave it out.", param="format")


async def _send_static(scope: Scope, send: Send, name: str) -> None:
    found = _file(name)
    if found is None:
        raise NotFound("The dashboard has no such file.")
    body, content_type, tag = found
    kept: Headers = [*_SECURITY, (b"cache-control", b"no-cache"), (b"etag", tag)]
    if headers_of(scope).get(b"if-none-match") == tag:
        await send_bytes(send, 304, b"", content_type, kept)
    else:
        await send_bytes(send, 200, body, content_type, kept)


@cache
def _file(name: str) -> tuple[bytes, bytes, bytes] | None:
    found = static_file(name)
    return None if found is None else (*found, b'"%s"' % hashlib.sha256(found[0]).hexdigest()[:24].encode())


def _is_secure(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the browser came over TLS, also where a proxy ended it: what a caller claims here only makes its own cookie stricter."""
    return scope.get("scheme") == "https" or headers.get(b"x-forwarded-proto") == b"https"
