"""Grades from the ledger: verdicts that compare a cheap answer with the expensive tier's, on requests whose prompt was kept.

A verdict of the judge or a shadow call has both scores; feedback and schema failures have the cheap one's only and count where the expensive
tier's is taken as right (1.0), which errs to the safe side.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from farthing.core.money import from_picousd
from farthing.core.request import Turn
from farthing.lab.router.graded import Graded, GradesUnusable

_TURN = re.compile(r"(?:^|\n\n)(system|developer|user|assistant|tool): ")
CHEAP, EXPENSIVE = "cheap", "expensive"
_SELECT = """
SELECT r.request_id, r.endpoint, r.prompt, r.answer, r.cost_picousd, r.baseline_cost_picousd,
       avg(j.score), avg(coalesce(j.reference_score, 1.0)), count(*)
FROM judgements j JOIN requests r USING (request_id)
WHERE j.score IS NOT NULL AND j.model_tier = 'cheap' AND j.source IN ('feedback', 'judge', 'shadow', 'eval')
GROUP BY r.request_id ORDER BY r.received_at
"""


def read_ledger(path: Path) -> tuple[Graded, list[str]]:
    """Models are named `cheap` and `expensive`, as tiers. Raises `GradesUnusable` where there is nothing to learn from."""
    if not path.is_file():
        raise GradesUnusable(f"There is no ledger at {path}.")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            rows = connection.execute(_SELECT).fetchall()
    except sqlite3.Error as error:
        raise GradesUnusable(f"{path} cannot be read as a ledger: {error}.") from error
    kept = [row for row in rows if row[2]]
    notes = [f"{len(rows) - len(kept)} judged requests left out: their prompt was not kept (`sampling.log`)"] if len(kept) < len(rows) else []
    if not kept:
        text = f"The ledger has {len(rows)} verdicts on cheap answers, {len(kept)} of them with a kept prompt"
        raise GradesUnusable(f"{text}. Set `sampling.log` and `sampling.judge` (docs/quality.md), and come back when 1,000 are judged.")
    return _graded(kept), notes


def _graded(rows: list[tuple[Any, ...]]) -> Graded:
    scores = np.array([[row[6], row[7]] for row in rows], np.float64)
    costs = np.array([[_usd(row[4]), _usd(row[5])] for row in rows], np.float64)
    return Graded(
        ids=tuple(row[0] for row in rows),
        prompts=tuple(_turns(row[2]) for row in rows),
        groups=tuple(row[1] for row in rows),
        endpoints=tuple(row[1] for row in rows),
        models=(CHEAP, EXPENSIVE),
        scores=np.clip(scores, 0.0, 1.0),
        costs=costs,
        answers={CHEAP: tuple(row[3] for row in rows)},
    )


def _usd(picousd: int | None) -> float:
    return float("nan") if picousd is None else float(from_picousd(picousd))


def _turns(prompt: str) -> tuple[Turn, ...]:
    """A prompt as the ledger keeps it: `role: text`, with a blank line between turns."""
    parts = _TURN.split(prompt)
    if len(parts) < 3:
        return (Turn("user", prompt),)
    return tuple(Turn(role, text) for role, text in zip(parts[1::2], parts[2::2], strict=True))
