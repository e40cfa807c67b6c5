"""A replay as a file: JSON for programs, one HTML page with charts for people."""

from collections.abc import Callable, Iterator
from pathlib import Path

from farthing.core.errors import ConfigError
from farthing.lab.replay.document import as_json, moment
from farthing.lab.replay.figures import Figures, Quality
from farthing.lab.replay.run import Replay
from farthing.lab.replay.table import LATENCY, ROWS, caveats, read_lines, worth_lines
from farthing.lab.statistics import Estimate
from farthing.page import Bars, Block, Column, Dot, Frontier, Group, Note, Page, Section, Table, Text, mark_best, render

# What decides comes first; the rest is a scroll away.
_ON_PAGE = ("USD per 1K", "quality", "quality known for", LATENCY, "cache hits", "tiers", "refused", "failed", "answered", "cost USD", "models")
Write = Callable[[Replay, list[Figures]], bytes]


def writer_of(path: Path) -> Write:
    """By the file's ending. Raises `ConfigError` for any other than .html and .json."""
    writers: dict[str, Write] = {".json": as_json, ".html": as_html, ".htm": as_html}
    found = writers.get(path.suffix.lower())
    if found is None:
        raise ConfigError(f"--out {path}: the report is written as .html or .json. Name the file accordingly.")
    return found


def writes(path: Path, content: bytes) -> None:
    """Raises `ConfigError` when the file cannot be written."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def as_html(found: Replay, lanes: list[Figures]) -> bytes:
    """The page."""
    intake = found.intake
    facts = [("Requests", f"{len(found.requests.ids):,}"), ("Runs", f"{len(set(found.requests.runs)):,}")]
    if intake.first_s is not None:
        facts.append(("Log", f"{moment(intake.first_s)} to {moment(intake.last_s)}"))
    sections = [
        Section("Cost against quality", list(_frontier(lanes))),
        Section("Every configuration", [_table(lanes)]),
        Section("What these figures rest on", [Text(line) for line in (*read_lines(found), *worth_lines(lanes), *caveats(found, lanes))]),
    ]
    if any(lane.latency.known for lane in lanes):
        said = "Of the answered requests whose time is known; the gateway's own time is not in it."
        sections.insert(2, Section("How fast", [_latency(lanes)], said))
    lead = "The gateway's own brain, run over logged traffic in log order, with the log's clock and the log's answers."
    return render(Page("Replay", sections, lead, facts)).encode()


def _frontier(lanes: list[Figures]) -> Iterator[Block]:
    dots = [
        _dot(lane.name, lane.per_request_usd.scaled(1000), lane.quality)
        for lane in lanes
        if lane.per_request_usd is not None and lane.quality is not None
    ]
    unknown = [lane.name for lane in lanes if lane.name not in {dot.name for dot in dots}]
    if dots:
        yield Frontier(
            title="Cost-quality frontier",
            summary="Cost per 1K requests and mean grade of the answers, with 95 % intervals. Marked: none is cheaper and as good.",
            points=mark_best(dots),
            x_label="USD per 1K requests",
            y_label="Quality",
        )
    if unknown:
        yield Note(f"Not drawn, because their cost or their quality is not known from this log: {', '.join(unknown)}.")


def _dot(name: str, cost: Estimate, quality: Quality) -> Dot:
    return Dot(name, cost.value, quality.mean, x_low=cost.low, x_high=cost.high, y_low=quality.low, y_high=quality.high)


def _table(lanes: list[Figures]) -> Table:
    """A configuration a row: there are more figures than a screen is wide."""
    rows = dict(ROWS)
    shown = [(name, rows[name]) for name in _ON_PAGE]
    heads = [Column("Configuration"), *(Column(name, right=True) for name, _ in shown)]
    cells = [(lane.name, *(show(lane).replace("\n", ", ") for _, show in shown)) for lane in lanes]
    return Table(heads, cells, caption="Figures by configuration, with 95 % intervals")


def _latency(lanes: list[Figures]) -> Bars:
    found = [lane.latency for lane in lanes]
    return Bars(
        title="Latency",
        summary="P50, P90 and P99 of each configuration.",
        categories=tuple(lane.name for lane in lanes),
        series=(
            Group("P50", tuple(latency.p50_ms for latency in found)),
            Group("P90", tuple(latency.p90_ms for latency in found)),
            Group("P99", tuple(latency.p99_ms for latency in found)),
        ),
        unit="ms",
    )
