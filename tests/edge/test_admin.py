"""What an admin key may do over HTTP, and what it is told when it goes wrong."""

import asyncio
import json
from typing import Any

import pytest

from farthing.core.clock import FrozenClock
from farthing.core.errors import ConfigError
from farthing.core.forgetting import Drop
from farthing.core.request import Principal
from farthing.edge.app import App
from farthing.edge.gateway import Gateway

NOW = FrozenClock().now()
ADMIN = (b"authorization", b"Bearer admin")


class Keys:
    any_keys = True

    def authenticate(self, secret: str) -> Principal:
        return Principal("key_1", "acme", "admin" if secret == "admin" else "app")


class Metrics:
    def refused(self, *_: object) -> None: ...


class World:
    """A gateway that keeps what it was told to do. `bad` is what a reload raises."""

    def __init__(self, bad: ConfigError | None = None) -> None:
        self.told: list[str | Drop] = []
        self.bad = bad
        unused: Any = None
        metrics: Any = Metrics()
        self.app = App(
            Gateway(
                house=unused,
                keys=Keys(),
                metrics=metrics,
                clock=FrozenClock(),
                reload=self.reload,
                ready=lambda: None,
                memory=self,
            )
        )

    async def reload(self) -> None:
        if self.bad is not None:
            raise self.bad
        self.told.append("reload")

    async def forget(self, what: Drop) -> int:
        self.told.append(what)
        return 3

    async def dispute(self, request_id: str) -> bool:
        raise NotImplementedError

    def meaning_stats(self) -> dict[str, object]:
        return {"mode": "off"}

    def post(self, path: str, body: bytes = b"", *headers: tuple[bytes, bytes]) -> tuple[int, dict[str, Any]]:
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.app({"type": "http", "method": "POST", "path": path, "headers": [ADMIN, *headers]}, receive, send))
        return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_reload() -> None:
    world = World()
    assert world.post("/admin/reload") == (200, {"status": "reloaded"})
    assert world.told == ["reload"]


def test_a_bad_configuration_is_told_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    status, told = World(ConfigError("unknown key 'serverr'. Did you mean 'server'?")).post("/admin/reload")
    assert (status, told["error"]["code"]) == (400, "config_error")
    assert caplog.text.count("Did you mean 'server'?") == 1


@pytest.mark.parametrize(("body", "tenant"), [(b"", None), (b" \n", None), (b"{}", None), (b'{"tenant":"acme"}', "acme")])
def test_answers_are_forgotten_for_one_tenant_or_all(body: bytes, tenant: str | None) -> None:
    world = World()
    assert world.post("/admin/cache/clear", body) == (200, {"status": "cleared", "tenant": tenant})
    assert world.told == [Drop("all", "", tenant, NOW)]


@pytest.mark.parametrize(
    ("body", "drop"),
    [
        (b'{"kind":"document","value":"help/policy@3"}', Drop("document", "help/policy@3", None, NOW)),
        (b'{"kind":"tag","value":"legal","tenant":"acme"}', Drop("tag", "legal", "acme", NOW)),
        (b'{"kind":"age","value":"3600"}', Drop("before", repr(NOW - 3600), None, NOW)),
        (b'{"kind":"prompt","value":"v2"}', Drop("prompt", "v2", None, NOW)),
        (b'{"kind":"all"}', Drop("all", "", None, NOW)),
    ],
)
def test_answers_are_forgotten_by_what_they_rest_on(body: bytes, drop: Drop) -> None:
    world = World()
    assert world.post("/admin/cache/invalidate", body) == (200, {"status": "forgotten", "answers": 3})
    assert world.told == [drop]


@pytest.mark.parametrize(
    "body",
    [b'{"kind":"moon","value":"x"}', b'{"kind":"tag"}', b'{"kind":"age","value":"old"}', b'{"kind":"dispute","value":"x"}', b'{"value":"x"}', b"["],
)
def test_what_names_nothing_forgets_nothing(body: bytes) -> None:
    world = World()
    assert world.post("/admin/cache/invalidate", body)[0] == 400
    assert world.told == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"tenant":3}', (), 400),
        (b'{"tennant":"acme"}', (), 400),
        (b'{"tenant"', (), 400),
        (b"\xff\xfe", (), 400),
        (b"\x1f\x8b", ((b"content-encoding", b"gzip"),), 400),
        (b" " * 70_000, (), 413),
    ],
)
def test_a_body_that_is_not_understood_forgets_nothing(body: bytes, headers: tuple[tuple[bytes, bytes], ...], status: int) -> None:
    world = World()
    found, told = world.post("/admin/cache/clear", body, *headers)
    assert (found, told["error"]["type"]) == (status, "invalid_request_error")
    assert world.told == []
