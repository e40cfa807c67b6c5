"""The account of a window: parts that add up, verdicts charged, losses shown, old rows told apart."""

import json
import random
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.core.account import SAVERS
from farthing.core.usage import Rate, RateStep
from farthing.lab.report import Report, report
from farthing.lab.report.figures import Account
from farthing.lab.statistics import FEWEST_RUNS
from tests.fakes.ledger import write

PICO = Decimal(1).scaleb(-12)


def judge(path: Path, verdicts: list[dict[str, Any]]) -> Path:
    """Give verdicts on rows that are there, or are not."""
    with closing(sqlite3.connect(path)) as connection:
        for verdict in verdicts:
            whole = {"judged_at": 1000.0, "source": "judge", **verdict}
            connection.execute(f"INSERT INTO judgements ({','.join(whole)}) VALUES ({','.join('?' * len(whole))})", tuple(whole.values()))
        connection.commit()
    return path


def row(baseline: int, cost: int, account: dict[str, Any] | None, **other: Any) -> dict[str, Any]:
    return {"baseline_cost_picousd": baseline, "cost_picousd": cost, "account": None if account is None else json.dumps(account), **other}


def whole(figures: Report) -> Account:
    assert figures.total.account is not None
    return figures.total.account


def test_each_lever_has_its_part_in_the_order_of_accounts(tmp_path: Path) -> None:
    rows = [
        row(1000, 0, {"saved": {"cache": 1000}, "low": {"cache": 800}, "high": {"cache": 1500}}),
        row(1000, 300, {"saved": {"diet": 100, "route": 700, "check": -100}}),
        row(1000, 900, {"saved": {"route": 100}}),
    ]
    account = whole(report(write(tmp_path / "l.db", rows)))
    assert [(part.lever, part.requests, part.saved_usd / PICO) for part in account.levers] == [
        ("cache", 1, 1000),
        ("route", 2, 800),
        ("diet", 1, 100),
        ("check", 1, -100),
    ]
    assert [(part.low_usd, part.high_usd) for part in account.levers] == [(800 * PICO, 1500 * PICO), (None, None), (None, None), (None, None)]
    assert (account.baseline_usd, account.paid_usd, account.net_usd) == (3000 * PICO, 1200 * PICO, 1800 * PICO)
    assert (account.not_split, account.not_split_usd, account.net_ratio) == (0, 0, pytest.approx(0.6))
    assert account.levers[1].rates is not None
    assert account.levers[1].rates.per_1m.usd == 800 * PICO * 1_000_000 / 3 // PICO * PICO + PICO  # 266666.67 picodollars each, rounded up


def test_rows_from_before_there_were_accounts_are_counted_as_not_split(tmp_path: Path) -> None:
    rows = [
        row(1000, 400, None),
        row(1000, 200, {"saved": {"route": 800}}),
        row(500, 100, {"unreadable": 1}),
        row(1000, 1000, None) | {"account": "{"},
    ]
    account = whole(report(write(tmp_path / "l.db", rows)))
    assert (account.not_split, account.not_split_usd) == (3, 1000 * PICO)
    assert [part.lever for part in account.levers] == ["route"]
    assert account.net_usd == 1800 * PICO


def test_verdicts_are_charged_to_their_lever_and_paid(tmp_path: Path) -> None:
    path = write(tmp_path / "l.db", [row(1000, 200, {"saved": {"route": 800}}), row(1000, 0, {"saved": {"cache": 1000}})])
    judge(
        path,
        [
            {"request_id": "req_0", "cost_picousd": 900, "lever": "route"},
            {"request_id": "req_1", "cost_picousd": 50, "lever": "diet"},
            {"request_id": "req_1", "cost_picousd": 7},
            {"request_id": "req_1", "cost_picousd": None, "judge_model": "unpriced"},
            {"request_id": "req_1", "source": "feedback", "score": 1.0},
        ],
    )
    account = whole(report(path))
    assert [(part.lever, part.saved_usd / PICO, part.charged_usd / PICO, part.net_usd / PICO) for part in account.levers] == [
        ("cache", 1000, 0, 1000),
        ("route", 800, 900, -100),
        ("diet", 0, 50, -50),
        ("no lever", 0, 7, -7),
    ]
    assert (account.verdicts_usd, account.paid_usd, account.net_usd) == (957 * PICO, 1157 * PICO, 843 * PICO)
    assert account.unpriced_verdicts == 1


