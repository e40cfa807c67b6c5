"""Where the money went, worked out by hand."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from farthing.core.usage import Rate, RateStep
from farthing.lab.report import report
from tests.fakes.ledger import write
from tests.lab.report.test_account import PICO, judge

RATE = Rate(
    Decimal(1), Decimal(4), cached_usd_per_mtok=Decimal("0.5"), steps=(RateStep(1000, Rate(Decimal(2), Decimal(8), cached_usd_per_mtok=Decimal(1))),)
)


def _parts(path: Path, rows: list[dict[str, Any]], rate: Rate | None = RATE) -> dict[str, int]:
    plain = {"provider": "openai", "cost_picousd": 1000, "baseline_cost_picousd": 1000}
    spending = report(
        write(path, [plain | row for row in rows]), rates=lambda service, model: rate if (service, model) == ("openai", "small") else None
    )
    return {part.name: int(part.usd / PICO) for part in spending.total.spending.parts}


def test_input_is_split_by_the_tokens_of_the_prompt_and_output_by_price(tmp_path: Path) -> None:
    account = json.dumps({"saved": {"route": 0}, "prompt": [10, 20, 30, 40]})
    assert _parts(tmp_path / "l.db", [{"tokens_in": 100, "tokens_out": 75, "account": account}]) == {
        "input: system prompt": 25,  # 100 of 400 token prices are input: 250 picodollars
        "input: history": 50,
        "input: documents": 75,
        "input: user turn": 100,
        "output": 750,
    }


def test_cached_tokens_and_long_inputs_have_their_own_prices(tmp_path: Path) -> None:
    short = {"tokens_in": 1000, "tokens_cached": 1000, "tokens_out": 125}
    assert _parts(tmp_path / "a.db", [short]) == {"input, parts unknown": 500, "output": 500}
    long = {"tokens_in": 2000, "tokens_cached": 2000, "tokens_out": 250, "cost_picousd": 5000}
    assert _parts(tmp_path / "b.db", [long]) == {"input, parts unknown": 2500, "output": 2500}


def test_further_calls_stand_under_their_purpose(tmp_path: Path) -> None:
    account = json.dumps({"saved": {"route": 0}, "extra": {"repair": 100, "router": 50, "retry": 30, "novel": 20}})
    found = _parts(tmp_path / "l.db", [{"tokens_in": 100, "tokens_out": 75, "account": account, "num_llm_calls": 5}])
    assert found == {"input, parts unknown": 200, "output": 600, "retries": 30, "repairs": 100, "router calls": 50, "novel": 20}


def test_what_cannot_be_told_apart_says_so(tmp_path: Path) -> None:
    rows = [
        {"tokens_in": 100, "tokens_out": 75, "num_llm_calls": 2},
        {"tokens_in": None, "tokens_out": 5},
        {"model_name": "other", "tokens_in": 1, "tokens_out": 5},
    ]
    assert _parts(tmp_path / "l.db", rows) == {"not told apart": 3000}
    assert _parts(tmp_path / "free.db", [{"tokens_in": 10, "tokens_out": 1}], Rate(Decimal(0), Decimal(0))) == {"not told apart": 1000}


def test_judging_is_spending_too_under_its_source_and_model(tmp_path: Path) -> None:
    path = write(tmp_path / "l.db", [{"cost_picousd": 600, "provider": "openai", "num_llm_calls": 1}])
    judge(
        path, [{"request_id": "req_0", "cost_picousd": 300, "judge_model": "large"}, {"request_id": "req_0", "cost_picousd": 100, "source": "shadow"}]
    )
    spending = report(path).total.spending
    assert {part.name: (part.usd / PICO, part.share) for part in spending.parts} == {
        "judging": (300, 0.3),
        "shadow calls": (100, 0.1),
        "not told apart": (600, 0.6),
    }
    assert [(one.provider, one.model, one.requests, one.calls, one.usd / PICO) for one in spending.models] == [
        ("openai", "small", 1, 1, 600),
        (None, "large", 0, 0, 300),
        (None, None, 0, 0, 100),
    ]
    assert [(one.calls, one.runs, one.usd / PICO) for one in spending.runs] == [("1", 1, 1000)]


def test_runs_are_listed_by_their_number_of_calls(tmp_path: Path) -> None:
    rows = [
        {"run_id": run, "num_llm_calls": calls, "cost_picousd": 10} for run, calls in (("a", 0), ("b", 1), ("c", 1), ("c", 2), ("d", 9), ("e", 3))
    ]
    spending = report(write(tmp_path / "l.db", rows)).total.spending
    assert [(one.calls, one.runs, one.usd / PICO) for one in spending.runs] == [("0", 1, 10), ("1", 1, 10), ("2-3", 2, 30), ("8+", 1, 10)]
