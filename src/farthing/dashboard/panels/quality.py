"""The quality guard: what was said of answers, by endpoint and lever, with how sure that is."""

import sqlite3
from datetime import UTC, datetime
from math import sqrt
from typing import Any

import msgspec

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.panels.account import LABELS
from farthing.dashboard.queries import HITS, Reader, add_up
from farthing.page import Block, Cell, CellTone, Column, Note, Stat, Stats, Table, show
from farthing.stores.sqlite.rollups.tally import MILLION

_Z = 1.959963984540054
_MOST_LINES = 12
_NONE = "No answer of this window has a verdict yet. Feedback (POST /v1/feedback), a judge or shadow calls give them: docs/quality.md."
_COLUMNS = ("scored", "score", "disputed", "paired", "paired_score", "reference_score")


def wilson(mean: float, of: int) -> tuple[float, float]:
    """Wilson's interval of a share, 95 %. Scores between 0 and 1 vary less than a yes or no of the same mean: for them it is wide enough."""
    middle = (mean + _Z * _Z / (2 * of)) / (1 + _Z * _Z / of)
    half = _Z / (1 + _Z * _Z / of) * sqrt(mean * (1 - mean) / of + _Z * _Z / (4 * of * of))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def panel(reader: Reader) -> Panel:
    rows = [row for row in reader.verdicts(("endpoint", "lever", "tier", "cache"), _COLUMNS) if row[4]]
    lines = sorted(_merged(rows), key=lambda line: -line[2])
    stances = _stances(reader.connection)
    blocks: list[Block] = []
    if lines:
        blocks += [_headline(lines), _table(lines[:_MOST_LINES], stances)]
    elif reader.total(("requests",))["requests"]:
        blocks.append(Note(_NONE))
    blocks += _turns(reader, {line[0] for line in lines})
    figures = [(*line[:2], *_figures(line)) for line in lines]
    columns = ("endpoint", "what", "verdicts", "quality", "quality_low", "quality_high", "disputed", "paired", "kept_of_expensive")
    return Panel("quality", "Quality guard", blocks, Figures(columns, figures), "For the same window")


def what(lever: str, tier: str, cache: str) -> str:
    """Which saving a verdict is about, in words."""
    if cache in HITS:
        return f"{cache} cache"
    return f"{tier} tier" if tier else LABELS.get(lever, lever) or "other"


def _merged(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Endpoint, what, and sums."""
    sums = add_up(((endpoint, what(lever, tier, cache)), values) for endpoint, lever, tier, cache, *values in rows)
    return [(*key, *values) for key, values in sums.items()]


def _figures(line: tuple[Any, ...]) -> tuple[Any, ...]:
    _, _, scored, score, disputed, paired, paired_score, reference = line
    mean = score / MILLION / scored
    return scored, mean, *wilson(mean, scored), disputed, paired, paired_score / reference if reference else None


def _headline(lines: list[tuple[Any, ...]]) -> Stats:
    scored, score, disputed, paired, paired_score, reference = (sum(line[at] for line in lines) for at in range(2, 8))
    mean = score / MILLION / scored
    low, high = wilson(mean, scored)
    kept = paired_score / reference if reference else None
    return Stats(
        [
            Stat("Quality", show(mean, "percent"), f"{show(low, 'percent')} to {show(high, 'percent')}"),
            Stat("Of the expensive tier's", show(kept, "percent"), f"{show(paired, 'count')} answers judged against it"),
            Stat("Verdicts", show(scored, "count")),
            Stat("Disputed", show(disputed, "count"), f"{show(disputed / scored, 'percent')} scored under a half"),
        ]
    )


def _table(lines: list[tuple[Any, ...]], stances: dict[tuple[str, str], str]) -> Table:
    rows: list[list[Cell | str]] = []
    for line in lines:
        scored, mean, low, high, disputed, _, kept = _figures(line)
        state, tone = _state(stances, line[0], line[1])
        quality = Cell(show(mean, "percent"))
        span = Cell(f"{show(low, 'percent')} to {show(high, 'percent')}", "muted")
        rows.append(
            [line[0] or "none", line[1], quality, span, show(scored, "count"), show(disputed, "count"), show(kept, "percent"), Cell(state, tone)]
        )
    heads = [Column(name, right=True) for name in ("Quality", "95 % interval", "Verdicts", "Disputed", "Of expensive")]
    return Table(["Endpoint", "Served by", *heads, Column("Guard")], rows)


def _state(stances: dict[tuple[str, str], str], endpoint: str, served_by: str) -> tuple[str, CellTone | None]:
    lever = "semantic" if served_by == "semantic cache" else "cache" if served_by.endswith("cache") else "route" if served_by == "cheap tier" else ""
    phase = stances.get((endpoint, lever))
    if phase is None:
        return ("not watched" if lever else "reference"), "muted"
    return {"on": ("holds", "good"), "down": ("turned down", "bad"), "trial": ("on trial", "warn")}.get(phase, (phase, None))  # type: ignore[return-value]


class _Stance(msgspec.Struct, frozen=True, gc=False):
    phase: str = "on"


def _stances(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Where the guard holds each lever, by endpoint; empty where no guard was ever at work here."""
    if not _has(connection, "quality_stances"):
        return {}
    found = connection.execute("SELECT endpoint, lever, stance FROM quality_stances").fetchall()
    return {(endpoint, lever): msgspec.json.decode(stance, type=_Stance).phase for endpoint, lever, stance in found}


def _turns(reader: Reader, endpoints: set[str]) -> list[Block]:
    """The newest times that a lever was turned, on the endpoints that this look shows."""
    if not _has(reader.connection, "quality_turns"):
        return []
    view = reader.view
    sql = "SELECT at, endpoint, lever, phase, reason FROM quality_turns WHERE at >= ? AND at < ? ORDER BY id DESC LIMIT 40"
    found = reader.connection.execute(sql, (view.since, view.until)).fetchall()
    rows = [(datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M"), *rest) for at, *rest in found if rest[0] in endpoints]
    return [Table(["Turned at, UTC", "Endpoint", "Lever", "To", "Because"], rows, "Levers that were turned")] if rows else []


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()[0] > 0
