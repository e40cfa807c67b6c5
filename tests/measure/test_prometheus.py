"""Counters equal the ledger's rows, and no label comes from a caller."""

import random
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from farthing.config import Config, Endpoint, Service, Tiers
from farthing.core.errors import NotAuthenticated
from farthing.core.exchange import Attempt, Exchange, Target
from farthing.core.ledger import LedgerRow
from farthing.core.request import Dialect, Inbound, Peek, Principal
from farthing.measure.board import Board
from farthing.measure.prometheus import MEMO_ROWS, Metrics

CONFIG = Config(
    services={"openai": Service(models=("o4-mini", "gpt-*"))},
    tiers=Tiers(cheap=("openai/small",), expensive=("big",)),
    endpoints={"faq": Endpoint()},
)
ROW = LedgerRow(
    **dict.fromkeys(LedgerRow.__struct_fields__)  # pyright: ignore[reportArgumentType]
    | {
        "request_id": "r", "endpoint": "faq", "dialect": "chat", "stream": False, "model_tier": "cheap", "model_name": "small", "tokens_in": 100,
        "tokens_out": 10, "latency_total_ms": 700.0, "latency_model_ms": 650.0, "first_token_ms": 90.0, "overhead_ms": 0.3, "cache": "miss",
        "num_llm_calls": 1, "cost_picousd": 21_000_001, "baseline_cost_picousd": 99, "outcome": "ok", "status": 200, "usage_estimated": False,
    }
)  # fmt: skip


def exchange(*calls: tuple[str, str, str | None]) -> Exchange:
    x = Exchange(Inbound("r", Dialect.CHAT, b"", Peek("small", ()), Principal(None, "default"), 0.0, 0.0))
    x.attempts = [Attempt(Target(service, "small"), purpose, 0.1, None, None, None, error) for service, purpose, error in calls]  # pyright: ignore[reportArgumentType]
    return x


def row(**changes: Any) -> LedgerRow:
    return msgspec.structs.replace(ROW, **changes)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render()[0].decode())
    return {(sample.name, tuple(sample.labels.items())): sample.value for family in families for sample in family.samples}


def total(metrics: Metrics, name: str, **labels: str) -> float:
    return sum(value for (found, has), value in samples(metrics).items() if found == name and set(labels.items()) <= set(has))


def test_one_request() -> None:
    metrics = Metrics(CONFIG)
    metrics.settled(exchange(("openai", "answer", None)), ROW)
    wanted = {"endpoint": "faq", "dialect": "chat", "tier": "cheap", "model": "small", "outcome": "ok", "status": "200"}
    found = samples(metrics)
    assert found["farthing_requests_total", tuple(wanted.items())] == 1
    assert total(metrics, "farthing_cost_usd_total", endpoint="faq", tier="cheap", model="small") == 0.000021000001
    assert total(metrics, "farthing_tokens_total", kind="input") == 100
    assert total(metrics, "farthing_tokens_total", kind="output") == 10
    assert total(metrics, "farthing_cache_total", kind="miss") == 1
    assert total(metrics, "farthing_model_calls_total", service="openai", purpose="answer", result="ok") == 1
    assert total(metrics, "farthing_request_seconds_sum") == 0.7
    assert total(metrics, "farthing_request_seconds_count") == 1
    assert total(metrics, "farthing_request_seconds_bucket", le="0.5") == 0
    assert total(metrics, "farthing_request_seconds_bucket", le="1") == 1
    assert total(metrics, "farthing_overhead_seconds_bucket", le="0.0004") == 1
    assert total(metrics, "farthing_first_token_seconds_bucket", le="0.1") == 1


def test_counters_equal_the_ledger() -> None:
    draw = random.Random(4)
    board = Board(3)
    workers = [Metrics(CONFIG, board, number) for number in range(3)]
    rows = [
        row(
            endpoint=draw.choice(["faq", "default", "made-up"]),
            model_name=draw.choice(["small", "big", "invented", None]),
            outcome=draw.choice(["ok", "truncated", "refused"]),
            cost_picousd=draw.choice([None, 0, draw.randrange(10**9)]),
            baseline_cost_picousd=draw.randrange(10**12),
            tokens_in=draw.randrange(5000),
            cache=draw.choice(["miss", "exact"]),
            latency_total_ms=draw.random() * 1e5,
        )
        for _ in range(3000)
    ]
    for one in rows:
        draw.choice(workers).settled(exchange(), one)
    shown = workers[1]
    assert total(shown, "farthing_requests_total") == len(rows)
    for outcome, count in Counter(one.outcome for one in rows).items():
        assert total(shown, "farthing_requests_total", outcome=outcome) == count
    assert total(shown, "farthing_tokens_total", kind="input") == sum(one.tokens_in or 0 for one in rows)
    assert total(shown, "farthing_unpriced_total") == sum(one.cost_picousd is None for one in rows)
    assert total(shown, "farthing_cache_total", kind="exact") == sum(one.cache == "exact" for one in rows)
    assert total(shown, "farthing_request_seconds_count") == len(rows)
    text = shown.render()[0].decode()
    costs = [Decimal(line.split()[-1]) for line in text.splitlines() if line.startswith("farthing_cost_usd_total{")]
    assert sum(costs) * 10**12 == sum(one.cost_picousd or 0 for one in rows)


