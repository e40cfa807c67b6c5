"""Who may speak of which request, and what is taken from bad bodies: POST /v1/feedback on the real gateway."""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import Answer, chat, post
from tests.fakes.upstream import FakeUpstream


class Two(NamedTuple):
    """Two tenants and an admin, and one answer that ann's key got."""

    gateway: Gateway
    headers: dict[str, dict[str, str]]
    request_id: str

    def say(self, who: str, said: Any) -> Answer:
        return asyncio.run(post(self.gateway.port, "/v1/feedback", said, self.headers[who]))

    def rows(self) -> list[dict[str, Any]]:
        return self.gateway.query("select * from judgements order by id")


@pytest.fixture(scope="module", params=["", "hash_tenants = true"])
def two(upstream: FakeUpstream, request: pytest.FixtureRequest) -> Iterator[Two]:
    gateway = Gateway("", env=UPSTREAM_ENV)
    gateway.write_config(upstream_config(upstream.base_url, f'[store]\npath = "{gateway.store}"\n{request.param}'))
    with gateway:
        secrets = {name: gateway.new_key("--tenant", name, "--role", "admin" if name == "root" else "app") for name in ("ann", "bob", "root")}
        headers = {name: {"authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
        answer = asyncio.run(post(gateway.port, "/v1/chat/completions", chat("hi"), headers["ann"]))
        yield Two(gateway, headers, answer.headers["x-request-id"])


def test_one_s_own_request_is_judged_once_by_each_key(two: Two) -> None:
    said = {"request_id": two.request_id, "thumb": "down", "comment": "ann@example.com was told the wrong price"}
    for words in (said, said | {"thumb": "up", "label": "fixed"}):
        answer = two.say("ann", words)
        assert (answer.status, answer.fields) == (200, {"request_id": two.request_id, "status": "recorded"})
    assert two.say("root", {"request_id": two.request_id, "score": 0.25}).status == 200
    mine, theirs = two.rows()
    assert (mine["source"], mine["score"], mine["label"], mine["cost_picousd"]) == ("feedback", 1.0, "fixed", 0)
    assert "ann@example.com" not in mine["comment"]
    assert theirs["score"] == 0.25
    (request,) = two.gateway.rows(request_id=two.request_id)
    copied = ("tenant", "endpoint", "model_tier", "cache", "experiment")
    assert [mine[name] for name in copied] == [request[name] for name in copied]
    _, metrics = two.gateway.get("/metrics", two.headers["root"])
    assert b'farthing_judged_total{endpoint="default"' in metrics


def test_another_tenant_s_request_is_as_unknown_as_none(two: Two) -> None:
    before = two.rows()
    foreign, none = (two.say("bob", {"request_id": name, "thumb": "down"}) for name in (two.request_id, "req_none"))
    assert foreign.status == none.status == 404
    texts = [answer.fields["error"]["message"].replace(name, "ID") for answer, name in ((foreign, two.request_id), (none, "req_none"))]
    assert texts[0] == texts[1]
    assert two.rows() == before


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"thumb": None}, "score"),
        ({"thumb": "sideways"}, "sideways"),
        ({"score": 0.5}, "not both"),
        ({"score": 1.5, "thumb": None}, "<= 1"),
        ({"score": -1, "thumb": None}, ">= 0"),
        ({"score": "good", "thumb": None}, "float"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": 7}, "str"),
        ({"tenant": "bob"}, "tenant"),
        ({"comment": "x" * 5000}, "4000"),
        ({"label": "x" * 101, "thumb": None}, "100"),
    ],
)
def test_bad_bodies_are_named(two: Two, change: dict[str, Any], what: str) -> None:
    answer = two.say("ann", {"request_id": two.request_id, "thumb": "up"} | change)
    assert (answer.status, answer.fields["error"]["type"]) == (400, "invalid_request_error")
    assert what in answer.fields["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"{", 400), (b"\xff\xfe", 400), (b'{"request_id":"\\ud800"}', 400), (b'{"a":"' + b"x" * 70_000 + b'"}', 413)],
)
def test_what_is_no_body_is_refused(two: Two, body: bytes, status: int) -> None:
    assert two.say("ann", body).status == status


def test_odd_letters_are_kept(two: Two) -> None:
    assert two.say("ann", {"request_id": two.request_id, "label": "\U0001f642\x00"}).status == 200
    assert two.say("ann", {"request_id": "\x00'; --", "thumb": "up"}).status == 404
