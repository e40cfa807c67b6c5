"""How long the last answers were, read off the ledger: what a worker knew of output lengths before it was restarted."""

import sqlite3
from typing import NamedTuple

from farthing.stores.sqlite.transaction import patiently

_LAST = 10_000  # rows; 15 ms
_SQL = """
SELECT endpoint, model_name, task_type, tokens_out, finish,
 instr(decisions, '"lever":"output","action":"control"') > 0, instr(decisions, '"lever":"output","action":"limit"') > 0
FROM (SELECT * FROM requests ORDER BY received_at DESC LIMIT ?)
WHERE cache IN ('miss', 'bypass') AND num_llm_calls = 1 AND tokens_out > 0 AND model_name IS NOT NULL
 AND dialect <> 'embeddings' AND NOT usage_estimated
ORDER BY received_at
"""


class AnswerLength(NamedTuple):
    """One answer. `control`: asked for without its length rule. `limited`: under a limit that was learned."""

    endpoint: str
    model: str
    task: str | None
    tokens: int
    finish: str | None
    control: int
    limited: int


def recent_lengths(connection: sqlite3.Connection, last: int = _LAST) -> list[AnswerLength]:
    """Of the last rows, oldest first."""
    return [AnswerLength(*row) for row in patiently(connection, _SQL, (last,))]