def test_verdicts_belong_to_the_window_of_their_request_and_orphans_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "l.db", [row(1000, 500, None, received_at=10.0), row(1000, 500, None, received_at=20.0)])
    judge(path, [{"request_id": "req_0", "cost_picousd": 5, "judged_at": 25.0}, {"request_id": "gone", "cost_picousd": 3, "judged_at": 12.0}])
    early, late = report(path, until=15.0), report(path, since=15.0)
    assert (whole(early).verdicts_usd, whole(late).verdicts_usd) == (5 * PICO, 0)
    assert early.notes == ("1 verdicts are on requests that this ledger does not hold; their 0.000000000003 USD are in no figure.",)
    assert late.notes == ()


def test_a_store_of_the_first_schema_is_read_as_one_without_accounts(tmp_path: Path) -> None:
    path = write(tmp_path / "l.db", [row(1000, 400, {"saved": {"route": 600}})])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP VIEW ledger; DROP TABLE judgements; DROP INDEX requests_experiment; "
            "ALTER TABLE requests DROP COLUMN account; ALTER TABLE requests DROP COLUMN experiment;"
        )
    figures = report(path, by=("experiment", "tier"))
    assert (whole(figures).not_split, whole(figures).not_split_usd) == (1, 600 * PICO)
    assert figures.groups[0].of == {"experiment": None, "tier": "cheap"}
    assert "`farthing serve` brings it up to date" in figures.notes[0]


def test_levers_of_a_newer_farthing_are_shown_last(tmp_path: Path) -> None:
    account = whole(report(write(tmp_path / "l.db", [row(1000, 0, {"saved": {"teleport": 400, "check": 600}, "colour": "new"})])))
    assert [part.lever for part in account.levers] == ["check", "teleport"]


