"""Items go in a provider's own batch where its service has them: half the price, one account, and no answer is lost or paid twice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.conformance.provider_batches import gateway_before, taken
from tests.conformance.test_batches import answers, ended, line, order
from tests.fakes.batch_service import FakeBatchProvider
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll


@pytest.fixture
def provider() -> Iterator[FakeBatchProvider]:
    with FakeBatchProvider(UPSTREAM_ENV["FAKE_OPENAI_KEY"]) as running:
        yield running


@pytest.fixture
def gateway(provider: FakeBatchProvider, tmp_path: Path) -> Iterator[Gateway]:
    with gateway_before(provider, tmp_path, "openai", "gpt-4o-mini", 'models = ["gpt-*"]') as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.base_url + "/v1", api_key="unused", max_retries=0, timeout=20) as made:
        yield made


def test_items_go_in_a_group_and_the_account_says_what_that_saved(gateway: Gateway, client: OpenAI, provider: FakeBatchProvider) -> None:
    batch = order(client, [line(f"q{number}", f"question number {number}") for number in range(6)])
    taken(provider)
    assert sorted(one["body"]["messages"][0]["content"] for one in provider.requests_of("batch_0")) == [f"question number {n}" for n in range(6)]
    assert provider.calls() == []
    provider.work_off("batch_0")
    found = answers(client, ended(client, batch).output_file_id)
    assert [found[f"q{n}"]["response"]["body"]["choices"][0]["message"]["content"] for n in range(6)] == [
        f"echo: question number {n}" for n in range(6)
    ]
    rows = gateway.rows(lane="background")
    assert [row["outcome"] for row in rows] == ["ok"] * 6
    for row in rows:
        full = row["tokens_in"] * 1_000_000 + row["tokens_out"] * 2_000_000
        assert (row["cost_picousd"], row["baseline_cost_picousd"]) == (full // 2, full)
        assert json.loads(row["account"])["saved"] == {"batch": full - full // 2}
        assert row["latency_total_ms"] < 5000
    assert gateway.query("SELECT count(*) AS n FROM provider_calls") == gateway.query("SELECT count(*) AS n FROM provider_batches") == [{"n": 0}]


def test_too_few_are_called_directly_at_the_full_price(gateway: Gateway, client: OpenAI, provider: FakeBatchProvider) -> None:
    ended(client, order(client, [line("a", "one alone"), line("b", "two alone")]))
    assert len(provider.calls()) == 2
    assert provider.orders() == []
    assert all(row["cost_picousd"] == row["baseline_cost_picousd"] for row in gateway.rows(lane="background"))


def test_what_the_provider_did_not_answer_is_called_directly(gateway: Gateway, client: OpenAI, provider: FakeBatchProvider) -> None:
    batch = order(client, [line(f"q{number}", f"question number {number}") for number in range(5)])
    taken(provider)
    provider.work_off("batch_0", leave=2, status="expired")
    done = ended(client, batch)
    assert done.request_counts is not None
    assert (done.status, done.request_counts.completed) == ("completed", 5)
    assert len(provider.calls()) == 2
    assert len(gateway.rows(outcome="ok")) == 5


def test_what_it_refused_is_an_error_of_the_item(client: OpenAI, provider: FakeBatchProvider) -> None:
    batch = order(client, [line("good", "fine"), line("also", "fine too"), line("bad", "fail:400")])
    taken(provider)
    provider.work_off("batch_0")
    done = ended(client, batch)
    assert answers(client, done.output_file_id).keys() == {"good", "also"}
    assert answers(client, done.error_file_id)["bad"]["response"]["status_code"] == 400


def test_a_provider_that_takes_no_more_batches(client: OpenAI, provider: FakeBatchProvider) -> None:
    provider.refuses = True
    done = ended(client, order(client, [line(f"q{number}", f"question number {number}") for number in range(4)]))
    assert done.request_counts is not None
    assert done.request_counts.completed == 4
    assert len(provider.calls()) == 4


def test_a_killed_gateway_finds_its_provider_batch_again(gateway: Gateway, client: OpenAI, provider: FakeBatchProvider) -> None:
    batch = order(client, [line(f"q{number}", f"question number {number}") for number in range(5)])
    taken(provider)
    gateway.kill()
    provider.work_off("batch_0")
    gateway.start()
    done = ended(client, batch)
    assert done.request_counts is not None
    assert done.request_counts.completed == 5
    assert (len(provider.orders()), provider.calls()) == (1, [])
    rows: list[dict[str, Any]] = gateway.rows()
    paid = [row["cost_picousd"] for row in rows if row["outcome"] == "ok"]
    assert len(paid) == 5
    assert [row["cost_picousd"] for row in rows if row["outcome"] != "ok"] == [0] * 5  # what died with the worker was paid once, above


def test_an_order_that_nobody_heard_back_of_is_found(client: OpenAI, provider: FakeBatchProvider) -> None:
    provider.loses_order = True
    batch = order(client, [line(f"q{number}", f"question number {number}") for number in range(4)])
    taken(provider)
    provider.work_off("batch_0")
    done = ended(client, batch)
    assert done.request_counts is not None
    assert (done.request_counts.completed, len(provider.orders()), provider.calls()) == (4, 1, [])


def test_a_drain_does_not_wait_for_a_provider(gateway: Gateway, client: OpenAI, provider: FakeBatchProvider) -> None:
    batch = order(client, [line(f"q{number}", f"question number {number}") for number in range(4)])
    taken(provider)
    assert gateway.stop(timeout_s=15) == 0
    gateway.start()
    provider.work_off("batch_0")
    done = ended(client, batch)
    assert done.request_counts is not None
    assert (done.request_counts.completed, len(provider.orders()), provider.calls()) == (4, 1, [])
    assert {row["cost_picousd"] for row in gateway.rows(outcome="interrupted")} == {0}


@pytest.mark.parametrize("mute", [False, True], ids=["", "that does not answer"])
def test_a_cancelled_batch_does_not_wait_for_a_provider(client: OpenAI, provider: FakeBatchProvider, mute: bool) -> None:
    provider.mute = mute
    batch = order(client, [line(f"q{number}", f"question number {number}") for number in range(4)])
    taken(provider)
    client.batches.cancel(batch.id)
    assert ended(client, batch).status == "cancelled"
    poll(lambda: provider.orders()[0]["status"] == "cancelling", 15, "the word to the provider that nobody waits")
    assert len(provider.orders()) == 1
