"""What a ledger teaches: verdicts, answers that failed by themselves, and nothing that a router only believed."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farthing.core.request import Turn
from farthing.lab.router.from_ledger import read_ledger
from farthing.lab.router.graded import GradesUnusable
from farthing.lab.router.promise import Terms
from farthing.lab.router.train import Plan, train
from tests.fakes.ledger import write
from tests.lab.router.samples import WordTokens

PROMPT = "system: Be brief.\n\nuser: What is a farthing?"
KEPT: dict[str, Any] = {"prompt": PROMPT, "answer": "A coin.", "cost_picousd": 1_000_000, "baseline_cost_picousd": 20_000_000}
TRIED = [
    {"target": {"service": "s", "model": "small", "tier": "cheap"}, "purpose": "answer", "latency_s": 1, "cost_usd": 0.000001},
    {"target": {"service": "s", "model": "big", "tier": "expensive"}, "purpose": "escalate", "latency_s": 1, "cost_usd": 0.00002},
]
MENDED = {"lever": "check", "action": "mended", "reason": "escalate after: no JSON"}


def ledger(path: Path, rows: list[dict[str, Any]], verdicts: list[tuple[object, ...]] = ()) -> Path:  # type: ignore[assignment]
    """`verdicts`: request, source, score, score of the reference, tier of the answer."""
    write(path, rows)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO judgements (request_id, source, score, reference_score, model_tier, judged_at) VALUES (?, ?, ?, ?, ?, 1.0)", verdicts
        )
    return path


def test_verdicts_on_cheap_answers_are_grades(tmp_path: Path) -> None:
    verdicts = [
        ("req_0", "judge", 0.5, 0.75, "cheap"), ("req_0", "feedback", 1.0, None, "cheap"),  # two of one answer: their means
        ("req_1", "shadow", 0.0, 1.0, "cheap"), ("req_2", "judge", 0.3, None, "expensive"), ("req_3", "judge", None, None, "cheap"),
    ]  # fmt: skip
    rows, notes = read_ledger(ledger(tmp_path / "f.db", [KEPT | {"endpoint": "faq"}, KEPT, KEPT, KEPT], verdicts))
    assert rows.ids == ("req_0", "req_1")
    assert rows.models == ("cheap", "expensive")
    assert rows.scores.tolist() == [[0.75, 0.875], [0.0, 1.0]]
    assert rows.costs.tolist() == [[0.000001, 0.00002]] * 2
    assert rows.prompts[0] == (Turn("system", "Be brief."), Turn("user", "What is a farthing?"))
    assert rows.answers == {"cheap": ("A coin.", "A coin.")}
    assert notes == []


def test_cheap_answers_that_broke_their_schema_or_said_nothing_are_wrong(tmp_path: Path) -> None:
    empty = {"lever": "route", "action": "escalated", "reason": "the cheap answer is empty"}
    served = {"attempts": json.dumps(TRIED), "model_tier": "expensive", "cost_picousd": 21_000_000}
    failed = {"error_code": "answer_invalid", "outcome": "error", "model_tier": "cheap"}
    found, notes = read_ledger(
        ledger(
            tmp_path / "f.db",
            [KEPT | served | {"decisions": json.dumps([MENDED])}, KEPT | served | {"decisions": json.dumps([empty])}, KEPT | failed, KEPT],
            [("req_3", "judge", 1.0, 1.0, "cheap")],
        )
    )
    assert dict(zip(found.ids, found.scores.tolist(), strict=True)) == {
        "req_3": [1.0, 1.0], "req_0": [0.0, 1.0], "req_1": [0.0, 1.0], "req_2": [0.0, 1.0]
    }  # fmt: skip
    assert found.costs[found.ids.index("req_0")].tolist() == [0.000001, 0.00002]  # the cheap call's own cost, not that of both
    assert found.answers["cheap"][found.ids.index("req_0")] is None  # the ledger keeps what was served
    assert notes == ["3 cheap answers failed by themselves (schema, empty, refused) and count as wrong"]


def test_a_router_s_own_doubt_and_failures_of_the_expensive_tier_are_no_grades(tmp_path: Path) -> None:
    doubted = {"lever": "route", "action": "escalated", "reason": "answer read: gap 0.300 >= 0.040"}
    dear = [TRIED[1] | {"purpose": "answer"}, TRIED[0] | {"purpose": "repair"}]
    rows = [
        KEPT | {"decisions": json.dumps([doubted]), "attempts": json.dumps(TRIED)},
        KEPT | {"decisions": json.dumps([MENDED]), "attempts": json.dumps(dear), "model_tier": "expensive"},
        KEPT,
    ]
    found, notes = read_ledger(ledger(tmp_path / "f.db", rows, [("req_2", "judge", 1.0, 1.0, "cheap")]))
    assert found.ids == ("req_2",)
    assert notes == ["2 escalations were a router's own doubt, or not of the cheap tier, and are no grades"]


def test_a_verdict_on_a_mended_answer_counts_before_its_failure(tmp_path: Path) -> None:
    rows = [KEPT | {"decisions": json.dumps([MENDED]), "attempts": json.dumps(TRIED)}]
    found, _ = read_ledger(ledger(tmp_path / "f.db", rows, [("req_0", "judge", 0.8, 1.0, "cheap")]))
    assert found.scores.tolist() == [[0.8, 1.0]]


def test_without_kept_prompts_or_verdicts_it_says_what_to_set(tmp_path: Path) -> None:
    bare = {"cost_picousd": 1, "baseline_cost_picousd": 2}
    with pytest.raises(GradesUnusable, match=r"1 grades of cheap answers, 0 of them with a kept prompt. Set `sampling.log`"):
        read_ledger(ledger(tmp_path / "bare.db", [bare], [("req_0", "judge", 1.0, 1.0, "cheap")]))
    with pytest.raises(GradesUnusable, match="The ledger has 0 grades"):
        read_ledger(ledger(tmp_path / "none.db", [KEPT]))
    with pytest.raises(GradesUnusable, match="There is no ledger at"):
        read_ledger(tmp_path / "absent.db")
    (tmp_path / "torn.db").write_bytes(b"SQLite format 3\0 and then nothing of the kind")
    with pytest.raises(GradesUnusable, match="cannot be read as a ledger"):
        read_ledger(tmp_path / "torn.db")


def test_a_ledger_with_too_few_grades_trains_and_promises_only_the_expensive_tier(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    hard = random.random(130) < 0.3
    rows = [KEPT | {"prompt": f"user: {'Prove that x = 2, if y.' if one else 'Name'} thing {n}"} for n, one in enumerate(hard)]
    scores = ~hard | (random.random(130) < 0.2)
    verdicts = [(f"req_{n}", "judge", float(good), 1.0, "cheap") for n, good in enumerate(scores)]
    graded, _ = read_ledger(ledger(tmp_path / "f.db", rows, verdicts))
    plan = Plan(cheap="cheap", reference="expensive", folds=3, terms=Terms(floor=0.995, confidence=0.999))
    made = train(graded, plan, WordTokens()).header.promises["faq"]
    assert made.way == "expensive"
    assert made.reason.startswith("130 graded prompts are too few to promise 99.5% with 99.9% confidence; about ")
