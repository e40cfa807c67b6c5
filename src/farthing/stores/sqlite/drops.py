"""What the cache was told to forget: gone from the file at once, and told to every worker's memory by a tombstone.

Guarantees: rows of all lanes and the tombstone go in one transaction with whatever the caller writes; a tombstone wins over every answer whose
request came before it, wherever that still waits to be written. Tombstones are kept for an hour, longer than any request lasts.
"""

import sqlite3

from farthing.core.forgetting import Drop, Facts, marks, parted

KEPT_S = 3600.0
_TABLES = ("cache_entries", "semantic_keys")


def forget(connection: sqlite3.Connection, drop: Drop, *, now: float | None = None) -> int:
    """Delete what it names, and leave a tombstone; how many rows that were. Within the caller's transaction. `now` where the drop looks ahead."""
    gone = 0
    condition, values = _where(drop)
    for table in _TABLES:
        gone += connection.execute(f"DELETE FROM {table} WHERE created_at <= ? AND {condition}", (drop.at, *values)).rowcount
    connection.execute("DELETE FROM cache_drops WHERE dropped_at < ?", ((drop.at if now is None else now) - KEPT_S,))
    connection.execute("INSERT INTO cache_drops (kind, value, tenant, dropped_at) VALUES (?,?,?,?)", (drop.kind, drop.value, drop.tenant, drop.at))
    return gone


def since(connection: sqlite3.Connection, last: int, limit: int) -> list[tuple[int, Drop]]:
    """Tombstones by number, after `last`."""
    sql = "SELECT id, kind, value, tenant, dropped_at FROM cache_drops WHERE id > ? ORDER BY id LIMIT ?"
    return [(number, Drop(*values)) for number, *values in connection.execute(sql, (last, limit)).fetchall()]


def cursor(connection: sqlite3.Connection) -> int:
    """The last tombstone there is."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'cache_drops'").fetchone()
    return found[0] if found else 0


def outlived(connection: sqlite3.Connection, facts: Facts) -> bool:
    """False when something that this answer rests on was dropped after its request came: it must not go in."""
    sql = "SELECT kind, value, tenant, dropped_at FROM cache_drops WHERE dropped_at >= ? AND (tenant IS NULL OR tenant = ?)"
    return not any(Drop(*row).hits(facts) for row in connection.execute(sql, (facts.created_at, facts.tenant)))


def mark(connection: sqlite3.Connection, facts: Facts) -> None:
    """Have an answer found by what it rests on."""
    found = set(marks(facts))
    if found:
        connection.executemany("INSERT OR IGNORE INTO cache_marks (mark, entry_id) VALUES (?,?)", [(word, facts.entry_id) for word in found])


def sweep_marks(connection: sqlite3.Connection) -> int:
    """Marks of answers that are gone."""
    kept = " UNION ".join(f"SELECT entry_id FROM {table}" for table in _TABLES)
    return connection.execute(f"DELETE FROM cache_marks WHERE entry_id NOT IN ({kept})").rowcount


def _where(drop: Drop) -> tuple[str, tuple[object, ...]]:
    condition, values = _what(drop)
    return (condition, values) if drop.tenant is None else (f"{condition} AND tenant = ?", (*values, drop.tenant))


def _what(drop: Drop) -> tuple[str, tuple[object, ...]]:
    match drop.kind:
        case "all":
            return "1", ()
        case "entry" | "dispute":
            return "entry_id = ?", (drop.value,)
        case "tenant" | "endpoint":
            return f"{drop.kind} = ?", (drop.value,)
        case "before":
            return "created_at < ?", (float(drop.value),)
        case "document":
            return _document(drop.value)
        case _:
            return f"entry_id IN ({_MARKED})", (f"{drop.kind}:{drop.value}",)


def _document(value: str) -> tuple[str, tuple[object, ...]]:
    """Every version of "policy"; of "policy@3" all but the third."""
    name, version = parted(value)
    if not version:
        return f"entry_id IN ({_MARKED})", (f"document:{name}",)
    others = "SELECT entry_id FROM cache_marks WHERE mark > ? AND mark < ? AND mark <> ?"
    start = f"source:{name}@"
    return f"entry_id IN ({others})", (start, start + "\U0010ffff", start + version)


_MARKED = "SELECT entry_id FROM cache_marks WHERE mark = ?"
