"""What people and programs see of a report."""

import io
import json
from pathlib import Path

from rich.console import Console

from farthing.lab.report import report
from farthing.lab.report_table import as_json, print_report
from tests.lab.test_report import write

ROUTED = '[{"lever":"route","action":"cheap","reason":"short","saved_usd":"0.000000009"}]'


def _printed(path: Path, by: tuple[str, ...] = ()) -> str:
    paper = io.StringIO()
    print_report(report(path, since=None, by=by), Console(file=paper, width=200))
    return paper.getvalue()


def test_tables_show_figures_groups_and_levers(tmp_path: Path) -> None:
    row = {"cost_picousd": 1000, "baseline_cost_picousd": 10_000, "decisions": ROUTED, "tokens_in": 40, "tokens_out": 9, "overhead_ms": 0.5}
    shown = _printed(write(tmp_path / "l.db", [row, {**row, "cache": "exact", "endpoint": "search"}]), ("endpoint",))
    assert "2 in 2 runs, 1.00 model calls per run" in shown
    assert "P50 0.500" in shown
    assert "miss 50.0%  exact 50.0%" in shown
    assert "(90.0% of 0)" in shown
    assert "0.009 per 1M requests; over 2 requests, 0 left out" in shown
    assert "by endpoint" in shown
    assert "search" in shown
    assert "by lever" in shown


def test_unknown_is_a_dash_and_unpriced_is_said(tmp_path: Path) -> None:
    shown = _printed(write(tmp_path / "l.db", [{"cost_picousd": None}]))
    assert "- in all, - per 1K requests, - per 1K runs; unpriced and left out: 1 requests, 1 runs" in shown
    assert "no request has both a cost and a baseline" in shown


def test_an_empty_window_is_said(tmp_path: Path) -> None:
    assert "No request in this window." in _printed(write(tmp_path / "l.db", []))


def test_json_keeps_money_exact_and_unknown_null(tmp_path: Path) -> None:
    found = json.loads(as_json(report(write(tmp_path / "l.db", [{"cost_picousd": 1, "baseline_cost_picousd": 2}]), by=("tier",))))
    assert found["total"]["cost"]["total_usd"] == "0.000000000001"
    assert found["total"]["savings"]["per_1m_usd"] == "0.000001"
    assert found["total"]["first_token_ms"]["p50"] is None
    assert found["groups"][0]["of"] == {"tier": "cheap"}
