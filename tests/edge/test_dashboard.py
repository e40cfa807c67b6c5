"""The dashboard's door: who gets in, what a cookie is worth, what other sites can do, what a viewer sees."""

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from farthing import config
from farthing.stores.sqlite import database
from tests.fakes.gateway import Gateway, poll
from tests.stores import traffic

CONFIG = """
[sampling]
log = 1.0
"""


FOREIGN = ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}, {"origin": "null"})


class Browser:
    """Requests with a cookie jar of one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cookie: str | None = None

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        sent = {"content-type": "application/json"} if body is not None else {}
        sent |= {"cookie": self.cookie} if self.cookie else {}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent | (headers or {}))
            answer = connection.getresponse()
            found = answer.read()
        finally:
            connection.close()
        for value in answer.headers.get_all("set-cookie") or []:
            self.cookie = value.partition(";")[0]
        return answer, found

    def status(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> int:
        return self.ask(method, path, body, headers)[0].status

    def panel(self, name: str, query: str = "") -> Any:
        answer, body = self.ask("GET", f"/dashboard/data/{name}?{query}")
        assert answer.status == 200, body
        return json.loads(body)

    def sign_in(self, key: str) -> int:
        return self.status("POST", "/dashboard/login", {"key": key})


class World:
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.keys = {role: gateway.new_key("--role", role) for role in ("admin", "viewer", "app")}
        self.keys["bound"] = gateway.new_key("--role", "viewer", "--tenant", "acme")

    def browser(self, role: str | None = None) -> Browser:
        made = Browser(self.gateway.port)
        if role is not None:
            assert made.sign_in(self.keys[role]) == 200
        return made


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Gateway(CONFIG) as gateway:
        connection = database.connect(config.Store(path=str(gateway.store)))
        rows = list(traffic.ledger(400, end=time.time(), days=0.5))
        traffic.write(connection, rows)
        connection.execute("UPDATE requests SET prompt = 'user: my secret', answer = 'told' WHERE rowid % 2")
        connection.close()
        made = World(gateway)
        admin = made.browser("admin")
        poll(lambda: admin.panel("outline")["behind"] == 0 and admin.panel("account", "format=json")[0]["usd"] > 0, 20, "the rollups")
        yield made


def test_a_good_key_opens_a_session_that_is_not_the_key(world: World) -> None:
    browser = Browser(world.gateway.port)
    answer, _ = browser.ask("POST", "/dashboard/login", {"key": world.keys["admin"]})
    cookie = answer.headers["set-cookie"]
    assert answer.status == 200
    assert all(flag in cookie for flag in ("HttpOnly", "SameSite=Strict", "Path=/dashboard", "Max-Age=43200"))
    assert "Secure" not in cookie
    assert world.keys["admin"] not in cookie
    assert browser.status("GET", "/dashboard/data/account") == 200
    secure, _ = browser.ask("POST", "/dashboard/login", {"key": world.keys["admin"]}, {"x-forwarded-proto": "https"})
    assert "Secure" in secure.headers["set-cookie"]


def test_who_may_not_look_gets_no_session(world: World) -> None:
    browser = Browser(world.gateway.port)
    assert browser.sign_in("fk-wrong") == 401
    assert browser.sign_in(world.keys["app"]) == 403
    assert browser.cookie is None
    assert browser.status("GET", "/dashboard/data/account") == 401


def test_a_session_opens_the_dashboard_and_nothing_else(world: World) -> None:
    admin = world.browser("admin")
    assert [admin.status("GET", path) for path in ("/metrics", "/v1/models")] == [401, 401]
    assert admin.status("POST", "/admin/reload", {}) == 401


def test_a_viewer_key_sees_figures_and_metrics_only(world: World) -> None:
    headers = {"authorization": f"Bearer {world.keys['viewer']}"}
    browser = Browser(world.gateway.port)
    assert [browser.status("GET", path, headers=headers) for path in ("/metrics", "/dashboard/data/account", "/v1/models")] == [200, 200, 403]
    assert browser.status("POST", "/admin/reload", {}, headers) == 403
    assert browser.status("POST", "/v1/chat/completions", {}, headers) == 403


@pytest.mark.parametrize("change", ["payload", "seal", "empty", "nonsense", "other key"])
def test_a_cookie_that_was_tampered_with_is_no_session(world: World, change: str) -> None:
    browser = world.browser("viewer")
    assert browser.cookie is not None
    name, _, value = browser.cookie.partition("=")
    told, _, seal = value.partition(".")
    admin = world.browser("admin").cookie
    assert admin is not None
    forged = {
        "payload": f"{told[:-2]}AA.{seal}",
        "seal": f"{told}.{seal[:-4]}AAAA",
        "empty": "",
        "nonsense": "\u00e9.%%%",
        "other key": f"{admin.partition('=')[2].partition('.')[0]}.{seal}",
    }[change]
    browser.cookie = f"{name}={forged}".encode().decode("latin-1")
    assert browser.status("GET", "/dashboard/data/account") == 401


def test_revoking_the_key_ends_its_sessions(world: World) -> None:
    secret = world.gateway.new_key("--role", "viewer", "--name", "gone soon")
    browser = Browser(world.gateway.port)
    assert browser.sign_in(secret) == 200
    key_id = world.gateway.query("SELECT key_id FROM keys WHERE name = 'gone soon'")[0]["key_id"]
    world.gateway.farthing("keys", "revoke", key_id)
    poll(lambda: browser.status("GET", "/dashboard/data/account") == 401, 5, "the session's end")


def test_signing_out_forgets_the_session(world: World) -> None:
    browser = world.browser("viewer")
    assert browser.status("POST", "/dashboard/logout", {}) == 200
    assert browser.status("GET", "/dashboard/data/account") == 401


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}, {"origin": "null"}]
)
def test_other_sites_get_nothing_with_the_cookie(world: World, headers: dict[str, str]) -> None:
    browser = world.browser("admin")
    assert browser.status("GET", "/dashboard/data/account", headers=headers) == 403
    assert browser.status("POST", "/dashboard/login", {"key": world.keys["admin"]}, headers) == 403
    assert browser.status("POST", "/dashboard/logout", {}, headers) == 403


def test_a_form_cannot_sign_in(world: World) -> None:
    browser = Browser(world.gateway.port)
    body = {"key": world.keys["admin"]}
    assert browser.status("POST", "/dashboard/login", body, {"content-type": "text/plain"}) == 400
    assert browser.status("POST", "/dashboard/login", ["x"]) == 400
    assert browser.status("POST", "/dashboard/login", {"key": "x" * 9000}) == 413


def test_the_page_forbids_what_it_does_not_need(world: World) -> None:
    browser = world.browser("admin")
    for path in ("/dashboard", "/dashboard/static/app.js", "/dashboard/data/account", "/dashboard/session"):
        answer, _ = browser.ask("GET", path)
        policy = answer.headers["content-security-policy"]
        assert answer.status == 200
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == ("no-store" if "data" in path or "session" in path else "no-cache")


def test_files_are_named_not_found_by_path(world: World) -> None:
    browser = Browser(world.gateway.port)
    for name in ("../app.js", "..%2f..%2fconfig.py", "app.js/", "page.js", "NOTICE", "__init__.py", "x"):
        assert browser.status("GET", f"/dashboard/static/{name}") == 404
    answer, body = browser.ask("GET", "/dashboard/static/theme.css")
    again, empty = browser.ask("GET", "/dashboard/static/theme.css", headers={"if-none-match": answer.headers["etag"]})
    assert (answer.status, again.status, bool(body), empty) == (200, 304, True, b"")


def test_a_bound_viewer_sees_its_tenant_alone(world: World) -> None:
    bound, everybody = world.browser("bound"), world.browser("viewer")
    mine = bound.panel("cost", "tenant=globex&format=json")
    all_of_acme = everybody.panel("cost", "tenant=acme&format=json")
    assert mine == all_of_acme
    assert bound.panel("outline")["choices"]["tenant"] == ["acme"]
    foreign = world.gateway.query("SELECT request_id FROM requests WHERE tenant = 'globex' LIMIT 1")[0]["request_id"]
    assert bound.status("GET", f"/dashboard/data/request?id={foreign}") == 404
    assert everybody.status("GET", f"/dashboard/data/request?id={foreign}") == 200
    assert {row["tenant"] for row in bound.panel("notable", "format=json")} == {"acme"}


def test_only_an_admin_reads_the_words_of_people(world: World) -> None:
    request_id = world.gateway.query("SELECT request_id FROM requests WHERE prompt IS NOT NULL LIMIT 1")[0]["request_id"]
    for role, told in (("admin", True), ("viewer", False)):
        browser = world.browser(role)
        for extra in ("", "&format=json", "&format=csv"):
            _, body = browser.ask("GET", f"/dashboard/data/request?id={request_id}{extra}")
            assert (b"my secret" in body) is told


def test_bad_questions_say_what_to_ask(world: World) -> None:
    browser = world.browser("viewer")
    for query in ("range=3w", "since=yesterday", "since=2&until=1", "since=-5", "since=nan", "since=0", "format=xml", "since=1e300"):
        answer, body = browser.ask("GET", f"/dashboard/data/account?{query}")
        assert (query, answer.status) == (query, 400)
        assert len(json.loads(body)["error"]["message"]) > 20
    assert browser.status("GET", "/dashboard/data/nothing") == 404
    assert browser.status("GET", "/dashboard/data/request?id=%27%20OR%201=1") == 404
    assert browser.panel("account", "endpoint=%27;DROP%20TABLE%20requests")["figures"]["rows"][0][1] == 0


def test_without_any_key_it_is_open_to_this_machine_alone() -> None:
    with Gateway() as gateway:
        browser = Browser(gateway.port)
        assert browser.status("GET", "/dashboard/data/account") == 200
        assert browser.status("GET", "/dashboard/data/account", headers={"host": f"localhost:{gateway.port}"}) == 200
        assert browser.status("GET", "/dashboard/data/account", headers={"host": "rebound.example"}) == 403
        assert browser.status("GET", "/dashboard/data/account", headers={"sec-fetch-site": "cross-site"}) == 403
        assert browser.panel("account")["blocks"] == [{"type": "note", "text": browser.panel("account")["blocks"][0]["text"], "tone": "plain"}]
        assert [name for name in browser.panel("outline")["panels"] if browser.panel(name)["blocks"]] == ["account"]
