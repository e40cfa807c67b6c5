"""S3: every route x who asks x odd paths and Host values: 0 wrong verdicts. Deny by default."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from typing import NamedTuple

import pytest

from tests.fakes.figures import figure
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import Connection, chat, post
from tests.fakes.upstream import FakeUpstream

GOOD = {
    "/v1/chat/completions": chat("hi"),
    "/v1/messages": chat("hi", model="claude-haiku-4-5", max_tokens=9),
    "/v1/responses": {"model": "gpt-4o-mini", "input": "hi"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "hi"},
    "/v1/ask": {"user_id": "u1", "text": "hi"},
    "/llm-inference": {"model_tier": "cheap", "prompt": "hi", "max_tokens": 9, "temperature": 0.5},
    "/v1/feedback": {"request_id": "req_of_app", "thumb": "up"},  # a request that the fixture writes
    "/admin/cache/invalidate": {"kind": "document", "value": "nothing@1"},
}
ONE_MODEL = "/v1/models/gpt-4o-mini"
DOOR = "/dashboard/login"  # takes a key in its body alone: one in a header does not help
FIGURES = ("/dashboard/data/outline", "/dashboard/data/account", "/dashboard/data/notable")
NO_FORM = ("/v1/files", "/v1/batches")  # what is posted here is judged after the key, and found wanting
NO_WORDS = {("DELETE", "/admin/documents"), *(("POST", f"/admin/documents{end}") for end in ("", "/search", "/reindex"))}  # likewise
NO_FILE = ("/v1/files/file_none", "/v1/batches/batch_none", "/v1/batches/batch_none/cancel", "/v1/background/call_none")
STARS = ("/v1/models/", "/v1/files/", "/v1/batches/", "/v1/background/")
NAMES = (ONE_MODEL, *NO_FILE, "/dashboard/static/app.js", *FIGURES)  # their last part is a name, whatever it holds
ROUTES = [
    *(("POST", path, "app") for path in GOOD if not path.startswith("/admin/")),
    ("GET", "/v1/models", "app"),
    ("GET", ONE_MODEL, "app"),
    *((method, path, "app") for path in NO_FORM for method in ("GET", "POST")),
    *(("GET", path, "app") for path in (*NO_FILE[:2], NO_FILE[3])),
    *(("DELETE", path, "app") for path in (NO_FILE[0], NO_FILE[3])),
    ("POST", NO_FILE[2], "app"),
    ("POST", "/admin/reload", "admin"),
    ("POST", "/admin/cache/clear", "admin"),
    ("GET", "/metrics", "viewer"),
    ("GET", "/dashboard", "public"),
    ("GET", "/dashboard/static/app.js", "public"),
    ("GET", "/dashboard/session", "public"),
    ("POST", DOOR, "public"),
    ("POST", "/dashboard/logout", "public"),
    *(("GET", path, "viewer") for path in FIGURES),
    ("POST", "/admin/cache/invalidate", "admin"),
    ("GET", "/admin/cache/stats", "admin"),
    ("GET", "/admin/documents", "admin"),
    *((method, path, "admin") for method, path in sorted(NO_WORDS)),
    ("GET", "/healthz", "public"),
    ("GET", "/readyz", "public"),
    ("GET", "/", "public"),
    ("HEAD", "/", "public"),
]
KNOWN = {"app", "viewer", "admin"}
ROLES = ("nobody", "wrong", "revoked", "expired", *sorted(KNOWN))
ALLOWED = {"public": set(ROLES), "app": {"app", "admin"}, "viewer": {"viewer", "admin"}, "admin": {"admin"}}
HOSTS = ("127.0.0.1", "evil.example", "127.0.0.1:1@evil.example", "a/../../admin", "healthz", "127.0.0.1/healthz?", "x" * 300, "[::1]", "%2e%2e")


def odd_forms(path: str) -> list[str]:
    """Paths that another server or proxy may take for `path`; none of them is a route here."""
    first, last = path[:1], path[-1:]
    forms = [f"/{path}", f"{path}/", f"{path}//", f"/.{path}", f"/x/..{path}", f"{path}/.", f"{path};a=b", f"{path}%00", f"{path}%20", f"{path}%2f"]
    forms += [
        f"{first}%{ord(path[1]):02x}%2f{path[2:]}",
        f"{path[:-1]}%25{ord(last):02x}",
        path.upper(),
        path.replace("/", "\\"),
        path.replace("/", "//"),
    ]
    forms += [f"/healthz/..{path}", f"/healthz%2f..{path}", f"/healthz;{path}", f"/%2e%2e{path}", f"/v1/models/..{path}"]
    return [form for form in forms if form != path]


class Case(NamedTuple):
    method: str
    path: str
    policy: str | None  # None: no such route
    role: str
    host: str


class Keys(NamedTuple):
    gateway: Gateway
    headers: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def keys(upstream: FakeUpstream) -> Iterator[Keys]:
    with Gateway(upstream_config(upstream.base_url), env=UPSTREAM_ENV) as gateway:
        secrets = {role: gateway.new_key("--tenant", role, "--role", role) for role in sorted(KNOWN)}
        secrets["revoked"] = gateway.new_key("--tenant", "revoked", "--role", "admin")
        gateway.farthing("keys", "revoke", gateway.query("select key_id from keys where tenant = 'revoked'")[0]["key_id"])
        secrets["expired"] = gateway.new_key("--tenant", "expired", "--role", "admin", "--expires", "4s")
        secrets["wrong"] = secrets["admin"][:-4] + "AAAA"
        headers = {role: {"authorization": f"Bearer {secret}"} for role, secret in secrets.items()} | {"nobody": {}}
        with closing(sqlite3.connect(gateway.store)) as ledger, ledger:
            ledger.execute("insert into requests (request_id, tenant) values ('req_of_app', 'app')")
        asyncio.run(_until_dead(gateway, [headers["revoked"], headers["expired"]]))
        yield Keys(gateway, headers)


async def _until_dead(gateway: Gateway, dead: list[dict[str, str]]) -> None:
    async with asyncio.timeout(10):
        for headers in dead:
            while await _status(gateway.port, "GET", "/v1/models", headers) != 401:
                await asyncio.sleep(0.02)


async def _status(port: int, method: str, path: str, headers: dict[str, str]) -> int:
    async with Connection(port) as connection:
        body = json.dumps(GOOD.get(path, {})).encode() if method == "POST" else b""
        await connection.send(method, path, body, headers)
        status, found = await connection.head()
        if method != "HEAD":
            _ = [piece async for piece in connection.pieces(found)]
        return status


def expected(case: Case) -> set[int]:
    """Statuses that are a right verdict."""
    known = case.role in KNOWN
    if case.policy is None:
        if case.role == "viewer" and case.path.startswith(STARS):
            return {400, 403, 404, 405}  # a name, as it is for the others; a viewer may ask for none
        return {404, 400, 405} if known else {401, 400}
    if case.path == DOOR:
        return {400}
    if case.role in ALLOWED[case.policy]:
        return {404} if case.path in NO_FILE else {400} if (case.method, case.path) in {*product(("POST",), NO_FORM), *NO_WORDS} else {200}
    return {403} if known else {401}


def cases() -> list[Case]:
    right = [Case(*route, role, host) for route, role, host in product(ROUTES, ROLES, HOSTS[:2])]
    hosts = [Case(*route, role, host) for route, role, host in product(ROUTES, ("nobody", "app"), HOSTS[2:])]
    odd = [
        Case(method, form, None, role, HOSTS[0])
        for method, path, _ in ROUTES
        if path not in ("/", *NAMES)
        for form in odd_forms(path)
        for role in ROLES
    ]
    methods = ("DELETE", "PUT", "PATCH", "OPTIONS", "TRACE")
    taken = {(method, path) for method, path, _ in ROUTES if path not in NAMES}
    others = [(verb, path) for verb, (_, path, _) in product(methods, ROUTES) if (verb, path) not in taken]
    verbs = [Case(verb, path, None, role, HOSTS[0]) for (verb, path), role in product(others, ("nobody", "app"))]
    return right + hosts + odd + verbs


def test_every_verdict(keys: Keys) -> None:
    async def verdicts(chosen: list[Case]) -> list[tuple[Case, int]]:
        seats = asyncio.Semaphore(16)

        async def one(case: Case) -> tuple[Case, int]:
            async with seats:
                return case, await _status(keys.gateway.port, case.method, case.path, {"host": case.host, **keys.headers[case.role]})

        return await asyncio.gather(*(one(case) for case in chosen))

    chosen = cases()
    wrong = [(case, status) for case, status in asyncio.run(verdicts(chosen)) if status not in expected(case)]
    figure("S3 access", f"{len(wrong)} wrong verdicts of {len(chosen)} (route x role x odd path, method and Host)")
    assert wrong == []


def test_app_key_cannot_act_for_another_tenant(keys: Keys) -> None:
    async def ask(role: str) -> int:
        return await _status(keys.gateway.port, "POST", "/v1/chat/completions", {**keys.headers[role], "x-farthing-tenant": "other"})

    assert asyncio.run(ask("app")) == 403
    assert asyncio.run(ask("admin")) == 200
    assert keys.gateway.rows(tenant="other")


def test_nor_by_what_the_body_of_ask_says(keys: Keys) -> None:
    asked = {"user_id": "u1", "text": "hi", "metadata": {"tenant": "third"}}
    statuses = {role: asyncio.run(post(keys.gateway.port, "/v1/ask", asked, keys.headers[role])).status for role in ("app", "admin")}
    assert statuses == {"app": 403, "admin": 200}
    assert {row["tenant"] for row in keys.gateway.rows(tenant="third")} == {"third"}


def test_a_key_in_the_query_or_a_cookie_is_no_key(keys: Keys) -> None:
    secret = keys.headers["admin"]["authorization"].removeprefix("Bearer ")

    async def ask(path: str, headers: dict[str, str]) -> int:
        return await _status(keys.gateway.port, "GET", path, headers)

    assert asyncio.run(ask(f"/v1/models?api_key={secret}&key={secret}", {})) == 401
    assert asyncio.run(ask("/v1/models", {"cookie": f"key={secret}; authorization=Bearer {secret}"})) == 401
    assert asyncio.run(ask("/v1/models", {"authorization": f"Basic {secret}"})) == 401
    assert asyncio.run(ask("/v1/models", {"authorization": secret})) == 401
    assert asyncio.run(ask("/v1/models", {"x-api-key": secret})) == 200
