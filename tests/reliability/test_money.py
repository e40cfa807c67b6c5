"""R2 and O1: the ledger's money equals an independent oracle, lever by lever, and the counters equal the ledger."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import get
from tests.fakes.script import STEER
from tests.fakes.upstream import FakeUpstream
from tests.reliability.oracle import REUSED, TABLES, Billed, Expected, billed_by_id, expect
from tests.reliability.traffic import ENDPOINTS, MIX, Asked, requests, send_all

PICO = 10**12
NANO_USD = 1000  # picodollars
CONFIG = f"""
{TABLES}
{ENDPOINTS}
[resilience]
breaker_failures = 1000000
retry_ratio = 1.0
"""


class Run:
    """The traffic, once, and everything that was written about it."""

    def __init__(self, gateway: Gateway, upstream: FakeUpstream, count: int) -> None:
        self.asked = requests(count)
        asyncio.run(send_all(gateway.port, self.asked))
        self.rows = {row["request_id"]: row for row in gateway.rows()}
        self.calls = upstream.calls()
        self.billed = billed_by_id(self.calls)
        self.metrics = asyncio.run(get(gateway.port, "/metrics")).body.decode()
        self.held = gateway.query("select * from meters where held != 0")

    def expected(self, one: Asked) -> Expected:
        return expect(self.rows[one.request_id], self.billed.get(identity(one), []) if one.kind != "again" else self.again(one), named=one.model)

    def again(self, one: Asked) -> list[Billed]:
        """One of the calls of a repeated question: they are alike."""
        return self.billed[identity(one)][:1]


def identity(one: Asked) -> int:
    return int(dict(STEER.findall(one.text))["id"])


@pytest.fixture(scope="module")
def run(upstream: FakeUpstream) -> Iterator[Run]:
    # The models of the cheap tier: when the first fails the next one answers.
    config = upstream_config(upstream.base_url, CONFIG).replace(
        'cheap = ["openai/gpt-4o-mini"]', 'cheap = ["openai/gpt-4o-mini", "chatonly/llama-small"]'
    )
    with Gateway(config, env=UPSTREAM_ENV, workers=2) as gateway:
        yield Run(gateway, upstream, rounds(10_000))


def test_every_kind_of_request_was_there(run: Run) -> None:
    rows = list(run.rows.values())
    assert {one.kind for one in run.asked} == MIX.keys()
    assert {row["cache"] for row in rows} >= {"miss", "exact", "coalesced"}
    assert {row["outcome"] for row in rows} >= {"ok", "upstream_error", "invalid_answer", "refused"}
    assert any("failover" in row["decisions"] for row in rows)
    assert {purpose for row in rows for purpose in json.loads(row["account"] or "{}").get("extra", {})} == {"repair", "escalate", "retry"}
    assert any(row["cost_picousd"] is None for row in rows)
    assert {lever for row in rows for lever in json.loads(row["account"] or '{"saved":{}}')["saved"]} >= {"cache", "route", "diet", "output", "check"}


def test_each_request_has_one_row(run: Run) -> None:
    assert run.rows.keys() == {one.request_id for one in run.asked}
    assert len(run.rows) == len(run.asked)
    assert run.held == []


def test_the_ledger_equals_the_oracle(run: Run) -> None:
    worst = Fraction(0)
    for one in run.asked:
        row, expected = run.rows[one.request_id], run.expected(one)
        assert (row["cost_picousd"] is None) == (expected.cost is None), (one, row)
        if expected.cost is None:
            continue
        worst = max(worst, _off(row["cost_picousd"], expected.cost))
        if expected.estimated or one.kind == "short":
            continue
        assert (row["baseline_cost_picousd"] is None) == (expected.baseline is None), (one, row)
        if expected.baseline is not None:
            worst = max(worst, _off(row["baseline_cost_picousd"], expected.baseline))
            saved = json.loads(row["account"])["saved"]
            assert {lever for lever, part in saved.items() if part} == {lever for lever, part in expected.saved.items() if part}, (one, row)
            worst = max([worst, *(_off(saved[lever], part) for lever, part in expected.saved.items() if part)])
    spent = sum(row["cost_picousd"] or 0 for row in run.rows.values())
    said = f"{len(run.rows)} requests, {len(run.calls)} calls, {Decimal(spent) / PICO} USD"
    figure("R2 money", f"{said}: cost, baseline and each lever's part are the oracle's, {float(worst) * 1e-12:.1e} USD off at most")
    assert worst <= NANO_USD


def _off(picousd: int, usd: Fraction) -> Fraction:
    """Picodollars between the book and the truth."""
    return abs(picousd - usd * PICO)


def test_the_whole_bill_is_in_the_book(run: Run) -> None:
    """By question: what the service billed for it is what its rows say, however many shared a call."""
    booked: Counter[int] = Counter()
    unknown: set[int] = set()
    for one in run.asked:
        row = run.rows[one.request_id]
        booked[identity(one)] += row["cost_picousd"] or 0
        if row["cost_picousd"] is None or row["usage_estimated"]:
            unknown.add(identity(one))
    off = [
        _off(booked[number], sum((call.usd for call in calls if call.usd is not None), Fraction(0)))
        for number, calls in run.billed.items()
        if number not in unknown
    ]
    assert len(off) > len(run.asked) // 3
    assert max(off) <= NANO_USD
    assert all(row["cost_picousd"] == 0 for row in run.rows.values() if row["cache"] in REUSED)


def test_parts_add_up(run: Run) -> None:
    accounts = 0
    for row in run.rows.values():
        if row["account"] is None:
            # Nothing was saved of what is unknown, or of what was never answered.
            assert row["cost_picousd"] is None or row["baseline_cost_picousd"] is None
            continue
        accounts += 1
        account = json.loads(row["account"])
        assert sum(account["saved"].values()) == row["baseline_cost_picousd"] - row["cost_picousd"]
        for lever, low in account.get("low", {}).items():
            assert low <= account["saved"][lever] <= account["high"][lever]
    cut = [json.loads(run.rows[one.request_id]["account"]) for one in run.asked if one.kind == "short"]
    assert any(account.get("high", {}).get("output", 0) > 0 for account in cut)  # a dialect that must name a limit is not cut by ours
    figure("R2 parts", f"the parts of {accounts} accounts add up to baseline less cost, to the picodollar")


def test_nothing_that_answered_whole_is_estimated(run: Run) -> None:
    assert [row for row in run.rows.values() if row["usage_estimated"] and row["outcome"] == "ok"] == []


def _counters(text: str) -> dict[str, list[tuple[dict[str, str], Decimal]]]:
    """Every counter's lines: labels and the exact number."""
    found: dict[str, list[tuple[dict[str, str], Decimal]]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        head, _, number = line.rpartition(" ")
        name, _, inside = head.partition("{")
        labels = dict(pair.split("=", 1) for pair in inside.rstrip("}").replace('"', "").split(",") if pair)
        found.setdefault(name, []).append((labels, Decimal(number)))
    return found


def _by(lines: list[tuple[dict[str, str], Decimal]], *names: str) -> dict[tuple[str, ...], Decimal]:
    """Sums of a counter by some of its labels; zeros left out."""
    sums: Counter[tuple[str, ...]] = Counter()
    for labels, number in lines:
        sums[tuple(labels[name] for name in names)] += number  # type: ignore[assignment]
    return {key: Decimal(value) for key, value in sums.items() if value}


def _ledger(rows: list[Mapping[str, Any]], value: Any, *names: str) -> dict[tuple[str, ...], Decimal]:
    """The same sums over the ledger's rows. Endpoints that nobody declared are `other` to Prometheus, so are unknown models."""
    sums: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        known = {**row, "endpoint": "other" if row["endpoint"] == "made-up" else row["endpoint"], "model": row["model_name"] or "none"}
        known |= {
            "model": "other" if known["model"] == "gpt-of-unknown-price" else known["model"],
            "tier": row["model_tier"] or "none",
            "kind": row["cache"],
        }
        sums[tuple(str(known[name]) for name in names)] += value(row) or 0
    return {key: Decimal(number) for key, number in sums.items() if number}


def test_the_counters_equal_the_ledger(run: Run) -> None:
    counters, rows = _counters(run.metrics), list(run.rows.values())

    def money(name: str, *labels: str) -> dict[tuple[str, ...], Decimal]:
        return {key: number * PICO for key, number in _by(counters[name], *labels).items()}

    def one(_row: Mapping[str, Any]) -> int:
        return 1

    labels = ("endpoint", "dialect", "tier", "model", "outcome", "status")
    assert _by(counters["farthing_requests_total"], *labels) == _ledger(rows, one, *labels)
    assert _by(counters["farthing_cache_total"], "kind") == _ledger(rows, one, "kind")
    assert money("farthing_cost_usd_total", "endpoint", "tier", "model") == _ledger(
        rows, lambda row: row["cost_picousd"], "endpoint", "tier", "model"
    )
    assert money("farthing_baseline_cost_usd_total", "endpoint") == _ledger(rows, lambda row: row["baseline_cost_picousd"], "endpoint")
    failed = [row for row in rows if row["error_code"]]
    assert _by(counters["farthing_errors_total"], "endpoint", "code") == _ledger(
        [{**row, "code": row["error_code"]} for row in failed], one, "endpoint", "code"
    )
    for kind, column in {"input": "tokens_in", "output": "tokens_out", "cached": "tokens_cached", "reasoning": "tokens_reasoning"}.items():
        shown = [(labels, number) for labels, number in counters["farthing_tokens_total"] if labels["kind"] == kind]
        assert _by(shown, "tier", "model") == _ledger(rows, lambda row, column=column: row[column], "tier", "model")
    assert sum(number for _, number in counters["farthing_unpriced_total"]) == sum(row["cost_picousd"] is None for row in rows)
    figure("O1 telemetry", f"requests, errors, tokens, cache and money counted equal the ledger over {len(rows)} mixed requests")


def test_savings_counted_equal_the_ledger(run: Run) -> None:
    counters = _counters(run.metrics)
    accounted = [row for row in run.rows.values() if row["account"]]
    levers: list[Mapping[str, Any]] = [
        {**row, "lever": lever, "part": part} for row in accounted for lever, part in json.loads(row["account"])["saved"].items()
    ]
    saved = {key: number * PICO for key, number in _by(counters["farthing_saved_usd_total"], "endpoint", "lever").items()}
    lost = {key: number * PICO for key, number in _by(counters["farthing_lost_usd_total"], "endpoint", "lever").items()}
    assert saved == _ledger(levers, lambda row: max(0, row["part"]), "endpoint", "lever")
    assert lost == _ledger(levers, lambda row: max(0, -row["part"]), "endpoint", "lever")
    assert lost
    extra: list[Mapping[str, Any]] = [
        {**row, "purpose": purpose, "part": part} for row in accounted for purpose, part in json.loads(row["account"]).get("extra", {}).items()
    ]
    shown = {key: number * PICO for key, number in _by(counters["farthing_extra_cost_usd_total"], "purpose").items()}
    assert shown == _ledger(extra, lambda row: row["part"], "purpose")
    net = sum(saved.values()) - sum(lost.values())
    assert net == sum(row["baseline_cost_picousd"] - row["cost_picousd"] for row in accounted)
    figure(
        "O1 savings",
        f"savings of {len({lever for _, lever in saved | lost})} levers counted equal {len(accounted)} accounts, {net / PICO:.6f} USD in all",
    )
