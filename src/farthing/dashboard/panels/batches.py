"""Background work: batches that run or ended lately, how far each is, and how many calls wait."""

from datetime import UTC, datetime

import msgspec

from farthing.core.batch import ENDED, BatchStatus
from farthing.dashboard.facts import Facts
from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import Reader
from farthing.page import Block, Cell, Column, Table, show
from farthing.page.blocks import CellTone

_MOST = 20
_FIELDS = "id, tenant, kind, path, status, created_at, expires_at, resumes_at, total, done, failed"
_TONES: dict[BatchStatus, CellTone] = {"completed": "good", "failed": "bad", "expired": "bad", "cancelled": "warn"}


class _Batch(msgspec.Struct, frozen=True):
    id: str
    tenant: str
    kind: str
    path: str
    status: BatchStatus
    created_at: float
    expires_at: float
    resumes_at: float | None
    total: int
    done: int
    failed: int


def panel(reader: Reader, facts: Facts) -> Panel:
    mine = [batch for batch in _read(reader) if reader.view.tenant in ("", facts.tenant_on_record(batch.tenant))]
    files = [batch for batch in mine if batch.kind == "batch"][:_MOST]
    waiting = sum(batch.status not in ENDED for batch in mine if batch.kind == "call")
    columns = ("batch", "tenant", "endpoint", "status", "done", "failed", "total", "ordered_at", "waits_until")
    rows = [(one.id, one.tenant, one.path, one.status, one.done, one.failed, one.total, one.created_at, one.resumes_at) for one in files]
    lead = f"Newest first; single calls that wait: {show(float(waiting), 'count')}" if waiting else "Newest first"
    return Panel("batches", "Background work", _blocks(files, reader.view.now) if files else [], Figures(columns, rows), lead)


def _read(reader: Reader) -> list[_Batch]:
    """Those that run, and those ordered within the window."""
    sql = f"""SELECT {_FIELDS} FROM batches WHERE (created_at >= ? AND created_at < ?)
    OR status IN ('validating', 'in_progress', 'finalizing', 'cancelling') ORDER BY created_at DESC, id DESC LIMIT 2000"""
    return [_Batch(*row) for row in reader.connection.execute(sql, (reader.view.since, reader.view.until)).fetchall()]


def _blocks(files: list[_Batch], now: float) -> list[Block]:
    heads = [Column(title, right=True) for title in ("Done", "Failed", "Of")]
    return [Table(["Batch", "Status", *heads, "Path", "Ordered, UTC", "Until, UTC"], [_row(one, now) for one in files])]


def _row(one: _Batch, now: float) -> list[Cell | str]:
    waits = one.resumes_at is not None and one.resumes_at > now and one.status == "in_progress"
    word = f"waits until {_moment(one.resumes_at or 0.0)}" if waits else one.status.replace("_", " ")
    share = (one.done + one.failed) / one.total if one.total else 0.0
    return [
        Cell(one.id, code=True),
        Cell(word, "warn" if waits else _TONES.get(one.status)),
        Cell(show(float(one.done), "count"), share=share),
        Cell(show(float(one.failed), "count"), "bad" if one.failed else None),
        show(float(one.total), "count"),
        one.path,
        _moment(one.created_at),
        _moment(one.expires_at),
    ]


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%m-%d %H:%M")
