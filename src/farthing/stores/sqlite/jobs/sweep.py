"""Give back what a dead worker had: its running items to the queue, the file that it was reading to whoever reads it next."""

import sqlite3

from farthing.stores.sqlite.transaction import begin, patiently, roll_back

MOST_LEASES = 100  # an item that was lost with its worker so often is what kills them

_LOST = b'{"status_code":500,"request_id":null,"body":{"error":{"message":"The gateway ended with this request in flight, again and again.",\
"type":"server_error","param":null,"code":"interrupted"}}}'


def slots_with_items(connection: sqlite3.Connection) -> list[int]:
    """Workers that have items running or a file open."""
    sql = """SELECT DISTINCT slot FROM batch_items WHERE state = 'running'
    UNION SELECT slot FROM batches WHERE status = 'validating' AND slot IS NOT NULL"""
    return [row[0] for row in patiently(connection, sql).fetchall() if row[0] is not None]


def give_back(connection: sqlite3.Connection, slot: int) -> int:
    """Everything that this slot had goes back; how many items. One transaction."""
    begin(connection)
    try:
        returned = _give_back(connection, slot)
        connection.execute("COMMIT")
    finally:
        roll_back(connection)
    return returned


def _give_back(connection: sqlite3.Connection, slot: int) -> int:
    run = connection.execute
    lost = run("SELECT id, batch FROM batch_items WHERE state = 'running' AND slot = ? AND epoch >= ?", (slot, MOST_LEASES)).fetchall()
    for item, batch in lost:
        run("UPDATE batch_items SET state = 'failed', slot = NULL, response = ? WHERE id = ?", (_LOST, item))
        run("UPDATE batches SET failed = failed + 1 WHERE id = ?", (batch,))
    returned = run("UPDATE batch_items SET state = 'queued', slot = NULL WHERE state = 'running' AND slot = ?", (slot,)).rowcount
    for (batch,) in run("SELECT id FROM batches WHERE status = 'validating' AND slot = ?", (slot,)).fetchall():
        run("DELETE FROM batch_items WHERE batch = ?", (batch,))
        run("UPDATE batches SET slot = NULL, total = 0 WHERE id = ?", (batch,))
    return returned
