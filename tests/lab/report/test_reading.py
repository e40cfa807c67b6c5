"""The report against figures that are worked out by hand, or by an independent oracle."""

import random
import statistics
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.config import Store
from farthing.core.errors import ConfigError, StoreUnavailable
from farthing.lab.report import report
from farthing.stores.sqlite import database
from tests.fakes.ledger import write

NANO = 1_000  # picodollars in a nanodollar


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_an_empty_ledger_knows_nothing(path: Path) -> None:
    figures = report(write(path, []), by=("tier",))
    assert (figures.total.requests, figures.groups, figures.claims, figures.quality, figures.total.account) == (0, (), (), (), None)
    assert figures.total.cost.total_usd is None
    assert figures.total.savings.saved_usd is None
    assert figures.total.latency_ms.p99 is None
    assert figures.total.hit_ratio is None


def test_quantiles_are_values_at_nearest_rank(path: Path) -> None:
    values = [float(value) for value in range(1, 201)]
    random.Random(7).shuffle(values)
    spread = report(write(path, [{"latency_total_ms": value} for value in values])).total.latency_ms
    assert (spread.p50, spread.p90, spread.p99, spread.max, spread.average, spread.counted) == (100.0, 180.0, 198.0, 200.0, 100.5, 200)


def test_a_time_that_is_unknown_is_not_counted_as_zero(path: Path) -> None:
    total = report(write(path, [{"first_token_ms": 5.0, "overhead_ms": None}, {"first_token_ms": None, "overhead_ms": None}])).total
    assert (total.first_token_ms.counted, total.first_token_ms.average, total.overhead_ms.average) == (1, 5.0, None)


def test_unknown_cost_is_left_out_and_counted(path: Path) -> None:
    rows = [{"cost_picousd": 3 * NANO, "run_id": "a"}, {"cost_picousd": None, "run_id": "a"}, {"cost_picousd": 5 * NANO, "run_id": "b"}]
    cost = report(write(path, rows)).total.cost
    assert cost.total_usd == Decimal("0.000000008")
    assert (cost.unpriced, cost.unpriced_runs) == (1, 1)
    assert cost.per_1k_requests_usd == Decimal("0.000004")
    assert cost.per_1k_runs_usd == Decimal("0.000005")


def test_savings_count_only_rows_with_both_figures(path: Path) -> None:
    rows = [
        {"cost_picousd": 1 * NANO, "baseline_cost_picousd": 10 * NANO},
        {"cost_picousd": 0, "baseline_cost_picousd": 10 * NANO},
        {"cost_picousd": 7 * NANO, "baseline_cost_picousd": None},
        {"cost_picousd": None, "baseline_cost_picousd": 10 * NANO},
    ]
    savings = report(write(path, rows)).total.savings
    assert (savings.counted, savings.left_out) == (2, 2)
    assert (savings.saved_usd, savings.baseline_usd, savings.cost_usd) == (Decimal("0.000000019"), Decimal("0.00000002"), Decimal("0.000000001"))
    assert savings.saved_ratio == pytest.approx(0.95)
    assert (savings.per_1k_usd, savings.per_100k_usd, savings.per_1m_usd) == (Decimal("0.0000095"), Decimal("0.00095"), Decimal("0.0095"))


def test_a_loss_is_a_negative_saving(path: Path) -> None:
    savings = report(write(path, [{"cost_picousd": 5 * NANO, "baseline_cost_picousd": 2 * NANO}])).total.savings
    assert savings.saved_usd == Decimal("-0.000000003")


def test_sums_beyond_64_bits_stay_exact(path: Path) -> None:
    rows = [{"cost_picousd": 2**62 + n, "run_id": f"r{n}", "baseline_cost_picousd": 2**62} for n in range(5)]
    total = report(write(path, rows)).total
    assert total.cost.total_usd == Decimal(5 * 2**62 + 10) / 10**12
    assert total.savings.saved_usd == Decimal(-10) / 10**12


def test_groups_hold_their_own_rows_and_the_total_holds_all(path: Path) -> None:
    rows = [
        {"endpoint": "faq", "model_tier": "cheap", "run_id": "a", "cost_picousd": NANO},
        {"endpoint": "faq", "model_tier": None, "run_id": "a", "cost_picousd": NANO, "num_llm_calls": 0, "cache": "exact"},
        {"endpoint": "search", "model_tier": "expensive", "run_id": "a", "cost_picousd": 4 * NANO, "num_llm_calls": 2},
        {"endpoint": "faq", "model_tier": "cheap", "run_id": "b", "cost_picousd": NANO},
    ]
    figures = report(write(path, rows), by=("endpoint", "tier"))
    found = {(group.of["endpoint"], group.of["tier"]): (group.requests, group.runs, group.calls) for group in figures.groups}
    assert found == {("faq", "cheap"): (2, 2, 2), ("faq", None): (1, 1, 0), ("search", "expensive"): (1, 1, 2)}
    assert figures.groups[0].of == {"endpoint": "faq", "tier": "cheap"}
    total = figures.total
    assert (total.requests, total.runs, total.calls, total.calls_per_run) == (4, 2, 4, 2.0)
    assert total.cost.per_1k_runs_usd == Decimal("0.0000035")
    assert total.tiers == {"cheap": 2, "none": 1, "expensive": 1}


