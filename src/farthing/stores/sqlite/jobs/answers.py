"""Write what an item came to. Runs inside the transaction of the request's ledger row."""

import sqlite3

from farthing.core.batch import Answered


def write_answer(connection: sqlite3.Connection, answered: Answered) -> int:
    """1, or 0 when the item has its answer already or was leased anew since."""
    run = connection.execute
    took = run(
        "UPDATE batch_items SET state = ?, slot = NULL, body = NULL, request_id = ?, response = ?, reuse = ? "
        "WHERE id = ? AND state = 'running' AND epoch = ? RETURNING batch, line",
        ("done" if answered.ok else "failed", answered.request_id, answered.response, answered.reuse, answered.item, answered.epoch),
    ).fetchone()
    if took is None:
        return 0
    batch, line = took
    run("DELETE FROM provider_calls WHERE item = ?", (answered.item,))
    counted = "done" if answered.ok else "failed"
    run(f"UPDATE batches SET {counted} = {counted} + 1 WHERE id = ?", (batch,))
    _tell_twins(connection, batch, line, answered)
    return 1


def _tell_twins(connection: sqlite3.Connection, batch: str, line: int, answered: Answered) -> None:
    """Twins of an answered item are served its answer next; those of one that failed fail as it did; without an answer to reuse they are asked."""
    run, which = connection.execute, "batch = ? AND twin_of = ? AND state = 'twin'"
    if answered.ok:
        run(f"UPDATE batch_items SET state = 'queued' WHERE {which}", (batch, line))
        return
    failed = run(
        f"UPDATE batch_items SET state = 'failed', body = NULL, request_id = ?, response = ? WHERE {which}",
        (answered.request_id, answered.response, batch, line),
    ).rowcount
    if failed:
        run("UPDATE batches SET failed = failed + ? WHERE id = ?", (failed, batch))
