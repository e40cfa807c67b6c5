"""Anthropic's own batches: items of messages go there in groups at half the price, and each is answered and paid once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.conformance.provider_batches import gateway_before, taken
from tests.conformance.test_batches import answers, ended, order
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll
from tests.fakes.message_batches import PATH, FakeMessageBatches

ROWS = """
dialect = "anthropic"
auth = "x-api-key"
models = ["claude-*"]
"""


@pytest.fixture
def provider() -> Iterator[FakeMessageBatches]:
    with FakeMessageBatches(UPSTREAM_ENV["FAKE_OPENAI_KEY"]) as running:
        yield running


@pytest.fixture
def gateway(provider: FakeMessageBatches, tmp_path: Path) -> Iterator[Gateway]:
    with gateway_before(provider, tmp_path, "anthropic", "claude-haiku-4-5", ROWS) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.base_url + "/v1", api_key="unused", max_retries=0, timeout=20) as made:
        yield made


def item(custom_id: str, text: str, **change: Any) -> dict[str, Any]:
    body = {"model": "claude-haiku-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": text}], **change}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/messages", "body": body}


def items(count: int) -> list[dict[str, Any]]:
    return [item(f"q{number}", f"question number {number}") for number in range(count)]


def test_messages_go_in_a_group_at_half_the_price(gateway: Gateway, client: OpenAI, provider: FakeMessageBatches) -> None:
    batch = order(client, items(6), endpoint="/v1/messages")
    taken(provider)
    assert sorted(one["params"]["messages"][0]["content"] for one in provider.asked["msgbatch_0"]) == [f"question number {n}" for n in range(6)]
    assert provider.calls() == []
    provider.work_off("msgbatch_0")
    found = answers(client, ended(client, batch).output_file_id)
    assert [found[f"q{n}"]["response"]["body"]["content"][0]["text"] for n in range(6)] == [f"echo: question number {n}" for n in range(6)]
    rows = gateway.rows(lane="background")
    assert [row["outcome"] for row in rows] == ["ok"] * 6
    for row in rows:
        full = row["tokens_in"] * 1_000_000 + row["tokens_out"] * 2_000_000
        assert (row["cost_picousd"], row["baseline_cost_picousd"]) == (full // 2, full)
        assert json.loads(row["account"])["saved"] == {"batch": full - full // 2}
    assert gateway.query("SELECT count(*) AS n FROM provider_calls") == gateway.query("SELECT count(*) AS n FROM provider_batches") == [{"n": 0}]


def test_chat_items_reach_it_too(client: OpenAI, provider: FakeMessageBatches) -> None:
    lines = [
        {
            "custom_id": f"c{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "claude-haiku-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": f"chat {number}"}]},
        }
        for number in range(3)
    ]
    batch = order(client, lines)
    taken(provider)
    provider.work_off("msgbatch_0")
    found = answers(client, ended(client, batch).output_file_id)
    assert [found[f"c{n}"]["response"]["body"]["choices"][0]["message"]["content"] for n in range(3)] == [f"echo: chat {n}" for n in range(3)]


@pytest.mark.parametrize("left", ["expired", "canceled"])
def test_what_it_did_not_answer_is_called_directly(gateway: Gateway, client: OpenAI, provider: FakeMessageBatches, left: str) -> None:
    batch = order(client, items(5), endpoint="/v1/messages")
    taken(provider)
    provider.work_off("msgbatch_0", leave=2, left=left)
    done = ended(client, batch)
    assert done.request_counts is not None
    assert (done.status, done.request_counts.completed, len(provider.calls())) == ("completed", 5, 2)
    assert len(gateway.rows(outcome="ok")) == 5


def test_what_it_refused_is_an_error_of_the_item(client: OpenAI, provider: FakeMessageBatches) -> None:
    batch = order(client, [item("good", "fine"), item("also", "fine too"), item("bad", "fail:400")], endpoint="/v1/messages")
    taken(provider)
    provider.work_off("msgbatch_0")
    done = ended(client, batch)
    assert answers(client, done.output_file_id).keys() == {"good", "also"}
    refused = answers(client, done.error_file_id)["bad"]["response"]
    assert (refused["status_code"], refused["body"]["error"]["type"]) == (400, "invalid_request_error")


def test_an_order_that_is_refused_is_made_call_by_call(client: OpenAI, provider: FakeMessageBatches) -> None:
    provider.refuses = True
    done = ended(client, order(client, items(4), endpoint="/v1/messages"))
    assert done.request_counts is not None
    assert (done.request_counts.completed, len(provider.calls())) == (4, 4)


def test_a_killed_gateway_finds_its_batch_again(gateway: Gateway, client: OpenAI, provider: FakeMessageBatches) -> None:
    batch = order(client, items(5), endpoint="/v1/messages")
    taken(provider)
    gateway.kill()
    provider.work_off("msgbatch_0")
    gateway.start()
    done = ended(client, batch)
    assert done.request_counts is not None
    assert (done.request_counts.completed, len(provider.orders()), provider.calls()) == (5, 1, [])


def test_an_order_that_nobody_heard_back_of_is_told_by_its_results(client: OpenAI, provider: FakeMessageBatches) -> None:
    provider.loses_order = True
    batch = order(client, items(4), endpoint="/v1/messages")
    taken(provider)
    poll(lambda: any(one.method == "GET" and one.path == PATH for one in provider.requests), 15, "a look at the list")
    provider.work_off("msgbatch_0")
    done = ended(client, batch)
    assert done.request_counts is not None
    assert (done.request_counts.completed, len(provider.orders()), provider.calls()) == (4, 1, [])


def test_a_cancelled_batch_is_cancelled_there(client: OpenAI, provider: FakeMessageBatches) -> None:
    batch = order(client, items(4), endpoint="/v1/messages")
    taken(provider)
    client.batches.cancel(batch.id)
    assert ended(client, batch).status == "cancelled"
    poll(lambda: provider.orders()[0]["processing_status"] == "canceling", 15, "the provider's batch to be cancelled")


def test_calls_with_a_beta_go_by_themselves(client: OpenAI, provider: FakeMessageBatches) -> None:
    done = ended(client, order(client, items(4), endpoint="/v1/messages", extra_headers={"anthropic-beta": "context-1m-2025-08-07"}))
    assert done.request_counts is not None
    assert (done.request_counts.completed, len(provider.calls()), provider.orders()) == (4, 4, [])