def test_no_label_comes_from_a_caller() -> None:
    metrics = Metrics(CONFIG)
    metrics.settled(exchange(("evil-service", "answer", "upstream_timeout")), row(endpoint='x"}\n', model_name="evil-model"))
    body = metrics.render()[0].decode()
    assert "evil" not in body
    assert 'x"' not in body
    assert total(metrics, "farthing_requests_total", endpoint="other", model="other") == 1
    assert total(metrics, "farthing_model_calls_total", service="other", result="upstream_timeout") == 1


@pytest.mark.parametrize("model", ["small", "big", "o4-mini"])
def test_models_that_the_configuration_names_are_labels(model: str) -> None:
    metrics = Metrics(CONFIG)
    metrics.settled(exchange(), row(model_name=model))
    assert total(metrics, "farthing_requests_total", model=model) == 1


def test_a_request_without_a_model_is_not_unpriced() -> None:
    metrics = Metrics(CONFIG)
    metrics.settled(exchange(), row(model_name=None, model_tier=None, cost_picousd=None, num_llm_calls=0, outcome="refused", status=429))
    assert total(metrics, "farthing_requests_total", model="none", tier="none", status="429") == 1
    assert total(metrics, "farthing_unpriced_total") == 0


def test_unknown_times_are_not_zero() -> None:
    metrics = Metrics(CONFIG)
    metrics.settled(exchange(), row(latency_model_ms=None, first_token_ms=None, overhead_ms=None))
    assert total(metrics, "farthing_model_seconds_count") == 0
    assert total(metrics, "farthing_first_token_seconds_count") == 0
    assert total(metrics, "farthing_overhead_seconds_count") == 0


def test_refused_before_the_ledger() -> None:
    metrics = Metrics(CONFIG)
    metrics.refused(Dialect.MESSAGES, NotAuthenticated("no"))
    assert total(metrics, "farthing_refused_total", dialect="messages", code="invalid_api_key") == 1
    assert total(metrics, "farthing_requests_total") == 0


def test_store_and_gauges() -> None:
    metrics = Metrics(CONFIG)
    metrics.in_flight(7)
    metrics.committed(40, 0.0021, 9)
    metrics.committed(2, 0.9, 3)
    assert total(metrics, "farthing_in_flight") == 7
    assert total(metrics, "farthing_store_queue") == 3
    assert total(metrics, "farthing_store_rows_total") == 42
    assert total(metrics, "farthing_store_commit_seconds_bucket", le="0.003") == 1
    assert total(metrics, "farthing_store_commit_seconds_bucket", le="+Inf") == 2


def test_a_reload_keeps_the_counts_and_takes_the_names() -> None:
    metrics = Metrics(CONFIG)
    metrics.settled(exchange(), row(endpoint="new"))
    metrics.adopt(msgspec.structs.replace(CONFIG, endpoints={"new": Endpoint()}))
    metrics.settled(exchange(), row(endpoint="new"))
    assert total(metrics, "farthing_requests_total", endpoint="other") == 1
    assert total(metrics, "farthing_requests_total", endpoint="new") == 1


def test_callers_cannot_fill_the_memory() -> None:
    metrics = Metrics(CONFIG)
    for number in range(MEMO_ROWS + 100):
        metrics.settled(exchange(), row(endpoint=f"made-up-{number}"))
    assert len(metrics._bound) <= MEMO_ROWS
    assert total(metrics, "farthing_requests_total", endpoint="other") == MEMO_ROWS + 100


def test_two_apps_in_one_process_are_apart() -> None:
    one, two = Metrics(CONFIG), Metrics(CONFIG)
    one.settled(exchange(), ROW)
    assert total(two, "farthing_requests_total") == 0


def test_content_type() -> None:
    assert Metrics(CONFIG).render()[1] == "text/plain; version=0.0.4; charset=utf-8"
