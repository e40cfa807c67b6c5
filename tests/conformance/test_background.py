"""Calls that may wait: by header, by metadata, by their endpoint."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import BadRequestError, OpenAI

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll, upstream_config
from tests.fakes.upstream import FakeUpstream

PATIENT = """
[endpoints.nightly]
latency_slo_s = 7200

[endpoints.prompt]
latency_slo_s = 60

[endpoints.help]

[flows.echoed]
answer = ["{reply}"]

[flows.echoed.steps.reply]
do = "llm"
tier = "cheap"
prompt = "{text}"
"""
BACKGROUND = {"x-farthing-priority": "background"}


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url, PATIENT), env=UPSTREAM_ENV) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.base_url, timeout=20) as made:
        yield made


def ask(client: httpx.Client, text: str, headers: dict[str, str] | None = None, path: str = "/v1/chat/completions", **change: Any) -> httpx.Response:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **change}
    return client.post(path, json=body, headers=headers or {})


def fetched(client: httpx.Client, url: str) -> httpx.Response:
    poll(lambda: client.get(url).status_code != 202, 10, "the answer")
    return client.get(url)


def test_a_background_call_is_taken_and_fetched(client: httpx.Client, gateway: Gateway) -> None:
    taken = ask(client, "hello there", BACKGROUND)
    assert taken.status_code == 202
    said = taken.json()
    assert (said["object"], said["status"], said["url"]) == ("background", "queued", taken.headers["location"])
    answer = fetched(client, said["url"])
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "echo: hello there"
    (row,) = gateway.rows(request_id=answer.headers["x-request-id"])
    assert (row["lane"], row["outcome"]) == ("background", "ok")


def test_prefer_wait_holds_the_call_open(client: httpx.Client) -> None:
    held = ask(client, "soon there", BACKGROUND | {"prefer": "respond-async, wait=10"})
    assert held.status_code == 200
    assert held.headers["x-farthing-lane"] == "background"
    assert held.json()["choices"][0]["message"]["content"] == "echo: soon there"
    assert ask(client, "hold:3000", BACKGROUND | {"prefer": "wait=0"}).status_code == 202


def test_metadata_says_it_too_and_stays_here(client: httpx.Client, upstream: FakeUpstream) -> None:
    taken = ask(client, "by metadata", metadata={"priority": "background", "job": "7"})
    assert taken.status_code == 202
    assert fetched(client, taken.json()["url"]).status_code == 200
    sent = next(call.fields for call in reversed(upstream.calls()) if "by metadata" in call.body.decode())
    assert sent["metadata"] == {"job": "7"}
    alone = ask(client, "metadata alone", metadata={"priority": "background"})
    fetched(client, alone.json()["url"])
    assert "metadata" not in next(call.fields for call in reversed(upstream.calls()) if "metadata alone" in call.body.decode())


def test_an_endpoint_that_may_wait_does_so_and_its_sdk_reads_an_ordinary_answer(gateway: Gateway) -> None:
    with OpenAI(base_url=gateway.base_url + "/v1", api_key="unused", max_retries=0, timeout=20) as sdk:
        answer = sdk.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "tonight"}], extra_headers={"x-farthing-endpoint": "nightly"}
        )
        assert answer.choices[0].message.content == "echo: tonight"
        assert [row["lane"] for row in gateway.rows(endpoint="nightly")] == ["background"]
        sdk.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "now"}], extra_headers={"x-farthing-endpoint": "prompt"}
        )
        assert [row["lane"] for row in gateway.rows(endpoint="prompt")] == [None]
        stream = sdk.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "flowing"}], stream=True, extra_headers={"x-farthing-endpoint": "nightly"}
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "echo: flowing"
        urgent = {"x-farthing-endpoint": "nightly", "x-farthing-priority": "interactive"}
        sdk.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "at once"}], extra_headers=urgent)
        assert [row["lane"] for row in gateway.rows(endpoint="nightly")] == ["background", None, None]
        with pytest.raises(BadRequestError):
            sdk.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "fail:400"}], extra_headers={"x-farthing-endpoint": "nightly"}
            )


def test_what_is_refused(client: httpx.Client) -> None:
    assert "no stream" in ask(client, "x", BACKGROUND, stream=True).text
    assert ask(client, "x", {"x-farthing-priority": "low"}).status_code == 400
    assert client.get("/v1/background/call_none").status_code == 404
    assert client.get("/v1/batches").json()["data"] == []  # calls are no batches


def test_a_call_is_cancelled_and_an_error_is_fetched_as_it_was(client: httpx.Client) -> None:
    failed = ask(client, "fail:400", BACKGROUND).json()
    answer = fetched(client, failed["url"])
    assert (answer.status_code, "error" in answer.json()) == (400, True)
    many = [ask(client, f"hold:900 number {number}", BACKGROUND).json() for number in range(40)]
    said = client.delete(many[-1]["url"]).json()
    assert said["status"] == "cancelled"
    assert client.get(many[-1]["url"]).status_code == 404
    assert json.loads(client.get(many[-1]["url"]).content)["error"]["code"] == "not_found"


def test_every_dialect_may_wait(client: httpx.Client) -> None:
    message = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "patience"}]}
    taken = client.post("/v1/messages", json=message, headers=BACKGROUND)
    assert fetched(client, taken.json()["url"]).json()["content"][0]["text"] == "echo: patience"
    response = {"model": "gpt-4o-mini", "input": "patience"}
    taken = client.post("/v1/responses", json=response, headers=BACKGROUND)
    assert fetched(client, taken.json()["url"]).json()["object"] == "response"


def test_questions_and_inference_may_wait_and_are_answered_in_their_own_shape(client: httpx.Client, gateway: Gateway) -> None:
    question = {"user_id": "u", "text": "who waits?", "metadata": {"priority": "background", "endpoint": "help"}}
    taken = client.post("/v1/ask", json=question)
    assert (taken.status_code, taken.json()["endpoint"]) == (202, "/v1/ask")
    answer = fetched(client, taken.json()["url"])
    said = answer.json()
    assert (answer.status_code, said["answer"], said["sources"], said["truncated"]) == (200, "echo: who waits?", [], False)
    (row,) = gateway.rows(request_id=said["request_id"])
    assert (row["lane"], row["endpoint"], row["outcome"]) == ("background", "help", "ok")
    assert said["cost_usd"] == pytest.approx(row["cost_picousd"] / 1e12)

    prompt = {"model_tier": "cheap", "prompt": "and I", "priority": "background"}
    held = client.post("/llm-inference", json=prompt, headers={"prefer": "wait=10"})
    assert (held.status_code, held.json()["text"], held.json()["tier"]) == (200, "echo: and I", "cheap")
    assert held.headers["x-farthing-lane"] == "background"
    by_header = client.post("/llm-inference", json={"model_tier": "cheap", "prompt": "by header"}, headers=BACKGROUND)
    assert fetched(client, by_header.json()["url"]).json()["text"] == "echo: by header"


def test_a_question_that_is_refused_is_fetched_as_an_error(client: httpx.Client) -> None:
    taken = client.post("/v1/ask", json={"user_id": "u", "text": "fail:400"}, headers=BACKGROUND)
    answer = fetched(client, taken.json()["url"])
    assert (answer.status_code, "error" in answer.json()) == (400, True)
    assert client.post("/v1/ask", json={"user_id": "u", "text": "x", "stream": True}, headers=BACKGROUND).status_code == 400
    assert client.post("/llm-inference", json={"model_tier": "cheap", "prompt": "x", "priority": "low"}).status_code == 400


def test_an_endpoint_that_may_wait_holds_questions_too(client: httpx.Client, gateway: Gateway) -> None:
    answer = client.post("/v1/ask", json={"user_id": "u", "text": "tonight, too", "metadata": {"endpoint": "nightly"}})
    assert (answer.status_code, answer.json()["answer"]) == (200, "echo: tonight, too")
    (row,) = gateway.rows(request_id=answer.json()["request_id"])
    assert row["lane"] == "background"


def test_a_flow_may_wait(client: httpx.Client, gateway: Gateway) -> None:
    body = {"user_id": "u", "text": "a long way", "metadata": {"flow": "echoed", "priority": "background"}}
    said = fetched(client, client.post("/v1/ask", json=body).json()["url"]).json()
    assert (said["answer"], said["flow"], said["partial"]) == ("echo: a long way", "echoed", None)
    assert [row["lane"] for row in gateway.rows(run_id=said["run_id"])] == ["background", "background"]
    lost = client.post("/v1/ask", json={"user_id": "u", "text": "x", "metadata": {"flow": "nowhere", "priority": "background"}})
    assert lost.status_code == 404


def test_one_pace_holds_for_all_workers(upstream: FakeUpstream) -> None:
    """Calls taken in by either of two workers: no more of them run at a time than one worker may run."""
    settings = f"{PATIENT}\n[server]\nworkers = 2\n\n[batch]\nat_once = 2\n"
    with Gateway(upstream_config(upstream.base_url, settings), env=UPSTREAM_ENV) as gateway:
        urls = []
        for number in range(12):
            with httpx.Client(base_url=gateway.base_url, timeout=20) as fresh:  # a connection each, so that both workers take some
                urls.append(ask(fresh, f"hold:200 number {number}", BACKGROUND).json()["url"])
        with httpx.Client(base_url=gateway.base_url, timeout=20) as client:
            assert {fetched(client, url).status_code for url in urls} == {200}
        spans = [(row["received_at"], row["received_at"] + row["latency_total_ms"] / 1000) for row in gateway.rows(lane="background")]
    assert len(spans) == 12
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) <= 2
