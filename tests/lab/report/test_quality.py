"""Quality beside the savings, and what interactions earn."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from farthing.lab.report import report
from farthing.lab.statistics import wilson
from tests.fakes.ledger import write
from tests.lab.report.test_account import PICO, judge


def test_quality_stands_by_group_and_lever(tmp_path: Path) -> None:
    rows = [{"model_tier": "cheap"}, {"model_tier": "cheap", "cache": "exact"}, {"model_tier": "expensive"}, {"model_tier": "cheap"}]
    path = write(tmp_path / "l.db", rows)
    judge(
        path,
        [
            {"request_id": "req_0", "score": 0.8, "reference_score": 1.0},
            {"request_id": "req_1", "score": 1.0, "source": "feedback"},
            {"request_id": "req_2", "score": 0.5},
            {"request_id": "req_3", "score": 0.6, "reference_score": 0.6},
            {"request_id": "req_3", "score": 0.1, "lever": "diet"},
            {"request_id": "req_3", "score": None, "label": "funny"},
        ],
    )
    found = {(line.of.get("tier"), line.lever): line for line in report(path, by=("tier",)).quality}
    assert set(found) == {
        (None, "route"),
        (None, "cache"),
        (None, None),
        (None, "diet"),
        ("cheap", "route"),
        ("cheap", "cache"),
        ("expensive", None),
        ("cheap", "diet"),
    }
    route = found[("cheap", "route")]
    assert (route.verdicts, route.compared, route.score, route.ratio) == (2, 2, pytest.approx(0.7), pytest.approx(1.4 / 1.6))
    assert (route.score_low, route.score_high) == pytest.approx(wilson(1.4, 2))
    assert [found[("cheap", lever)].source for lever in ("cache", "route")] == ["feedback", "judge"]
    assert (found[(None, "cache")].ratio, found[(None, None)].score) == (None, 0.5)


def test_the_same_lever_has_a_line_for_each_who_judges(tmp_path: Path) -> None:
    path = judge(
        write(tmp_path / "l.db", [{}]), [{"request_id": "req_0", "source": source, "score": 1.0} for source in ("judge", "feedback", "judge")]
    )
    assert [(line.source, line.verdicts) for line in report(path).quality] == [("judge", 2), ("feedback", 1)]


def test_what_the_guard_turned_down_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "l.db", [{}])
    with closing(sqlite3.connect(path)) as connection:
        stances = [("faq", "route", '{"phase":"down"}'), ("chat", "cache", '{"phase":"on"}'), ("faq", "cache", '{"phase":"trial"}')]
        connection.executemany("INSERT INTO quality_stances VALUES (?, ?, ?)", stances)
        connection.commit()
    assert report(path).notes == (
        "The quality guard has turned down cache on endpoint faq (phase: trial).",
        "The quality guard has turned down route on endpoint faq (phase: down).",
    )


def test_with_enough_runs_quality_has_drawn_intervals(tmp_path: Path) -> None:
    path = write(tmp_path / "l.db", [{} for _ in range(40)])
    judge(path, [{"request_id": f"req_{n}", "score": 0.5 + (n % 5) / 10, "reference_score": 0.9} for n in range(40)])
    (line,) = report(path).quality
    assert line.score == pytest.approx(0.7)
    assert line.score_low is not None
    assert line.ratio_low is not None
    assert 0.6 < line.score_low < 0.7 < (line.score_high or 0) < 0.8
    assert line.ratio_low < 0.7 / 0.9 < (line.ratio_high or 0)


def test_margin_is_value_less_cost_per_interaction(tmp_path: Path) -> None:
    rows = [{"run_id": f"r{n}", "endpoint": "faq", "cost_picousd": 100, "baseline_cost_picousd": 900} for n in range(10)]
    rows += [
        {"run_id": "r0", "endpoint": "faq", "cost_picousd": 50},
        {"run_id": "lost", "endpoint": "faq", "cost_picousd": 30, "outcome": "upstream_error"},
    ]
    rows += [
        {"run_id": "x", "endpoint": "search", "cost_picousd": 10**9},
        {"run_id": "r1", "endpoint": "faq", "cost_picousd": None, "outcome": "truncated"},
    ]
    path = judge(write(tmp_path / "l.db", rows), [{"request_id": "req_3", "cost_picousd": 20}])
    margins = report(path, by=("tier",), values_usd={"faq": 1000 * PICO, "unseen": Decimal(1)}).margins
    (faq,) = margins
    assert (faq.endpoint, faq.interactions, faq.unpriced) == ("faq", 10, 1)
    assert (faq.earned_usd / PICO, faq.cost_usd / PICO, faq.margin_usd / PICO) == (10_000, 1100, 8900)
    assert faq.baseline_margin_usd == (10_000 - 9080) * PICO
    assert faq.margin_ratio == pytest.approx(0.89)
    assert faq.cost_per_interaction is not None
    assert faq.margin_per_interaction is not None
    assert (faq.cost_per_interaction.usd, faq.margin_per_interaction.usd) == (110 * PICO, 890 * PICO)
    assert faq.margin_per_interaction.low_usd == 1000 * PICO - (faq.cost_per_interaction.high_usd or 0)


def test_an_endpoint_that_costs_more_than_it_earns_shows_a_loss(tmp_path: Path) -> None:
    path = write(tmp_path / "l.db", [{"endpoint": "faq", "cost_picousd": 300}])
    (faq,) = report(path, values_usd={"faq": 100 * PICO}).margins
    assert (faq.margin_usd, faq.margin_ratio, faq.baseline_margin_usd) == (-200 * PICO, -2.0, None)
