"""Arms compared: figures by hand, and intervals that survive being looked at all the time."""

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from farthing.config import Store
from farthing.core.errors import ConfigError
from farthing.core.judgement import Judgement
from farthing.core.ledger import LedgerRow
from farthing.lab.quality.arms import FEWEST_RUNS, compare_arms, difference
from farthing.lab.quality.arms_table import print_arms
from farthing.stores.sqlite import database
from farthing.stores.sqlite.judgements import insert
from farthing.stores.sqlite.rows import insert_requests

PLAIN: dict[str, Any] = {**dict.fromkeys(LedgerRow.__struct_fields__), "endpoint": "faq", "latency_total_ms": 10.0}


def write(path: Path, rows: list[dict[str, Any]], scores: dict[str, float] | None = None) -> Path:
    store = Store(path=str(path / "farthing.db"))
    database.prepare(store)
    with closing(database.connect(store)) as connection:
        insert_requests(connection, [tuple({**PLAIN, "request_id": f"req_{number}", **row}.values()) for number, row in enumerate(rows)])
        for request, score in (scores or {}).items():
            row = next(row for number, row in enumerate(rows) if f"req_{number}" == request)
            insert(connection, Judgement(request, 1.0, "judge", score=score, reference_score=0.8, experiment=row["experiment"]))
    return path / "farthing.db"


def runs(arm: str, costs: list[int], calls: int = 2) -> list[dict[str, Any]]:
    """Each run makes so many calls of this cost."""
    return [{"experiment": arm, "run_id": f"{arm}{number}", "cost_picousd": cost} for number, cost in enumerate(costs) for _ in range(calls)]


def test_figures_are_by_run_and_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    rows = [*runs("x=b", [10**9] * 40), *runs("x=a", [3 * 10**9] * 50, 1), *runs("xy=a", [1] * 9), {"experiment": None, "run_id": "z"}]
    rows.append({"experiment": "x=a", "run_id": "unpriced", "cost_picousd": None, "latency_total_ms": 500.0})
    found = compare_arms(write(tmp_path, rows, {"req_0": 0.4, "req_2": 0.8}), "x", ("b", "a"))
    first, other = found.arms
    assert (first.name, first.runs, first.requests, first.unpriced_runs) == ("b", 40, 80, 0)
    assert (other.name, other.runs, other.requests, other.unpriced_runs) == ("a", 51, 51, 1)
    assert first.cost_per_run_usd is not None
    assert first.cost_per_run_usd.value == pytest.approx(0.002)
    assert (first.latency_p50_ms, first.quality.pairs, first.quality.ratio) == (10.0, 2, pytest.approx(0.75))
    assert other.cost_difference_usd is not None
    assert other.cost_difference_usd.value == pytest.approx(0.001)
    assert other.cost_difference_usd.decided
    assert (first.cost_difference_usd, other.score_difference) == (None, None)


def test_few_runs_decide_nothing(tmp_path: Path) -> None:
    found = compare_arms(write(tmp_path, [*runs("x=a", [1] * 5), *runs("x=b", [10**12] * 5)]), "x")
    assert found.arms[1].cost_difference_usd is not None
    assert not found.arms[1].cost_difference_usd.decided


def test_looking_all_the_time_is_safe_where_nothing_differs() -> None:
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(200):
        one, two = rng.lognormal(0, 1, (2, 2000))
        wrong += any((found := difference(one[:many], two[:many])) is not None and found.decided for many in range(FEWEST_RUNS, 2001, 50))
    assert wrong <= 10


def test_a_difference_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    found = difference(rng.normal(1.0, 0.3, 500), rng.normal(1.2, 0.3, 500))
    assert found is not None
    assert found.decided
    assert found.low is not None
    assert found.low < -0.2 < (found.high or 0)
    del tmp_path


def test_the_table_says_whether_one_may_stop(tmp_path: Path) -> None:
    rows = [*runs("x=a", [10**9 + number for number in range(100)]), *runs("x=b", [5 * 10**9 + number for number in range(100)])]
    out = io.StringIO()
    print_arms(compare_arms(write(tmp_path, rows), "x"), Console(file=out, width=200))
    assert "b cost: +8 USD per 1K runs" in out.getvalue()
    assert "decided: you may stop" in out.getvalue()
    assert "b latency: +0 ms a request (+0 to +0), not decided: go on" in out.getvalue()
    assert "b score: unknown" in out.getvalue()


def test_an_experiment_that_nobody_took_part_in_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="experiment 'none'"):
        compare_arms(write(tmp_path, runs("x=a", [1])), "none")
