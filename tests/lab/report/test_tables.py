"""What people and programs see of a report."""

import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from farthing.lab.report import report
from farthing.lab.report.export import as_json
from farthing.lab.report.tables import print_report
from tests.fakes.ledger import write


def _printed(path: Path, by: tuple[str, ...] = ()) -> str:
    paper = io.StringIO()
    print_report(report(path, since=None, by=by), Console(file=paper, width=200))
    return paper.getvalue()


def test_tables_show_figures_and_groups(tmp_path: Path) -> None:
    account = '{"saved":{"route":9000}}'
    row = {"cost_picousd": 1000, "baseline_cost_picousd": 10_000, "account": account, "tokens_in": 40, "tokens_out": 9, "overhead_ms": 0.5}
    shown = _printed(write(tmp_path / "l.db", [row, {**row, "cache": "exact", "endpoint": "search"}]), ("endpoint",))
    assert "2 in 2 runs, 1.00 model calls per run" in shown
    assert "P50 0.500" in shown
    assert "miss 50.0%  exact 50.0%" in shown
    assert "by endpoint" in shown
    assert "saved by lever, USD per 1K requests" in shown
    assert re.search(r"^search +0\.000009000 +0\.000009000$", shown, re.MULTILINE)


def test_the_account_is_shown_as_steps_that_add_up_as_they_are_written(tmp_path: Path) -> None:
    rows = [
        {"cost_picousd": 11_333_333, "baseline_cost_picousd": 33_444_444, "account": '{"saved":{"cache":22222222,"check":-111111}}'},
        {"cost_picousd": 1_777_777, "baseline_cost_picousd": 2_888_888},
    ]
    shown = _printed(write(tmp_path / "l.db", rows))
    lines = {
        name: Decimal(found[1])
        for name in (
            "would have paid",
            "cache: answers reused",
            "check: valid answers (a loss)",
            "not split: 1 old requests",
            "paid",
            "saved",
        )
        if (found := re.search(rf"^ *{re.escape(name)} +(-?[\d.]+) ", shown, re.MULTILINE))
    }
    would, cache, check, unsplit, paid, saved = lines.values()
    assert would + cache + check + unsplit == paid
    assert would - paid == saved
    assert (cache < 0, check > 0, unsplit < 0) == (True, True, True)
    assert (would, saved) == (Decimal("0.000036333"), Decimal("0.000023222"))


def test_unknown_is_a_dash_and_unpriced_is_said(tmp_path: Path) -> None:
    shown = _printed(write(tmp_path / "l.db", [{"cost_picousd": None}]))
    assert "- in all, - per 1K requests, - per 1K runs; unpriced and left out: 1 requests, 1 runs" in shown
    assert "No request has both a cost and a baseline" in shown
    assert "where the money went" not in shown


def test_what_was_left_out_of_the_spending_is_said(tmp_path: Path) -> None:
    assert "spent (1 unpriced requests left out)" in _printed(write(tmp_path / "l.db", [{"cost_picousd": None}, {"cost_picousd": 5}]))


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_nothing_is_wider_than_the_screen_and_what_adds_up_stays(tmp_path: Path, width: int) -> None:
    account = '{"saved":{"cache":1000,"route":2000,"diet":3000,"output":3000},"low":{"cache":500},"high":{"cache":5000}}'
    row = {"cost_picousd": 1000, "baseline_cost_picousd": 10_000, "account": account, "tokens_in": 123_456_789, "tokens_out": 9}
    path = write(tmp_path / "l.db", [{**row, "endpoint": endpoint} for endpoint in ("customer-support", "search")])
    paper = io.StringIO()
    print_report(report(path, by=("endpoint", "tier")), Console(file=paper, width=width))
    lines = paper.getvalue().splitlines()[1:]  # the store's path is whole on any screen
    assert max(map(len, lines)) <= width
    assert [word for word in ("cache", "route", "diet", "output", "in all") if word not in paper.getvalue()] == []
    assert "…" not in paper.getvalue()


def test_an_empty_window_is_said(tmp_path: Path) -> None:
    assert "No request in this window." in _printed(write(tmp_path / "l.db", []))


def test_json_keeps_money_exact_and_unknown_null(tmp_path: Path) -> None:
    found = json.loads(as_json(report(write(tmp_path / "l.db", [{"cost_picousd": 1, "baseline_cost_picousd": 2}]), by=("tier",))))
    assert found["total"]["cost"]["total_usd"] == "0.000000000001"
    assert found["total"]["savings"]["per_1m_usd"] == "0.000001"
    assert found["total"]["first_token_ms"]["p50"] is None
    assert found["groups"][0]["of"] == {"tier": "cheap"}