def _random_row(draw: random.Random) -> dict[str, Any]:
    cost, baseline = draw.choice([None, draw.randrange(10**12)]), draw.choice([None, draw.randrange(10**12), draw.randrange(10**12)])
    account = None
    if cost is not None and baseline is not None and draw.random() < 0.8:
        levers = draw.sample(SAVERS, draw.randrange(1, 4))
        parts = {lever: draw.randrange(-(10**11), 10**12) for lever in levers}
        parts[levers[0]] += baseline - cost - sum(parts.values())
        account = json.dumps({"saved": parts, "extra": {"repair": cost // 10} if draw.random() < 0.3 else {}, "prompt": [1, 2, 3, 4]})
    return {
        "run_id": f"run_{draw.randrange(30)}",
        "endpoint": draw.choice(["a", "b", None]),
        "model_tier": draw.choice(["cheap", "expensive", None]),
        "cost_picousd": cost,
        "baseline_cost_picousd": baseline,
        "account": account,
        "num_llm_calls": draw.randrange(4),
        "provider": draw.choice(["s", None]),
        "tokens_in": draw.choice([None, draw.randrange(5000)]),
        "tokens_out": draw.randrange(500),
    }


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_parts_add_up_to_the_whole_in_every_group(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    draw = random.Random(seed)
    rows = [_random_row(draw) for _ in range(draw.randrange(1, 80))]
    path = write(tmp_path_factory.mktemp("oracle") / "ledger.db", rows)
    levers = [*SAVERS, None]
    verdicts = [
        {"request_id": f"req_{draw.randrange(len(rows))}", "cost_picousd": draw.randrange(10**9), "lever": draw.choice(levers)} for _ in range(9)
    ]
    rate = Rate(Decimal(1), Decimal(4), steps=(RateStep(1000, Rate(Decimal(2), Decimal(6))),))
    figures = report(judge(path, verdicts), by=("endpoint", "tier"), rates=lambda service, _: rate if service == "s" else None)
    for group in (figures.total, *figures.groups):
        account, spent = group.account, group.spending
        mine = [number for number, one in enumerate(rows) if not group.of or (one["endpoint"], one["model_tier"]) == tuple(group.of.values())]
        both = [rows[n] for n in mine if rows[n]["cost_picousd"] is not None and rows[n]["baseline_cost_picousd"] is not None]
        charged = sum(verdict["cost_picousd"] for verdict in verdicts if int(verdict["request_id"][4:]) in mine) * PICO
        if account is not None:
            assert account.verdicts_usd == charged
            assert account.net_usd == sum(one["baseline_cost_picousd"] - one["cost_picousd"] for one in both) * PICO - charged
            assert account.net_usd == account.baseline_usd - account.paid_usd == sum(part.net_usd for part in account.levers) + account.not_split_usd
        assert spent.spent_usd == sum(rows[n]["cost_picousd"] or 0 for n in mine) * PICO + charged
        for listed in (spent.parts, spent.models, spent.runs):
            assert sum(part.usd for part in listed) == spent.spent_usd
        assert sum(length.runs for length in spent.runs) == group.runs == len({rows[n]["run_id"] for n in mine})
    for name in ("requests", "calls", "truncated"):
        assert sum(getattr(group, name) for group in figures.groups) == getattr(figures.total, name)


def test_intervals_hold_the_figure_and_come_back_the_same(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [
        row(base := draw.randrange(500, 1500), cost := draw.randrange(500), {"saved": {"route": base - cost}}, run_id=f"r{n // 3}") for n in range(90)
    ]
    path = write(tmp_path / "l.db", rows)
    figures = report(path, by=("endpoint",))
    cost, lever = figures.total.cost.rates, whole(figures).levers[0].rates
    assert cost is not None
    assert lever is not None
    for rates in (cost, lever, figures.groups[0].savings.saved_rates):
        assert rates is not None
        assert rates.per_1k.low_usd is not None
        assert rates.per_1k.low_usd < rates.per_1k.usd < (rates.per_1k.high_usd or 0)
        assert rates.per_1m.usd / 1000 == pytest.approx(rates.per_1k.usd)
    assert report(path, by=("endpoint",)) == figures


def test_few_runs_give_no_interval_however_many_calls_they_made(tmp_path: Path) -> None:
    rows = [row(1000, 400 + n, None, run_id=f"r{n % (FEWEST_RUNS - 1)}") for n in range(100)]
    rates = report(write(tmp_path / "l.db", rows)).total.cost.rates
    assert rates is not None
    assert (rates.per_1k.low_usd, rates.per_1k.high_usd) == (None, None)


def test_the_interval_of_a_lever_is_wider_where_its_part_is_estimated(tmp_path: Path) -> None:
    sure = [row(1000 + n, 0, {"saved": {"cache": 1000 + n}}) for n in range(30)]
    guessed = [row(1000 + n, 0, {"saved": {"cache": 1000 + n}, "low": {"cache": 500}, "high": {"cache": 1100 + n}}) for n in range(30)]
    one, other = (whole(report(write(tmp_path / f"{name}.db", rows))).levers[0].rates for name, rows in (("sure", sure), ("guessed", guessed)))
    assert one is not None
    assert other is not None
    assert one.per_1k.low_usd is not None
    assert other.per_1k.low_usd is not None
    each = 514 / 30**0.5  # how far one request's estimate may be off, of 30 that err independently
    assert float(one.per_1k.low_usd - other.per_1k.low_usd) == pytest.approx(each * 1e-9, rel=0.1)


def test_two_parts_of_one_request_that_rest_on_one_guess_err_together(tmp_path: Path) -> None:
    half = {"saved": {"cache": 500, "route": 500}, "low": {"cache": 300, "route": 300}, "high": {"cache": 600, "route": 600}}
    account = whole(report(write(tmp_path / "l.db", [row(1000, 0, half) for _ in range(16)])))
    assert account.net_rates is not None
    low, high = account.net_rates.per_1k.low_usd, account.net_rates.per_1k.high_usd
    assert (low, high) == ((1000 - 100) * 1000 * PICO, (1000 + 50) * 1000 * PICO)  # 400 and 200 over the root of 16
    assert account.paid_rates is not None
    assert account.paid_rates.per_1k.high_usd == 0
