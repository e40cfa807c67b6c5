"""R2 and O1: the ledger's money equals an independent oracle, and the counters equal the ledger."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import Connection, get
from tests.fakes.upstream import FakeUpstream

# USD per million tokens: input, output, cached input. Odd on purpose, so that rounding would show.
PRICES = {
    "gpt-4o-mini": (Decimal("0.1537"), Decimal("0.6113"), Decimal("0.0719")),
    "gpt-4o": (Decimal("2.4999"), Decimal("10.0003"), Decimal("1.2501")),
    "claude-haiku-4-5": (Decimal("1.0007"), Decimal("4.9993"), Decimal("0.1003")),
}
FIELDS = ("input_usd_per_mtok", "output_usd_per_mtok", "cached_usd_per_mtok")
TABLES = "\n".join(
    f'[models."{name}"]\n' + "\n".join(f"{field} = {price}" for field, price in zip(FIELDS, row, strict=True)) for name, row in PRICES.items()
)
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")


@dataclass(slots=True)
class Asked:
    text: str
    request_id: str = ""
    status: int = 0
    cache: str = ""


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url, TABLES), env=UPSTREAM_ENV) as running:
        yield running


def _request(draw: random.Random, number: int) -> tuple[str, dict[str, object], Asked]:
    """One of many kinds; every fifth repeats one of forty questions, every twelfth fails."""
    seed = random.Random(number // 5 % 40) if number % 5 == 0 else draw
    path, model = seed.choice(PATHS), seed.choice(sorted(PRICES))
    text = seed.choice(["fail:500 ", "fail:400 ", "failonce:503 "]) if number % 12 == 1 else ""
    text += f"words:{seed.randint(1, 60)} cached:{seed.randint(0, 3)} reason:{seed.randint(0, 9)} "
    text += " ".join(seed.choices(["ship", "shore", "sail", "rope"], k=seed.randint(1, 30)))
    text += "" if number % 5 == 0 else f" only {number}"
    body: dict[str, object] = {"model": model, "stream": draw.random() < 0.5, "temperature": 0}
    body |= {"input": text} if path == "/v1/responses" else {"messages": [{"role": "user", "content": text}], "max_tokens": 200}
    return path, body, Asked(text)


async def _traffic(gateway: Gateway, count: int) -> list[Asked]:
    draw = random.Random(7)
    todo = iter([_request(draw, number) for number in range(count)])
    asked: list[Asked] = []

    async def client() -> None:
        async with Connection(gateway.port) as connection:
            for path, body, one in todo:
                await connection.send("POST", path, json.dumps(body).encode(), {"x-farthing-run": f"run {one.text}"})
                answer = await connection.answer()
                one.request_id, one.status = answer.headers["x-request-id"], answer.status
                one.cache = answer.headers.get("x-farthing-cache", "")
                asked.append(one)

    await asyncio.gather(*(client() for _ in range(12)))
    return asked


def _oracle(upstream: FakeUpstream) -> Decimal:
    """What the service would bill: every answer it gave, by its own count."""
    total = Decimal(0)
    for call in upstream.calls():
        plan = call.usage
        if plan is None:
            continue
        price_in, price_out, price_cached = PRICES[call.fields["model"]]
        total += (
            (plan.input_tokens - plan.cached_tokens) * price_in + plan.cached_tokens * price_cached + plan.output_tokens * price_out
        ) / 1_000_000
    return total


def _counters(text: str) -> dict[str, Counter[tuple[tuple[str, str], ...]]]:
    families: dict[str, Counter[tuple[tuple[str, str], ...]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            families.setdefault(sample.name, Counter())[tuple(sorted(sample.labels.items()))] += sample.value
    return families


def test_ledger_equals_oracle_and_counters(gateway: Gateway, upstream: FakeUpstream) -> None:
    asked = asyncio.run(_traffic(gateway, rounds(1500)))
    rows = gateway.rows()
    assert len(rows) == len(asked)
    assert {row["request_id"] for row in rows} == {one.request_id for one in asked}
    booked = Decimal(sum(row["cost_picousd"] for row in rows if row["cost_picousd"] is not None)) / 10**12
    billed = _oracle(upstream)
    hits = sum(row["cache"] in ("exact", "coalesced") for row in rows)
    figure("R2 money", f"ledger {booked} USD, oracle {billed} USD over {len(rows)} requests ({hits} reused, {len(upstream.calls())} calls)")
    assert hits
    assert abs(booked - billed) < Decimal("1e-9")
    assert all(row["cost_picousd"] == 0 for row in rows if row["cache"] in ("exact", "coalesced"))
    assert not [row for row in rows if row["usage_estimated"] and row["outcome"] == "ok"]
    assert gateway.query("select * from meters where held != 0") == []
    _compare_counters(rows, _counters(asyncio.run(get(gateway.port, "/metrics")).body.decode()))


def _compare_counters(rows: list[dict[str, object]], counters: dict[str, Counter[tuple[tuple[str, str], ...]]]) -> None:
    def total(name: str, **labels: str) -> float:
        return sum(value for found, value in counters[name].items() if set(labels.items()) <= set(found))

    requests = next(name for name in counters if name.endswith("requests_total"))
    cost = next(name for name in counters if name.endswith("cost_usd_total"))
    assert total(requests) == len(rows)
    for outcome, count in Counter(row["outcome"] for row in rows).items():
        assert total(requests, outcome=str(outcome)) == count
    spent = sum(int(str(row["cost_picousd"])) for row in rows if row["cost_picousd"] is not None) / 1e12
    assert abs(total(cost) - spent) < 1e-9
    figure("O1 telemetry", f"counters equal the ledger over {len(rows)} mixed requests")
