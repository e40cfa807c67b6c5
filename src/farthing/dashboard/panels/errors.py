"""What went wrong, and what was saved from going wrong: errors, fallbacks, repairs."""

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import Reader
from farthing.page import Block, Cell, Column, Line, Lines, Stat, Stats, Table, show

_MOST_CODES = 7
_MOST_ROWS = 12


def panel(reader: Reader) -> Panel:
    sums = reader.total(("requests", "failed_calls", "fallbacks", "repairs", "truncated"))
    rows = reader.sums(("point", "endpoint", "outcome", "error_code"), ("requests",), only="outcome != 'ok'")
    failed = sum(row[-1] for row in rows)
    requests = sums["requests"]
    blocks: list[Block] = [_headline(sums, failed)] if requests else []
    if rows:
        blocks += [_chart(reader, rows), _table(rows)]
    return Panel("errors", "Errors and fallbacks", blocks, Figures(("time", "endpoint", "outcome", "error_code", "requests"), rows))


def _headline(sums: dict[str, int], failed: int) -> Stats:
    share = failed / sums["requests"]
    return Stats(
        [
            Stat("Not whole answers", show(failed, "count"), f"{show(share, 'percent')} of requests", "bad" if share > 0.05 else None),
            Stat("Calls that failed", show(sums["failed_calls"], "count"), "to a model service"),
            Stat("Fallbacks", show(sums["fallbacks"], "count"), "answered by another try or model"),
            Stat("Repairs", show(sums["repairs"], "count"), "calls that mended an answer"),
            Stat("Cut short", show(sums["truncated"], "count"), "and the caller was told"),
        ]
    )


def _label(outcome: str, code: str) -> str:
    return code or outcome


def _chart(reader: Reader, rows: list[tuple[int, str, str, str, int]]) -> Lines:
    counts: dict[str, dict[int, int]] = {}
    for point, _, outcome, code, requests in rows:
        of = counts.setdefault(_label(outcome, code), {})
        of[point] = of.get(point, 0) + requests
    order = sorted(counts, key=lambda name: -sum(counts[name].values()))
    rest, order = order[_MOST_CODES:], order[:_MOST_CODES]
    for name in rest:
        for point, requests in counts[name].items():
            of = counts.setdefault("others", {})
            of[point] = of.get(point, 0) + requests
    series = tuple(
        Line(name, tuple((float(point), float(counts[name].get(point, 0))) for point in reader.view.points))
        for name in [*order, *(["others"] if rest else [])]
    )
    summary = f"The most frequent is {order[0]}."
    return Lines(title="Errors over time", summary=summary, series=series, unit="count", stacked=True, columns=True, step_s=reader.view.step)


def _table(rows: list[tuple[int, str, str, str, int]]) -> Table:
    counts: dict[tuple[str, str, str], int] = {}
    for _, endpoint, outcome, code, requests in rows:
        counts[endpoint, outcome, code] = counts.get((endpoint, outcome, code), 0) + requests
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_ROWS]
    shown = [[endpoint or "none", Cell(code or "none", code=bool(code)), outcome, show(many, "count")] for (endpoint, outcome, code), many in most]
    return Table(["Endpoint", "Error", "Outcome", Column("Requests", right=True)], shown)
