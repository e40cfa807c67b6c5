"""One request: what was decided in order, what was called, where its time and money went, and how to ask what another configuration would do."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

import msgspec

from farthing.core.decision import Decision
from farthing.core.errors import NotFound
from farthing.core.ledger import LedgerRow
from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.panels.account import LABELS
from farthing.dashboard.queries import served_by, usd
from farthing.page import Bars, Block, Cell, Code, Column, Fold, Group, Note, Stat, Stats, Step, Table, Waterfall, show
from farthing.stores.sqlite.rollups.tally import READ, Row, split_of

_COLUMNS = LedgerRow.__struct_fields__
_TEXTS = ("prompt", "answer")
_SPLIT = ("gateway", "queue", "retrieval", "to first token", "rest of the answer")


class _Called(msgspec.Struct, frozen=True):
    service: str = ""
    model: str = ""


class _Call(msgspec.Struct, frozen=True):
    target: _Called = _Called()
    purpose: str = ""
    latency_s: float | None = None
    cost_usd: float | None = None
    error_code: str | None = None


class _Account(msgspec.Struct, frozen=True):
    saved: dict[str, int] = {}
    low: dict[str, int] = {}
    high: dict[str, int] = {}


def find(connection: sqlite3.Connection, request_id: str, *, tenant: str | None, texts: bool) -> dict[str, Any]:
    """The row. Raises `NotFound`, also for one of a tenant that this reader may not see. Without `texts` the words of people are left out."""
    found = connection.execute(f"SELECT {','.join(_COLUMNS)} FROM requests WHERE request_id = ?", (request_id,)).fetchone()
    row = {} if found is None else dict(zip(_COLUMNS, found, strict=True))
    if not row or (tenant is not None and row["tenant"] != tenant):
        raise NotFound(f"There is no request '{request_id[:80]}' in the ledger.")
    return row if texts else row | dict.fromkeys(_TEXTS, None)


def panel(connection: sqlite3.Connection, row: dict[str, Any], *, store: str) -> Panel:
    """Its page. `store` is where the ledger lies, for the command that replays it."""
    blocks: list[Block] = [_headline(row), _decisions(row)]
    if row["cache_entry"]:
        blocks.append(Table(["Cached answer that it was served"], [[Cell(row["cache_entry"], code=True, link=f"?request={row['cache_entry']}")]]))
    blocks += [block for block in (_time(row), _account(row), _calls(row), _verdicts(connection, row["request_id"])) if block is not None]
    if row["error_message"]:
        blocks.append(Note(f"{row['error_code']}: {row['error_message']}", "bad"))
    blocks += [Fold(name.capitalize(), [Code(row[name])]) for name in _TEXTS if row[name]]
    blocks += [Fold("Everything the ledger holds", [_everything(row)]), *_replay(row["request_id"])]
    figures = Figures(_COLUMNS, [tuple(row[name] for name in _COLUMNS)])
    return Panel("request", row["request_id"], blocks, figures, f"{row['endpoint']}, {_moment(row['received_at'])}; ledger {store}")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _headline(row: dict[str, Any]) -> Stats:
    cost, baseline = row["cost_picousd"], row["baseline_cost_picousd"]
    fine = row["outcome"] == "ok"
    return Stats(
        [
            Stat("Outcome", row["outcome"], row["error_code"] or row["finish"] or "", "good" if fine else "warn"),
            Stat("Served by", served_by(row["model_tier"], row["cache"], row["model_name"]), row["model_name"] or row["cache"] or ""),
            Stat("Cost", show(None if cost is None else usd(cost), "usd"), f"baseline {show(None if baseline is None else usd(baseline), 'usd')}"),
            Stat("Latency", show(row["latency_total_ms"], "ms"), f"first token {show(row['first_token_ms'], 'ms')}"),
            Stat("Tokens in", show(row["tokens_in"], "tokens"), f"{show(row['tokens_cached'] or 0, 'tokens')} of them cached"),
            Stat("Tokens out", show(row["tokens_out"], "tokens")),
        ]
    )


def _decisions(row: dict[str, Any]) -> Block:
    decisions = msgspec.json.decode(row["decisions"] or "[]", type=list[Decision])
    if not decisions:
        return Note("No lever decided anything on this request.")
    rows = [
        [str(number), each.lever, Cell(each.action, "warn" if each.failed_open else None), each.reason, _saving(each)]
        for number, each in enumerate(decisions, 1)
    ]
    return Table(["", "Lever", "Decided", "Because", Column("Claimed", right=True)], rows, "Decisions, in order")


def _saving(decision: Decision) -> str:
    parts = [] if decision.saved_usd is None else [show(decision.saved_usd, "usd")]
    parts += [] if decision.saved_tokens is None else [f"{show(decision.saved_tokens, 'tokens')} tokens"]
    return ", ".join(parts)


def _time(row: dict[str, Any]) -> Block:
    values = (0, *(row[name] for name in READ[1:]))
    split = split_of(Row(*values))
    return Bars(
        title="Where its time went",
        summary=f"{show(row['latency_total_ms'], 'ms')} in all.",
        categories=_SPLIT,
        series=(Group("time", tuple(part / 1000 for part in split)),),
        unit="ms",
        sideways=True,
    )


def _account(row: dict[str, Any]) -> Block | None:
    if row["account"] is None or row["baseline_cost_picousd"] is None:
        return None
    account = msgspec.json.decode(row["account"], type=_Account)
    ranged = {name for name in account.low if name in account.high}
    steps = tuple(
        Step(LABELS.get(name, name), usd(saved), *((usd(account.low[name]), usd(account.high[name])) if name in ranged else (None, None)))
        for name, saved in account.saved.items()
    )
    if not steps:
        return None
    summary = f"From {show(usd(row['baseline_cost_picousd']), 'usd')} to {show(usd(row['cost_picousd']), 'usd')}."
    return Waterfall(title="Its account", summary=summary, start=usd(row["baseline_cost_picousd"]), steps=steps, height_px=260)


def _calls(row: dict[str, Any]) -> Block | None:
    attempts = msgspec.json.decode(row["attempts"] or "[]", type=list[_Call])
    if not attempts:
        return None
    rows = [
        [
            each.purpose,
            f"{each.target.service}/{each.target.model}",
            show(None if each.latency_s is None else each.latency_s * 1000, "ms"),
            show(each.cost_usd, "usd"),
            Cell(each.error_code or "answered", "bad" if each.error_code else None),
        ]
        for each in attempts
    ]
    return Table(["Purpose", "Model", Column("Took", right=True), Column("Cost", right=True), "Result"], rows, "Calls, in order")


def _verdicts(connection: sqlite3.Connection, request_id: str) -> Block | None:
    sql = "SELECT judged_at, source, score, reference_score, label, comment FROM judgements WHERE request_id = ? ORDER BY judged_at"
    found = connection.execute(sql, (request_id,)).fetchall()
    rows = [
        [_moment(at), source, show(score, "percent"), show(reference, "percent"), label or "", comment or ""]
        for at, source, score, reference, label, comment in found
    ]
    return Table(["Judged at", "By", "Score", "Expensive tier's", "Label", "Comment"], rows, "What was said of it") if rows else None


def _everything(row: dict[str, Any]) -> Table:
    shown = [name for name in _COLUMNS if name not in (*_TEXTS, "decisions", "attempts", "account")]
    rows = [[name, "unknown" if row[name] is None else str(row[name])] for name in shown]
    return Table(["Column", "Value"], rows)


def _replay(request_id: str) -> list[Block]:
    return [
        Note("Replay with another configuration: save this request as JSON (link above), then"),
        Code(f"farthing replay {request_id}.json --config farthing.toml --config other.toml", "replay with ..."),
    ]
