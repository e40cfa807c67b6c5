"""Budgets: how far each is spent, and where it will be when its window ends if spending goes on as it did."""

import calendar
from datetime import UTC, datetime
from typing import NamedTuple

from farthing.core.money import from_picousd
from farthing.dashboard.facts import Facts
from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import Reader, usd
from farthing.page import Block, Cell, CellTone, Column, Line, Lines, Table, Threshold, show
from farthing.stores.sqlite.rollups.tally import DAY, HOUR, start_of

_MOST_LINES = 30
_MOST_CHARTS = 2
_NEARLY = 0.8


class Budget(NamedTuple):
    """One budget in its running window. USD and unix seconds."""

    subject: str  # "tenant acme"
    tenant: str | None  # whose spending the ledger can show over time
    window: str  # "day" or "month"
    starts: int
    ends: int
    used: float
    held: float
    limit: float

    def forecast(self, now: float) -> float:
        """Spent by the end of the window, at the pace so far."""
        elapsed = max(now - self.starts, 1.0)
        return self.used / elapsed * (self.ends - self.starts)

    def runs_out(self, now: float) -> float | None:
        """When, at that pace; `None`: not within the window."""
        if self.used >= self.limit:
            return now
        pace = self.used / max(now - self.starts, 1.0)
        when = now + (self.limit - self.used) / pace if pace else float("inf")
        return when if when < self.ends else None


def panel(reader: Reader, facts: Facts) -> Panel:
    now = reader.view.now
    found = sorted(budgets(reader, facts), key=lambda budget: -budget.used / budget.limit if budget.limit else 0.0)
    columns = ("subject", "window", "used_usd", "held_usd", "limit_usd", "forecast_usd", "runs_out")
    figures = [(*_named(budget), budget.used, budget.held, budget.limit, budget.forecast(now), budget.runs_out(now)) for budget in found]
    if not found:
        return Panel("budgets", "Budgets", [], Figures(columns, []))
    drawn = [budget for budget in found if budget.tenant is not None][:_MOST_CHARTS]
    blocks: list[Block] = [*(_chart(reader, budget, now) for budget in drawn), _table(found[:_MOST_LINES], now)]
    return Panel("budgets", "Budgets", blocks, Figures(columns, figures), "Windows are days and months of UTC")


def budgets(reader: Reader, facts: Facts) -> list[Budget]:
    """Every budget that money was spent of in its running window."""
    found: list[Budget] = []
    meters = reader.connection.execute("SELECT meter, used, held FROM meters WHERE meter LIKE '%:usd:____-__%'").fetchall()
    for meter, used, held in meters:
        subject, _, label = meter.rpartition(":usd:")
        kind, _, name = subject.partition(":")
        spans = window(label)
        if spans is None or not spans[0] <= reader.view.now < spans[1]:
            continue
        limits = facts.limits_of(kind, name)
        limit = limits.daily_usd if spans[2] == "day" else limits.monthly_usd
        tenant = facts.tenant_on_record(name) if kind == "tenant" else None
        if limit is None or (reader.view.tenant and reader.view.tenant not in (tenant, facts.tenant_of_key(kind, name))):
            continue
        title = facts.title(kind, name)
        found.append(Budget(title, tenant, spans[2], spans[0], spans[1], float(from_picousd(used)), float(from_picousd(held)), float(limit)))
    return found


def window(label: str) -> tuple[int, int, str] | None:
    """Begin and end of "2026-11-22" or "2026-11"."""
    try:
        if len(label) == len("2026-11"):
            first = datetime.strptime(label, "%Y-%m").replace(tzinfo=UTC)
            days = calendar.monthrange(first.year, first.month)[1]
            return int(first.timestamp()), int(first.timestamp()) + days * DAY, "month"
        start = int(datetime.strptime(label, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
    return start, start + DAY, "day"


def _named(budget: Budget) -> tuple[str, str]:
    return budget.subject, budget.window


def _table(found: list[Budget], now: float) -> Table:
    rows: list[list[Cell | str]] = []
    for budget in found:
        share, forecast, out = budget.used / budget.limit if budget.limit else 1.0, budget.forecast(now), budget.runs_out(now)
        tone: CellTone | None = "bad" if out is not None else "warn" if forecast > _NEARLY * budget.limit else None
        end = datetime.fromtimestamp(out, UTC).strftime("%m-%d %H:%M") if out is not None else ""
        spent = Cell(show(budget.used, "usd"), share=share)
        rows.append([*_named(budget), spent, show(budget.limit, "usd"), show(share, "percent"), Cell(show(forecast, "usd"), tone), Cell(end, tone)])
    heads = [Column(name, right=True) for name in ("Spent", "Of", "Share", "Forecast", "Runs out, UTC")]
    return Table(["Budget", "Window", *heads], rows)


def _chart(reader: Reader, budget: Budget, now: float) -> Lines:
    """What is left, falling; then on to the end of the window at the pace so far."""
    level = HOUR if budget.window == "day" else DAY
    sql = (
        "SELECT bucket + level, sum(cost) FROM rollups JOIN rollup_tenants USING (tenant) "
        "WHERE level = ? AND bucket >= ? AND bucket < ? AND name = ? GROUP BY bucket ORDER BY bucket"
    )
    spent = dict(reader.connection.execute(sql, (level, budget.starts, budget.ends, budget.tenant)).fetchall())
    points: list[tuple[float, float | None]] = [(float(budget.starts), budget.limit)]
    left = budget.limit
    for moment in range(budget.starts + level, start_of(now, level) + level, level):
        left -= usd(spent.get(moment, 0))
        points.append((float(min(moment, int(now))), left))
    points[-1] = (points[-1][0], budget.limit - budget.used)  # the meter is what counts
    ahead = ((points[-1][0], budget.limit - budget.used), (float(budget.ends), budget.limit - budget.forecast(now)))
    return Lines(
        title=f"{budget.subject}, this {budget.window}",
        summary=f"{show(budget.limit - budget.used, 'usd')} of {show(budget.limit, 'usd')} are left; {show(budget.forecast(now), 'usd')} forecast.",
        series=(Line("left", tuple(points), "accent"), Line("forecast", ahead, "baseline", dashed=True)),
        unit="usd",
        thresholds=(Threshold("spent", 0.0),),
        height_px=220,
    )
