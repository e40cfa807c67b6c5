"""How batches end: through, too late, or cancelled; and when what they left is thrown away."""

import sqlite3
from collections.abc import Mapping

from farthing.core.ids import new_id
from farthing.stores.sqlite.jobs.files import delete_parts

_UPLOAD_S = 3600.0  # a file that did not become whole by then never will
_ITEMS_AT_ONCE = 500


def begin_ends(connection: sqlite3.Connection, now: float) -> int:
    """Batches that are too late lose what has not begun; those with nothing left to run are finalizing. Returns how many changed."""
    run = connection.execute
    late = run("SELECT id FROM batches WHERE status = 'in_progress' AND expires_at <= ?", (now,)).fetchall()
    for (batch,) in late:
        run("UPDATE batch_items SET state = 'expired', body = NULL WHERE batch = ? AND state IN ('queued', 'later', 'twin')", (batch,))
    for (batch,) in run("SELECT id FROM batches WHERE status = 'cancelling'").fetchall():
        run("UPDATE batch_items SET state = 'cancelled', body = NULL WHERE batch = ? AND state IN ('queued', 'later', 'twin')", (batch,))
    through = run(
        "UPDATE batches SET status = 'finalizing', finalizing_at = ? WHERE status = 'in_progress' AND done + failed >= total", (now,)
    ).rowcount
    return through + sum(
        run(
            """UPDATE batches SET status = 'finalizing', finalizing_at = ? WHERE id = ? AND status = 'in_progress'
            AND NOT EXISTS (SELECT 1 FROM batch_items WHERE batch = batches.id AND state = 'running')""",
            (now, batch),
        ).rowcount
        for (batch,) in late
    )


def end_batch(connection: sqlite3.Connection, batch: str, *, sizes: Mapping[str, int], now: float, keep_s: float) -> int:
    """The end of a batch that has nothing left to run, with its answer files. 0: somebody else ended it, or something runs."""
    run = connection.execute
    found = run("SELECT status, kind FROM batches WHERE id = ? AND status IN ('finalizing', 'cancelling')", (batch,)).fetchone()
    counts = dict(run("SELECT state, count(*) FROM batch_items WHERE batch = ? GROUP BY state", (batch,)).fetchall())
    if found is None or any(counts.get(state) for state in ("queued", "later", "twin", "running")):
        return 0
    status, kind = found
    last = "cancelled" if status == "cancelling" else "expired" if counts.get("expired") else "completed"
    made = {part: _answer_file(connection, batch, part, size, now, keep_s) for part, size in sizes.items() if size and kind == "batch"}
    sql = f"UPDATE batches SET status = ?, {last}_at = ?, output_file = ?, error_file = ?, resumes_at = NULL WHERE id = ?"
    run(sql, (last, now, made.get("output"), made.get("errors"), batch))
    run("DELETE FROM provider_calls WHERE item IN (SELECT id FROM batch_items WHERE batch = ?)", (batch,))
    run("UPDATE batch_items SET reuse = NULL WHERE batch = ? AND reuse IS NOT NULL", (batch,))
    return 1


def _answer_file(connection: sqlite3.Connection, batch: str, part: str, size: int, now: float, keep_s: float) -> str:
    file_id = new_id("file", now)
    name = f"{batch}_{'output' if part == 'output' else 'error'}.jsonl"
    sql = """INSERT INTO files (id, tenant, key_id, name, purpose, bytes, created_at, expires_at, batch, part, whole)
    SELECT ?, tenant, key_id, ?, 'batch_output', ?, ?, ?, id, ?, 1 FROM batches WHERE id = ?"""
    connection.execute(sql, (file_id, name, size, now, now + keep_s, part, batch))
    return file_id


def tidy_files(connection: sqlite3.Connection, now: float, keep_s: float) -> int:
    """Some of what nobody may read any more; 0 when none is left."""
    run = connection.execute
    gone = run(
        "SELECT id FROM files WHERE (expires_at <= ? OR (NOT whole AND created_at <= ?)) AND batch IS NULL LIMIT 1", (now, now - _UPLOAD_S)
    ).fetchone()
    if gone is not None:
        return delete_parts(connection, gone[0]) or run("DELETE FROM files WHERE id = ?", (gone[0],)).rowcount
    old = run(
        """SELECT id FROM batches WHERE status IN ('failed', 'completed', 'expired', 'cancelled')
        AND coalesce(failed_at, completed_at, expired_at, cancelled_at) <= ? LIMIT 1""",
        (now - keep_s,),
    ).fetchone()
    if old is None:
        return 0
    items = run("DELETE FROM batch_items WHERE id IN (SELECT id FROM batch_items WHERE batch = ? LIMIT ?)", (old[0], _ITEMS_AT_ONCE)).rowcount
    if items:
        return items
    run("DELETE FROM files WHERE batch = ?", (old[0],))
    return run("DELETE FROM batches WHERE id = ?", (old[0],)).rowcount
