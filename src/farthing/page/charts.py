"""Charts as values. `static/charts.js` draws them; the dashboard sends the same ones as JSON.

Every chart carries its title, a sentence that says what it shows for those who cannot see it, and gives its figures as a table. Unknown is
`None`: a gap, never zero. Times are unix seconds and shown in UTC. Names and labels may hold any text; it is never read as markup.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from farthing.page.units import Number, Unit, show

Tone = Literal["good", "bad", "warn", "accent", "baseline", "cheap", "expensive", "muted"]
Grid = tuple[tuple[str, ...], list[tuple[str, ...]]]  # column heads, rows


class Step(msgspec.Struct, frozen=True):
    """One step of a waterfall. What it saved; negative is a loss. `low` and `high` hold the saving 19 times in 20."""

    name: str
    saved: float
    low: float | None = None
    high: float | None = None
    note: str | None = None


class _Chart(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    summary: str  # what a reader should take from it, in a sentence
    height_px: int = 280


class Waterfall(_Chart, frozen=True, kw_only=True, tag="waterfall"):
    """From what would have been paid to what was paid. The end is `start` less all that was saved."""

    start: float
    steps: tuple[Step, ...]
    start_label: str = "Would have paid"
    end_label: str = "Paid"
    unit: Unit = "usd"
    height_px: int = 340

    @property
    def end(self) -> float:
        return self.start - sum(step.saved for step in self.steps)

    def grid(self) -> Grid:
        rows = [(step.name, show(-step.saved, self.unit), _between(step.low, step.high, self.unit), step.note or "") for step in self.steps]
        first, last = (self.start_label, show(self.start, self.unit), "", ""), (self.end_label, show(self.end, self.unit), "", "")
        return ("Step", "Change", "Saved, 95 % interval", ""), [first, *rows, last]


class Group(msgspec.Struct, frozen=True):
    """One colour of bars: a value per category, with intervals where there are some (as many as values, or none at all)."""

    name: str
    values: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    tone: Tone | None = None


class Bars(_Chart, frozen=True, kw_only=True, tag="bars"):
    """Values by category, beside each other or stacked."""

    categories: tuple[str, ...]
    series: tuple[Group, ...]
    unit: Unit
    stacked: bool = False
    sideways: bool = False  # long names or many of them
    most: float | None = None  # end of the axis

    def grid(self) -> Grid:
        rows = [(name, *(_ranged(group, at, self.unit) for group in self.series)) for at, name in enumerate(self.categories)]
        return ("", *(group.name for group in self.series)), rows


class Line(msgspec.Struct, frozen=True):
    """One line, as (x, y). A `None` is a gap."""

    name: str
    points: tuple[tuple[float, float | None], ...]
    tone: Tone | None = None
    dashed: bool = False


class Threshold(msgspec.Struct, frozen=True):
    label: str
    value: float


class Lines(_Chart, frozen=True, kw_only=True, tag="lines"):
    """Lines over time or over a number; stacked ones as areas, or as columns."""

    series: tuple[Line, ...]
    unit: Unit
    x: Literal["time"] | Unit = "time"
    x_label: str = ""
    stacked: bool = False
    columns: bool = False
    step_s: float | None = None  # between points in time
    most: float | None = None
    thresholds: tuple[Threshold, ...] = ()

    def grid(self) -> Grid:
        at: dict[float, dict[str, float | None]] = {}
        for line in self.series:
            for x, y in line.points:
                at.setdefault(x, {})[line.name] = y
        rows = [(self._x(x), *(_cell(at[x], line.name, self.unit) for line in self.series)) for x in sorted(at)]
        return ("Time, UTC" if self.x == "time" else self.x_label, *(line.name for line in self.series)), rows

    def _x(self, x: float) -> str:
        return datetime.fromtimestamp(x, UTC).strftime("%Y-%m-%d %H:%M") if self.x == "time" else show(x, self.x)


class Dot(msgspec.Struct, frozen=True):
    """One configuration, model or threshold. `best`: on the frontier, joined by a line."""

    name: str
    x: float
    y: float
    x_low: float | None = None
    x_high: float | None = None
    y_low: float | None = None
    y_high: float | None = None
    group: str = ""
    best: bool = False
    note: str | None = None


class Frontier(_Chart, frozen=True, kw_only=True, tag="frontier"):
    """Two measures against each other, with their intervals: cost and quality."""

    points: tuple[Dot, ...]
    x_label: str
    y_label: str
    x_unit: Unit = "usd"
    y_unit: Unit = "percent"
    x_scale: bool = False  # let the axis begin where the points do, not at zero
    height_px: int = 360

    def grid(self) -> Grid:
        rows = [
            (
                dot.name,
                _with(show(dot.x, self.x_unit), _between(dot.x_low, dot.x_high, self.x_unit)),
                _with(show(dot.y, self.y_unit), _between(dot.y_low, dot.y_high, self.y_unit)),
            )
            for dot in self.points
        ]
        return ("", self.x_label, self.y_label), rows


class Histogram(_Chart, frozen=True, kw_only=True, tag="histogram"):
    """Counts between edges (one more edge than counts), stacked where there are several series."""

    edges: tuple[float, ...]
    series: tuple[Group, ...]
    x_unit: Unit = "number"
    x_label: str = ""
    thresholds: tuple[Threshold, ...] = ()

    def grid(self) -> Grid:
        bins = list(zip(self.edges, self.edges[1:], strict=False))
        rows = [
            (f"{show(low, self.x_unit)} to {show(high, self.x_unit)}", *(show(group.values[at], "count") for group in self.series))
            for at, (low, high) in enumerate(bins)
        ]
        return (self.x_label or "Range", *(group.name for group in self.series)), rows


Chart = Waterfall | Bars | Lines | Frontier | Histogram


def mark_best(dots: Iterable[Dot]) -> tuple[Dot, ...]:
    """The same dots, with those marked that no other beats: none is cheaper (x) and at least as good (y)."""
    given = tuple(dots)
    return tuple(msgspec.structs.replace(dot, best=not any(_beats(other, dot) for other in given)) for dot in given)


def evenly(low: float, high: float, bins: int) -> tuple[float, ...]:
    """Edges of that many bins of one width."""
    return tuple(low + (high - low) * at / bins for at in range(bins + 1))


def count_into(edges: Sequence[float], values: Iterable[Number]) -> tuple[int, ...]:
    """How many values fall between the edges; those outside count at the ends."""
    from bisect import bisect_right

    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    return tuple(counts)


def _beats(other: Dot, dot: Dot) -> bool:
    return other.x <= dot.x and other.y >= dot.y and (other.x, other.y) != (dot.x, dot.y)


def _between(low: float | None, high: float | None, unit: Unit) -> str:
    return "" if low is None or high is None else f"{show(low, unit)} to {show(high, unit)}"


def _with(text: str, interval: str) -> str:
    return f"{text} ({interval})" if interval else text


def _ranged(group: Group, at: int, unit: Unit) -> str:
    interval = _between(group.low[at], group.high[at], unit) if group.low and group.high else ""
    return _with(show(group.values[at], unit), interval)


def _cell(values: dict[str, float | None], name: str, unit: Unit) -> str:
    return show(values[name], unit) if name in values else ""
