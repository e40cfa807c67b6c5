"""What the cache holds, and which of it is served most; each entry leads to a page of its own."""

from datetime import UTC, datetime
from typing import Any

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import Reader, usd
from farthing.page import Block, Cell, Column, Stat, Stats, Table, show
from farthing.stores.sqlite.cacherows import uses

_LATEST = 20_000  # requests that are looked at: the ledger has no index on entries
_SHOWN = 20
_COLUMNS = ("entry", "lane", "endpoint", "tenant", "hits", "saved_usd", "disputes", "similarity", "last_at")


def panel(reader: Reader) -> Panel:
    found = _served(reader)
    disputes = uses(reader.connection, [row[0] for row in found]) if found else {}
    rows = [(*row[:5], None if row[5] is None else usd(row[5]), disputes[row[0]].disputes if row[0] in disputes else 0, *row[6:]) for row in found]
    blocks: list[Block] = [] if reader.view.tenant else [*_held(reader)]
    if rows:
        blocks.append(_table(rows))
    return Panel("entries", "What the cache holds", blocks if rows else [], Figures(_COLUMNS, rows))


def _served(reader: Reader) -> list[tuple[Any, ...]]:
    """Entry, lane, endpoint, tenant, hits, picodollars saved, similarity, last time: the most served of the latest requests."""
    view = reader.view
    condition, values = "cache_entry IS NOT NULL AND received_at >= ? AND received_at < ?", [view.since, view.until]
    for name, value in (("tenant", view.tenant), ("endpoint", view.endpoint), ("model_tier", view.tier)):
        if value:
            condition, values = f"{condition} AND {name} = ?", [*values, value]
    sql = f"""SELECT cache_entry, group_concat(DISTINCT cache), max(endpoint), max(tenant), count(*), sum(baseline_cost_picousd - cost_picousd),
        min(cache_similarity), max(received_at)
        FROM (SELECT * FROM requests ORDER BY rowid DESC LIMIT {_LATEST}) WHERE {condition}
        GROUP BY cache_entry ORDER BY 5 DESC, 8 DESC LIMIT {_SHOWN}"""
    return reader.connection.execute(sql, values).fetchall()


def _held(reader: Reader) -> list[Block]:
    now = reader.view.now
    (answers,) = reader.connection.execute("SELECT count(*) FROM cache_entries WHERE expires_at > ?", (now,)).fetchone()
    entries, keys = reader.connection.execute("SELECT count(DISTINCT entry_id), count(*) FROM semantic_keys WHERE expires_at > ?", (now,)).fetchone()
    dropped = reader.connection.execute("SELECT kind, count(*) FROM cache_drops WHERE dropped_at > ? GROUP BY kind ORDER BY 2 DESC", (now - 3600,))
    drops = dropped.fetchall()
    told = ", ".join(f"{count} by {kind}" for kind, count in drops[:4]) or "nothing was"
    return [
        Stats(
            [
                Stat("Answers in the store", show(answers, "count"), "exact and normalised; a lone worker writes what is reused"),
                Stat("Answers by meaning", show(entries, "count"), f"found under {show(keys, 'count')} questions"),
                Stat("Forgotten within the hour", show(sum(count for _, count in drops), "count"), told),
            ]
        )
    ]


def _table(rows: list[tuple[Any, ...]]) -> Table:
    shown: list[list[Cell | str]] = [
        [
            Cell(entry, code=True, link=f"?request={entry}"),
            lanes,
            endpoint or "none",
            tenant or "none",
            show(hits, "count"),
            show(saved, "usd"),
            Cell(show(disputes, "count"), "bad" if disputes else None),
            "" if similarity is None else f"{similarity:.3f}",
            datetime.fromtimestamp(last_at, UTC).strftime("%m-%d %H:%M:%S"),
        ]
        for entry, lanes, endpoint, tenant, hits, saved, disputes, similarity, last_at in rows
    ]
    heads = [Column(name, right=True) for name in ("Hits", "Saved", "Disputes", "Least similar")]
    return Table(["Entry", "Served as", "Endpoint", "Tenant", *heads, "Last, UTC"], shown, f"Most served, of the latest {_LATEST:,} requests")
