"""The slowest and the dearest requests of the window; each leads to its own page."""

from datetime import UTC, datetime
from typing import Any

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import Reader, served_by, usd
from farthing.page import Block, Cell, Column, Table, show
from farthing.stores.sqlite.rollups import sketch
from farthing.stores.sqlite.rows import marks

_COLUMNS = "request_id, received_at, endpoint, tenant, model_tier, model_name, cache, latency_total_ms, cost_picousd, tokens_in, tokens_out, outcome"


def panel(reader: Reader) -> Panel:
    slowest, dearest = reader.notable("slowest"), reader.notable("dearest")
    rows = _rows(reader, [request_id for _, request_id in (*slowest, *dearest)])
    blocks: list[Block] = [_table(found, rows, title) for found, title in ((slowest, "Slowest"), (dearest, "Dearest")) if found]
    columns = (
        "list",
        "request_id",
        "received_at",
        "endpoint",
        "tenant",
        "tier",
        "model",
        "latency_ms",
        "cost_usd",
        "tokens_in",
        "tokens_out",
        "outcome",
    )
    figures = [
        (name, *values[:6], values[7], None if values[8] is None else usd(values[8]), *values[9:])
        for name, found in (("slowest", slowest), ("dearest", dearest))
        for _, request_id in found
        if (values := rows.get(request_id)) is not None
    ]
    return Panel("notable", "Slowest and dearest requests", blocks, Figures(columns, figures))


def _rows(reader: Reader, ids: list[str]) -> dict[str, tuple[Any, ...]]:
    sql = f"SELECT {_COLUMNS} FROM requests WHERE request_id IN {marks(max(len(ids), 1))}"
    return {row[0]: row for row in reader.connection.execute(sql, ids or [""])}


def _table(found: sketch.Notable, rows: dict[str, tuple[Any, ...]], title: str) -> Table:
    shown: list[list[Cell | str]] = []
    for _, request_id in found:
        if request_id not in rows:
            continue  # deleted from the ledger since
        _, at, endpoint, tenant, tier, model, cache, latency, cost, tokens_in, tokens_out, outcome = rows[request_id]
        moment = datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%S")
        who = (endpoint or "none", tenant or "none", served_by(tier, cache, model), model or "none")
        tokens = show(None if tokens_in is None or tokens_out is None else tokens_in + tokens_out, "tokens")
        figures = (show(latency, "ms"), show(None if cost is None else usd(cost), "usd"), tokens)
        shown.append([Cell(moment, link=f"?request={request_id}"), *who, *figures, Cell(outcome, None if outcome == "ok" else "warn")])
    heads = [Column(name, right=True) for name in ("Latency", "Cost", "Tokens")]
    return Table(["Received, UTC", "Endpoint", "Tenant", "Tier", "Model", *heads, "Outcome"], shown, title)
