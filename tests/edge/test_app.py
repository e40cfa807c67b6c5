"""The table of routes: every one carries its policy, and every one is tried with every role."""

import asyncio
from collections.abc import Callable
from typing import Any, get_args

import pytest

from farthing.core.clock import FrozenClock
from farthing.core.errors import NotAuthenticated, Unavailable
from farthing.core.request import Principal
from farthing.edge.app import ROUTES, App, Policy, Route
from farthing.edge.caller import Receive, Scope, Send
from farthing.edge.gateway import Gateway
from farthing.edge.replies import send_json
from tests.security import test_access


class Keys:
    """Three keys, named after their roles."""

    any_keys = True

    def authenticate(self, secret: str) -> Principal:
        if secret not in ("app", "viewer", "admin"):
            raise NotAuthenticated("no such key")
        return Principal(f"key_{secret}", "acme", secret)


class Metrics:
    def __init__(self) -> None:
        self.refusals: list[str] = []

    def refused(self, _dialect: object, error: Any) -> None:
        self.refusals.append(error.code)


def gateway() -> Gateway:
    async def nothing(*_: object) -> None: ...

    unused: Any = None
    metrics: Any = Metrics()
    return Gateway(house=unused, keys=Keys(), metrics=metrics, clock=FrozenClock(), reload=nothing, ready=lambda: None)


async def served(_gateway: Gateway, _principal: Principal, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send_json(send, 200, {})


def call(app: App, method: str, path: str, secret: str | None = None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> tuple[int, bytes]:
    """Status and body."""
    found: list[Any] = []

    async def send(message: Any) -> None:
        found.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    key = () if secret is None else ((b"authorization", f"Bearer {secret}".encode()),)
    asyncio.run(app({"type": "http", "method": method, "path": path, "headers": [*headers, *key]}, receive, send))
    return found[0]["status"], found[1]["body"]


def test_a_route_cannot_be_written_without_a_policy() -> None:
    with pytest.raises(TypeError, match="policy"):
        Route("GET", "/x", handler=served)  # type: ignore[call-arg]
    assert all(route.policy in get_args(Policy) for route in ROUTES)


def test_every_route_is_tried_with_every_role() -> None:
    tried = {(method, path): policy for method, path, policy in test_access.ROUTES}
    written = {(route.method, route.path): route.policy for route in ROUTES}
    assert {route: tried.get(route) for route in written if not route[1].endswith("/*")} == {
        route: policy for route, policy in written.items() if not route[1].endswith("/*")
    }
    for (method, path), policy in written.items():
        if path.endswith("/*"):
            assert policy in [found for (verb, name), found in tried.items() if verb == method and name.startswith(path[:-1])]


def test_only_what_needs_no_secret_is_public() -> None:
    door = {"/dashboard", "/dashboard/static/*", "/dashboard/session", "/dashboard/login", "/dashboard/logout"}
    assert {route.path for route in ROUTES if route.policy == "public"} == {"/", "/healthz", "/readyz", *door}


@pytest.mark.parametrize("policy", get_args(Policy))
def test_a_policy_lets_in_whom_it_names(policy: Policy) -> None:
    app = App(gateway(), (Route("GET", "/x", policy, served),))
    statuses = {secret: call(app, "GET", "/x", secret)[0] for secret in (None, "wrong", "app", "viewer", "admin")}
    assert (
        statuses
        == {
            "public": {None: 200, "wrong": 200, "app": 200, "viewer": 200, "admin": 200},
            "app": {None: 401, "wrong": 401, "app": 200, "viewer": 403, "admin": 200},
            "viewer": {None: 401, "wrong": 401, "app": 403, "viewer": 200, "admin": 200},
            "admin": {None: 401, "wrong": 401, "app": 403, "viewer": 403, "admin": 200},
        }[policy]
    )


def test_a_star_takes_one_name_whatever_it_holds() -> None:
    app = App(gateway(), (Route("GET", "/m/*", "app", served), Route("GET", "/m", "app", served)))
    assert [call(app, "GET", path, "app")[0] for path in ("/m", "/m/a", "/m/a/b:c", "/m/", "/mx", "/")] == [200, 200, 200, 404, 404, 404]
    assert call(app, "POST", "/m/a", "app")[0] == 405
    assert call(app, "GET", "/m/a")[0] == 401


def test_a_stranger_learns_nothing_about_routes() -> None:
    app = App(gateway(), (Route("GET", "/x", "app", served),))
    assert {call(app, method, path)[0] for method in ("GET", "POST") for path in ("/x", "/y")} == {401}


def test_refusals_are_in_the_words_of_the_caller_s_sdk() -> None:
    app = App(gateway(), (Route("GET", "/x", "app", served),))
    version = ((b"anthropic-version", b"2023-06-01"),)
    assert b'{"error":{"message":' in call(app, "GET", "/y", "app")[1]
    assert b'{"type":"error","error":{"type":"not_found_error"' in call(app, "GET", "/y", "app", version)[1]
    assert b'{"type":"error","error":{"type":"not_found_error"' in call(app, "POST", "/v1/messages/count_tokens", "app")[1]


def _raising(error: Exception) -> Callable[..., Any]:
    async def handle(*_: object) -> None:
        raise error

    return handle


def test_what_a_handler_raises_is_typed_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    running = gateway()
    routes = Route("GET", "/known", "app", _raising(Unavailable("full"))), Route("GET", "/unknown", "app", _raising(ZeroDivisionError()))
    app = App(running, routes)
    assert call(app, "GET", "/known", "app")[0] == 503
    status, body = call(app, "GET", "/unknown", "app")
    assert (status, b"internal_error" in body) == (500, True)
    assert running.metrics.refusals == ["unavailable"]  # type: ignore[attr-defined]
    assert "ZeroDivisionError" in caplog.text


def test_a_wrong_method_is_told_the_right_ones() -> None:
    """RFC 9110, 15.5.6: a 405 carries Allow."""
    found: list[Any] = []

    async def send(message: Any) -> None:
        found.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    for path, allowed in (("/v1/models", b"GET, HEAD"), ("/v1/chat/completions", b"POST")):
        found.clear()
        asyncio.run(App(gateway())({"type": "http", "method": "PUT", "path": path, "headers": [(b"authorization", b"Bearer app")]}, receive, send))
        assert (found[0]["status"], dict(found[0]["headers"])[b"allow"]) == (405, allowed)
