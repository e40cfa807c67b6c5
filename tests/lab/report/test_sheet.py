"""The page: self-contained, with the figures of the report in it, whatever names hold."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from farthing.lab.report import report
from farthing.lab.report.sheet import as_html
from tests.fakes.ledger import write
from tests.lab.report.test_account import judge, row

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    rows = [
        row(
            1000 + n,
            300,
            {"saved": {"route": 800 + n, "check": -100}, "low": {"route": 700 + n}, "high": {"route": 900 + n}},
            endpoint=f"{EVIL}{n % 2}",
        )
        for n in range(20)
    ]
    return judge(write(tmp_path / "l.db", rows), [{"request_id": f"req_{n}", "score": 0.8 + n / 100, "reference_score": 0.9} for n in range(20)])


def _charts(html: str) -> list[dict[str, Any]]:
    found = re.findall(r'<script type="application/json" id="[^"]+">(.*?)</script>', html, re.DOTALL)
    return [json.loads(chart) for chart in found]


def test_the_waterfall_goes_from_the_baseline_to_what_was_paid(store: Path) -> None:
    figures = report(store, by=("endpoint",))
    waterfall = next(chart for chart in _charts(as_html(figures)) if chart["type"] == "waterfall")
    account = figures.total.account
    assert account is not None
    assert waterfall["start"] == float(account.baseline_usd)
    assert waterfall["start"] - sum(step["saved"] for step in waterfall["steps"]) == pytest.approx(float(account.paid_usd))
    route, check = waterfall["steps"]
    assert route["low"] < route["saved"] < route["high"]
    assert (check["name"], check["saved"] < 0) == ("check: valid answers (a loss)", True)


def test_every_table_and_chart_is_there_and_nothing_comes_from_elsewhere(store: Path) -> None:
    html = as_html(report(store, by=("endpoint",)))
    assert sorted(chart["type"] for chart in _charts(html)) == ["bars", "bars", "bars", "waterfall"]
    for title in (
        "what you would have paid",
        "where the money went",
        "saved by lever, USD per 1K requests",
        "quality of answers",
        "Speed and traffic",
    ):
        assert title in html
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', html) == []
    assert EVIL not in html


def test_the_same_store_gives_the_same_bytes(store: Path) -> None:
    assert as_html(report(store)) == as_html(report(store))


@pytest.mark.parametrize(
    "rows", [[], [{"cost_picousd": None}], [{}, {"baseline_cost_picousd": 5, "cost_picousd": 9}], [row(0, 0, {"saved": {"cache": 0}})]]
)
def test_little_or_nothing_known_is_a_page_too(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    figures = report(write(tmp_path / "l.db", rows), by=("endpoint", "tier"))
    assert as_html(figures).endswith("</html>\n")
