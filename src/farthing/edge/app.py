"""The ASGI application: every route and its policy on one screen. Deny by default.

Routes match exactly, on the method and the decoded path that the server parsed; there is no normalisation, so an odd path is a 404. A path
that ends in `/*` takes one name, whatever it holds.
Hot routes are bare callables: one dictionary look-up lies between the socket and the handler.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from farthing.core.errors import FarthingError, MethodNotAllowed, NotFound
from farthing.core.request import Dialect, Principal
from farthing.edge import admin, ask, batches, catalog, dashboard, documents, feedback, files, health, inference, patient, sessions
from farthing.edge.caller import Headers, Receive, Scope, Send
from farthing.edge.dialogue import Handler, model_route
from farthing.edge.faults import our_fault, send_error
from farthing.edge.gateway import Gateway
from farthing.edge.intake import ClientLeft, error_dialect, headers_of, request_id_of
from farthing.edge.keys import OPEN, Authenticator, identify, require

Policy = Literal["public", "app", "viewer", "admin"]


class Identify(Protocol):
    """Who is calling, from the head of the request. Raises `NotAuthenticated`."""

    def __call__(self, headers: Mapping[bytes, bytes], keys: Authenticator, now: float) -> Principal: ...


class Route(msgspec.Struct, frozen=True):
    """One route. `policy` has no default: a route without one does not exist."""

    method: str
    path: str
    policy: Policy
    handler: Handler
    dialect: Dialect | None = None  # of its errors; None: that of the caller's SDK
    identify: Identify = identify


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/chat/completions", "app", model_route(Dialect.CHAT), Dialect.CHAT),
    Route("POST", "/v1/responses", "app", model_route(Dialect.RESPONSES), Dialect.RESPONSES),
    Route("POST", "/v1/messages", "app", model_route(Dialect.MESSAGES), Dialect.MESSAGES),
    Route("POST", "/v1/embeddings", "app", model_route(Dialect.EMBEDDINGS), Dialect.EMBEDDINGS),
    Route("POST", "/v1/ask", "app", ask.handle),
    Route("POST", "/llm-inference", "app", inference.handle),
    Route("POST", "/v1/feedback", "app", feedback.handle),
    Route("POST", "/v1/files", "app", files.upload, Dialect.CHAT),
    Route("GET", "/v1/files", "app", files.listed, Dialect.CHAT),
    Route("GET", f"{files.ONE}*", "app", files.one, Dialect.CHAT),
    Route("DELETE", f"{files.ONE}*", "app", files.delete, Dialect.CHAT),
    Route("POST", "/v1/batches", "app", batches.create, Dialect.CHAT),
    Route("GET", "/v1/batches", "app", batches.listed, Dialect.CHAT),
    Route("GET", f"{batches.ONE}*", "app", batches.one, Dialect.CHAT),
    Route("POST", f"{batches.ONE}*", "app", batches.act, Dialect.CHAT),
    Route("GET", f"{patient.ONE}*", "app", patient.fetch, Dialect.CHAT),
    Route("DELETE", f"{patient.ONE}*", "app", patient.cancel, Dialect.CHAT),
    Route("GET", "/v1/models", "app", catalog.handle),
    Route("GET", f"{catalog.ONE}*", "app", catalog.one),
    Route("POST", "/admin/reload", "admin", admin.reload),
    Route("POST", "/admin/cache/clear", "admin", admin.clear_cache),
    Route("GET", "/metrics", "viewer", health.metrics),
    Route("GET", "/dashboard", "public", dashboard.page),
    Route("GET", f"{dashboard.STATIC}*", "public", dashboard.static),
    Route("GET", "/dashboard/session", "public", dashboard.session),
    Route("POST", "/dashboard/login", "public", dashboard.login, Dialect.CHAT),
    Route("POST", "/dashboard/logout", "public", dashboard.logout, Dialect.CHAT),
    Route("GET", f"{dashboard.DATA}*", "viewer", dashboard.show, Dialect.CHAT, identify=sessions.identify),
    Route("POST", "/admin/cache/invalidate", "admin", admin.invalidate),
    Route("GET", "/admin/cache/stats", "admin", admin.cache_stats),
    Route("GET", "/admin/documents", "admin", documents.listed),
    Route("POST", "/admin/documents", "admin", documents.add),
    Route("DELETE", "/admin/documents", "admin", documents.remove),
    Route("POST", "/admin/documents/search", "admin", documents.search),
    Route("POST", "/admin/documents/reindex", "admin", documents.reindex),
    Route("GET", "/healthz", "public", health.alive),
    Route("GET", "/readyz", "public", health.ready),
    Route("GET", "/", "public", health.alive),
)


class App:
    """The gateway as an ASGI callable."""

    def __init__(self, gateway: Gateway, routes: tuple[Route, ...] = ROUTES) -> None:
        self._gateway = gateway
        self._routes: Mapping[str, dict[str, Route]] = _by_path(routes)
        self._open = tuple(path[:-1] for path in self._routes if path.endswith("/*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        methods = self._routes.get(scope["path"]) or self._under(scope["path"])
        route = None if methods is None else methods.get(scope["method"])
        if route is None:
            await self._no_route(scope, send, methods)
            return
        try:
            principal = OPEN if route.policy == "public" else self._admit(route, scope)
            await route.handler(self._gateway, principal, scope, receive, send)
        except FarthingError as error:
            await self._refuse(scope, send, error, route.dialect)
        except ClientLeft:
            return
        except Exception as exception:  # noqa: BLE001 the wall of the routes that have none of their own
            request_id = request_id_of(self._gateway.clock.now())
            await send_error(send, our_fault(exception, request_id), Dialect.CHAT, request_id)

    def _admit(self, route: Route, scope: Scope) -> Principal:
        principal = route.identify(headers_of(scope), self._gateway.keys, self._gateway.clock.now())
        require(route.policy, principal)
        return principal

    def _under(self, path: str) -> dict[str, Route] | None:
        """The route that ends in `/*` and takes this path."""
        for start in self._open:
            if path.startswith(start) and len(path) > len(start):
                return self._routes[f"{start}*"]
        return None

    async def _refuse(self, scope: Scope, send: Send, error: FarthingError, dialect: Dialect | None, headers: Headers | None = None) -> None:
        dialect = dialect or error_dialect(scope)
        self._gateway.tell_refused(error, dialect, None)
        await send_error(send, error, dialect, request_id_of(self._gateway.clock.now()), headers=headers)

    async def _no_route(self, scope: Scope, send: Send, methods: dict[str, Route] | None) -> None:
        """404 or 405, after the key: a stranger does not learn which routes exist."""
        error: FarthingError
        headers: Headers = []
        try:
            identify(headers_of(scope), self._gateway.keys, self._gateway.clock.now())
            if methods is not None:
                headers.append((b"allow", ", ".join(sorted(methods)).encode()))
                error = MethodNotAllowed(f"{scope['path']} takes {', '.join(sorted(methods))}, not {scope['method']}.")
            else:
                error = NotFound(f"There is no route {scope['path'][:200]}. API routes begin with /v1/; the README lists them.")
        except FarthingError as refusal:
            error = refusal
        await self._refuse(scope, send, error, None, headers)


def _by_path(routes: tuple[Route, ...]) -> dict[str, dict[str, Route]]:
    table: dict[str, dict[str, Route]] = {}
    for route in routes:
        table.setdefault(route.path, {})[route.method] = route
        if route.method == "GET":
            table[route.path].setdefault("HEAD", route)
    return table