def test_hits_errors_and_truncated_are_counted(path: Path) -> None:
    rows = [{"cache": kind} for kind in ("exact", "coalesced", "miss", "bypass")]
    rows += [{"error_code": "upstream_timeout", "outcome": "upstream_error"}, {"truncated": "absolute_tokens"}]
    total = report(write(path, rows)).total
    assert total.cache == {"miss": 3, "exact": 1, "coalesced": 1, "bypass": 1}
    assert total.hit_ratio == pytest.approx(2 / 6)
    assert (total.errors, total.truncated) == ({"upstream_timeout": 1}, 1)


def test_the_window_holds_its_start_and_not_its_end(path: Path) -> None:
    write(path, [{"received_at": float(second)} for second in range(10)])
    assert report(path, since=2.0, until=5.0).total.requests == 3
    assert report(path, since=9.5).total.requests == 0
    assert [group.of["day"] for group in report(path, by=("day",)).groups] == ["1970-01-01"]


def test_decisions_say_which_levers_spared_tokens_or_failed_open(path: Path) -> None:
    cache = '{"lever":"cache","action":"exact","reason":"seen","saved_usd":"0.000000000001","saved_tokens":12}'
    route = '{"lever":"route","action":"cheap","reason":"short","saved_usd":"0.1"}'
    broken = '{"lever":"diet","action":"none","reason":"boom","failed_open":true}'
    torn = '[{"lever":"diet","failed_open":tr'
    rows = [{"decisions": f"[{cache},{broken}]"}, {"decisions": f"[{cache},{route}]"}, {"decisions": torn}, {"decisions": None}]
    claims = report(write(path, rows)).claims
    assert [(line.lever, line.saved_tokens, line.failed_open) for line in claims] == [("cache", 24, 0), ("diet", None, 1)]


def test_reading_changes_nothing_and_works_beside_a_writer(path: Path) -> None:
    write(path, [{}])
    with closing(database.connect(Store(path=str(path)))) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM requests")
        assert report(path).total.requests == 1
        writer.execute("ROLLBACK")


def test_wrong_files_and_groups_say_what_to_do(tmp_path: Path, path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no store at .*farthing serve"):
        report(tmp_path / "absent.db")
    with pytest.raises(ConfigError, match="There is no store at"):
        report(tmp_path)
    with pytest.raises(ConfigError, match=r"Cannot group by colour\. Choose from endpoint, tier"):
        report(write(path, []), by=("colour",))
    no_store = tmp_path / "notes.txt"
    no_store.write_text("not a database, but long enough to be read as one " * 10)
    with pytest.raises(StoreUnavailable, match=r"Cannot read a ledger from .*notes\.txt"):
        report(no_store)


def _rows(draw_from: random.Random) -> Iterator[dict[str, Any]]:
    for _ in range(draw_from.randrange(1, 60)):
        yield {
            "run_id": f"run_{draw_from.randrange(8)}",
            "endpoint": draw_from.choice(["a", "b", None]),
            "cost_picousd": draw_from.choice([None, 0, draw_from.randrange(10**12)]),
            "baseline_cost_picousd": draw_from.choice([None, draw_from.randrange(10**12)]),
            "latency_total_ms": draw_from.uniform(0, 1000),
            "num_llm_calls": draw_from.randrange(3),
            "tokens_in": draw_from.choice([None, draw_from.randrange(5000)]),
            "tokens_out": draw_from.randrange(500),
        }


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_it_agrees_with_plain_python(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rows = list(_rows(random.Random(seed)))
    figures = report(write(tmp_path_factory.mktemp("oracle") / "ledger.db", rows), by=("endpoint",))
    for group in (figures.total, *figures.groups):
        mine = [row for row in rows if not group.of or row["endpoint"] == group.of["endpoint"]]
        both = [row for row in mine if row["cost_picousd"] is not None and row["baseline_cost_picousd"] is not None]
        known = [row["cost_picousd"] for row in mine if row["cost_picousd"] is not None]
        assert (group.requests, group.calls) == (len(mine), sum(row["num_llm_calls"] for row in mine))
        assert group.runs == len({row["run_id"] for row in mine})
        assert group.cost.total_usd == (Decimal(sum(known)) / 10**12 if known else None)
        assert group.savings.counted == len(both)
        assert group.tokens.input == sum(row["tokens_in"] or 0 for row in mine)
        assert group.tokens.unknown == sum(row["tokens_in"] is None for row in mine)
        assert group.latency_ms.p50 == statistics.median_low(row["latency_total_ms"] for row in mine)
        priced = _priced_runs(mine)
        assert group.cost.unpriced_runs == group.runs - len(priced)
        if priced:
            assert group.cost.per_1k_runs_usd == (Decimal(sum(priced)) * 1000 / 10**12 / len(priced)).quantize(Decimal(1).scaleb(-12))


def _priced_runs(rows: list[dict[str, Any]]) -> list[int]:
    runs: dict[str, list[int | None]] = {}
    for row in rows:
        runs.setdefault(row["run_id"], []).append(row["cost_picousd"])
    return [sum(cost for cost in costs if cost is not None) for costs in runs.values() if None not in costs]
