"""A store whose ledger holds the rows that a test names."""

from contextlib import closing
from pathlib import Path
from typing import Any

from farthing.config import Store
from farthing.core.ledger import LedgerRow
from farthing.stores.sqlite import database
from farthing.stores.sqlite.rows import insert_requests

PLAIN: dict[str, Any] = {
    **dict.fromkeys(LedgerRow.__struct_fields__),
    "endpoint": "faq",
    "dialect": "chat",
    "tenant": "acme",
    "model_tier": "cheap",
    "model_name": "small",
    "cache": "miss",
    "latency_total_ms": 100.0,
    "num_llm_calls": 1,
    "decisions": "[]",
    "outcome": "ok",
    "status": 200,
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A store whose ledger holds these rows, each a change to `PLAIN`."""
    store = Store(path=str(path))
    database.prepare(store)
    numbered = [{**PLAIN, "request_id": f"req_{n}", "run_id": f"run_{n}", "received_at": 1000.0 + n, **row} for n, row in enumerate(rows)]
    with closing(database.connect(store)) as connection:
        insert_requests(connection, [tuple(row.values()) for row in numbered])
    return path
