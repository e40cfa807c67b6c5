"""Counters equal the ledger's rows, and no label comes from a caller."""

import random
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from farthing.config import Config, Endpoint, Service, Tiers
from farthing.core.account import SAVERS, Account
from farthing.core.engine import Crowd
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


def test_savings_equal_the_accounts_lever_by_lever() -> None:
    draw = random.Random(9)
    board = Board(2)
    workers = [Metrics(CONFIG, board, number) for number in range(2)]
    accounts = [
        Account(
            {lever: draw.randrange(-(10**10), 10**11) for lever in draw.sample(SAVERS, draw.randrange(5))},
            extra={purpose: draw.randrange(10**9) for purpose in draw.sample(["repair", "judge", "router"], draw.randrange(3))},
        )
        for _ in range(2000)
    ]
    for account in accounts:
        x = exchange()
        x.account = account
        draw.choice(workers).settled(x, row(endpoint=draw.choice(["faq", "default", "made-up"])))
    shown = workers[0].render()[0].decode()
    for lever in SAVERS:
        net = sum(one.saved.get(lever, 0) for one in accounts)
        assert picousd(shown, "farthing_saved_usd_total", lever) - picousd(shown, "farthing_lost_usd_total", lever) == net
        assert picousd(shown, "farthing_lost_usd_total", lever) == -sum(min(0, one.saved.get(lever, 0)) for one in accounts)
    assert picousd(shown, "farthing_extra_cost_usd_total", "judge") == sum(one.extra.get("judge", 0) for one in accounts)
    assert total(workers[0], "farthing_unaccounted_total") == 0


def picousd(text: str, family: str, label: str) -> Decimal:
    """The exact sum of a money family's lines that hold a label's value."""
    lines = [line for line in text.splitlines() if line.startswith(f"{family}{{") and f'="{label}"' in line]
    return sum((Decimal(line.split()[-1]) for line in lines), Decimal(0)) * 10**12


def test_requests_without_an_account_are_counted() -> None:
    metrics = Metrics(CONFIG)
    metrics.settled(exchange(), row(cost_picousd=None))
    metrics.settled(exchange(), row(baseline_cost_picousd=None))
    metrics.settled(exchange(), row(tokens_in=None, num_llm_calls=1, cost_picousd=None))
    metrics.settled(exchange(), row(tokens_in=None, num_llm_calls=0, cost_picousd=0, baseline_cost_picousd=None, outcome="refused"))
    assert total(metrics, "farthing_unaccounted_total", endpoint="faq") == 3


def test_errors_by_code() -> None:
    metrics = Metrics(CONFIG)
    metrics.settled(exchange(), ROW)
    metrics.settled(exchange(), row(error_code="budget_exceeded", outcome="refused", status=429))
    metrics.settled(exchange(), row(error_code="rate_limit_exceeded", outcome="refused", status=429))
    assert total(metrics, "farthing_errors_total") == 2
    assert total(metrics, "farthing_errors_total", endpoint="faq", code="budget_exceeded") == 1


def test_verdicts() -> None:
    metrics = Metrics(CONFIG)
    where = {"endpoint": "faq", "tier": "cheap", "cache": "miss"}
    metrics.judged(**where, source="judge", score=0.5, reference_score=0.75, cost_picousd=2_000_000, lever="route")
    metrics.judged(**where, source="judge", score=1.0)
    metrics.judged(**where, source="feedback", score=None)
    assert total(metrics, "farthing_judged_total", source="judge") == 2
    assert total(metrics, "farthing_judged_total", source="feedback") == 0
    assert total(metrics, "farthing_judged_score_total") == 1.5
    assert total(metrics, "farthing_compared_total") == 1
    assert total(metrics, "farthing_compared_score_total") == 0.5
    assert total(metrics, "farthing_compared_reference_score_total", **where) == 0.75
    assert total(metrics, "farthing_judgement_cost_usd_total", lever="route") == 0.000002


def test_the_guard_in_two_workers() -> None:
    board = Board(2)
    workers = [Metrics(CONFIG, board, number) for number in range(2)]
    for worker in workers:
        worker.guarded("faq", "route", lowered=True)
    assert total(workers[0], "farthing_lever_lowered", endpoint="faq", lever="route") == 2
    for worker in workers:
        worker.guarded("faq", "route", lowered=False)
    assert total(workers[0], "farthing_lever_lowered", endpoint="faq", lever="route") == 0
    assert total(workers[0], "farthing_guard_events_total", action="lowered") == 2
    assert total(workers[0], "farthing_guard_events_total", action="restored") == 2


def test_workers_that_begin_again_are_counted() -> None:
    board = Board(2)
    first, _, _ = Metrics(CONFIG, board, 0), Metrics(CONFIG, board, 1), Metrics(CONFIG, board, 1)
    assert total(first, "farthing_worker_starts_total") == 3


def test_dropped_telemetry() -> None:
    metrics = Metrics(CONFIG)
    metrics.dropped("traces", 40)
    assert total(metrics, "farthing_telemetry_dropped_total", signal="traces") == 40


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


def test_rooms_show_who_waits() -> None:
    metrics = Metrics(CONFIG)
    metrics.rooms({"openai": Crowd(4, 7, 4), "gone": Crowd(1, 1, 1)})
    assert [total(metrics, f"farthing_room_{what}", service="openai") for what in ("running", "waiting", "limit")] == [4, 7, 4]
    assert total(metrics, "farthing_room_waiting") == 7


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
