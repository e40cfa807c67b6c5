"""Grades from the ledger, of requests whose prompt was kept: verdicts on cheap answers, and cheap answers that failed by themselves.

A verdict of the judge or a shadow call has both scores; feedback has the cheap one's only and counts where the expensive tier's is taken as right
(1.0), which errs to the safe side. A cheap answer that broke the schema of its request, was empty or refused, and so was mended or escalated,
counts as wrong (0.0). Escalations because a router had read the answer and doubted it are no grades: they would teach it its own opinion.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from farthing.core.errors import AnswerInvalid
from farthing.core.money import from_picousd
from farthing.core.request import Turn
from farthing.lab.router.graded import Graded, GradesUnusable

CHEAP, EXPENSIVE = "cheap", "expensive"
_TURN = re.compile(r"(?:^|\n\n)(system|developer|user|assistant|tool): ")
_VERDICTS = """
SELECT r.request_id, r.endpoint, r.prompt, r.answer, r.cost_picousd, r.baseline_cost_picousd,
       avg(j.score), avg(coalesce(j.reference_score, 1.0))
FROM judgements j JOIN requests r USING (request_id)
WHERE j.score IS NOT NULL AND j.model_tier = 'cheap' AND j.source IN ('feedback', 'judge', 'shadow', 'eval')
GROUP BY r.request_id ORDER BY r.received_at
"""
_FAILURES = """
SELECT request_id, endpoint, prompt, baseline_cost_picousd, decisions, attempts, error_code, model_tier, cost_picousd
FROM requests WHERE decisions LIKE '%"mended"%' OR decisions LIKE '%"escalated"%' OR error_code = ?
ORDER BY received_at
"""
_OF_THE_ANSWER = ("the cheap model refused", "the cheap answer is empty")


@dataclass(frozen=True, slots=True)
class _Row:
    """One graded request; costs in USD, `nan` where unknown."""

    request_id: str
    endpoint: str
    prompt: str | None
    answer: str | None
    cheap_usd: float
    expensive_usd: float
    cheap: float
    expensive: float


class _Target(msgspec.Struct):
    tier: str = ""


class _Attempt(msgspec.Struct):
    target: _Target
    purpose: str
    cost_usd: float | None = None


class _Decision(msgspec.Struct):
    lever: str
    action: str
    reason: str = ""


_attempts = msgspec.json.Decoder(list[_Attempt])
_decisions = msgspec.json.Decoder(list[_Decision])


def read_ledger(path: Path) -> tuple[Graded, list[str]]:
    """Models are named `cheap` and `expensive`, as tiers. Raises `GradesUnusable` where there is nothing to learn from."""
    if not path.is_file():
        raise GradesUnusable(f"There is no ledger at {path}.")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            verdicts = [_verdict(row) for row in connection.execute(_VERDICTS)]
            judged = {row.request_id for row in verdicts}
            doubted = 0
            failures: list[_Row] = []
            for row in connection.execute(_FAILURES, (AnswerInvalid.code,)):
                failed = _failure(row)
                if failed is None:
                    doubted += 1
                elif failed.request_id not in judged:
                    failures.append(failed)
    except sqlite3.Error as error:
        raise GradesUnusable(f"{path} cannot be read as a ledger: {error}.") from error
    return _kept([*verdicts, *failures], len(failures), doubted)


def _kept(rows: list[_Row], failures: int, doubted: int) -> tuple[Graded, list[str]]:
    kept = [row for row in rows if row.prompt]
    notes = [f"{len(rows) - len(kept)} graded requests left out: their prompt was not kept (`sampling.log`)"] if len(kept) < len(rows) else []
    if failures:
        notes.append(f"{failures} cheap answers failed by themselves (schema, empty, refused) and count as wrong")
    if doubted:
        notes.append(f"{doubted} escalations were a router's own doubt, or not of the cheap tier, and are no grades")
    if not kept:
        text = f"The ledger has {len(rows)} grades of cheap answers, {len(kept)} of them with a kept prompt"
        raise GradesUnusable(f"{text}. Set `sampling.log` and `sampling.judge` (docs/quality.md), and come back when 1,000 are judged.")
    return _graded(kept), notes


def _verdict(row: Sequence[Any]) -> _Row:
    return _Row(row[0], row[1], row[2], row[3], _usd(row[4]), _usd(row[5]), row[6], row[7])


def _failure(row: Sequence[Any]) -> _Row | None:
    """`None`: no cheap answer failed by itself."""
    request_id, endpoint, prompt, baseline, decisions, attempts, error_code, tier, cost = row
    made = _attempts.decode(attempts) if attempts else []
    first = next((attempt for attempt in made if attempt.purpose == "answer"), None)
    if (first.target.tier if first is not None else tier) != CHEAP:
        return None
    taken = _decisions.decode(decisions) if decisions else []
    mended = any(one.lever == "check" and one.action == "mended" for one in taken)
    failed = any(one.lever == "route" and one.action == "escalated" and one.reason in _OF_THE_ANSWER for one in taken)
    if not mended and not failed and error_code != AnswerInvalid.code:
        return None
    spent = _usd(cost) if first is None else float("nan") if first.cost_usd is None else first.cost_usd
    return _Row(request_id, endpoint, prompt, None, spent, _usd(baseline), 0.0, 1.0)


def _graded(rows: list[_Row]) -> Graded:
    return Graded(
        ids=tuple(row.request_id for row in rows),
        prompts=tuple(_turns(row.prompt or "") for row in rows),
        groups=tuple(row.endpoint for row in rows),
        endpoints=tuple(row.endpoint for row in rows),
        models=(CHEAP, EXPENSIVE),
        scores=np.clip(np.array([[row.cheap, row.expensive] for row in rows], np.float64), 0.0, 1.0),
        costs=np.array([[row.cheap_usd, row.expensive_usd] for row in rows], np.float64),
        answers={CHEAP: tuple(row.answer for row in rows)},
    )


def _usd(picousd: int | None) -> float:
    return float("nan") if picousd is None else float(from_picousd(picousd))


def _turns(prompt: str) -> tuple[Turn, ...]:
    """A prompt as the ledger keeps it: `role: text`, with a blank line between turns."""
    parts = _TURN.split(prompt)
    if len(parts) < 3:
        return (Turn("user", prompt),)
    return tuple(Turn(role, text) for role, text in zip(parts[1::2], parts[2::2], strict=True))
