"""How long answers take: quantiles by endpoint and tier (of interactive requests), and where the time goes (of all)."""

from typing import Any

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.panels.cost import by_weight, tiers_of
from farthing.dashboard.queries import REUSED, UNSERVED, Reader, added
from farthing.page import Bars, Block, Cell, Column, Group, Line, Lines, Stat, Stats, Table, Tone, show
from farthing.stores.sqlite.rollups import sketch

_SHARES = (0.5, 0.9, 0.99)
_QUANTILES: tuple[tuple[str, Tone], ...] = (("P50", "accent"), ("P90", "warn"), ("P99", "bad"))
_MOST_ENDPOINTS = 14
_PARTS: tuple[tuple[str, str, Tone | None], ...] = (
    ("gateway_us", "gateway", "accent"),
    ("queue_us", "queue", "warn"),
    ("retrieval_us", "retrieval", "cheap"),
    ("first_token_us", "to first token", "expensive"),
    ("rest_us", "rest of the answer", "baseline"),
)


def panel(reader: Reader) -> Panel:
    latency = reader.sketches("latency", ("endpoint", "served"))
    first = reader.sketches("first_token", ("endpoint", "served"))
    lines: list[tuple[Any, ...]] = [
        (*place, sum(counts.values()), *sketch.quantiles(counts, _SHARES), *sketch.quantiles(first.get(place, {}), _SHARES))
        for place, counts in latency.items()
        if place[1] != UNSERVED
    ]
    weights: dict[str, int] = {}
    for endpoint, _, many, *_ in lines:
        weights[endpoint] = weights.get(endpoint, 0) + many
    endpoints = by_weight(weights)
    order = {tier: at for at, tier in enumerate(tiers_of({line[1] for line in lines}))}
    lines.sort(key=lambda line: (endpoints.index(line[0]), order[line[1]]))
    blocks: list[Block] = [_over_time(reader), _table(lines)] if lines else []
    columns = ("endpoint", "tier", "requests", "p50_ms", "p90_ms", "p99_ms", "first_token_p50_ms", "first_token_p90_ms", "first_token_p99_ms")
    return Panel("speed", "Latency", blocks, Figures(columns, lines), "Quantiles are within 2 %, of interactive requests")


def _over_time(reader: Reader) -> Lines:
    found = reader.sketches("latency", ("point",))
    points = {point: sketch.quantiles(counts, _SHARES) for (point,), counts in found.items()}
    whole = sketch.quantiles(added(found.values()), _SHARES)
    series = tuple(
        Line(name, tuple((float(point), points[point][at] if point in points else None) for point in reader.view.points), tone)
        for at, (name, tone) in enumerate(_QUANTILES)
    )
    summary = f"Half of all requests took {show(whole[0], 'ms')} or less, 99 of 100 took {show(whole[2], 'ms')} or less."
    return Lines(title="Latency over time", summary=summary, series=series, unit="ms", step_s=reader.view.step)


def _table(lines: list[tuple[Any, ...]]) -> Table:
    rows: list[list[Cell | str]] = [
        [line[0] or "none", line[1], show(line[2], "count"), *(show(value, "ms") if value is not None else Cell("", "muted") for value in line[3:])]
        for line in lines[: 3 * _MOST_ENDPOINTS]
    ]
    heads = ("Requests", "P50", "P90", "P99", "First token", "P90", "P99")
    return Table(["Endpoint", "Tier", *(Column(name, right=True) for name in heads)], rows)


def split(reader: Reader) -> Panel:
    """Where the time of an average request goes."""
    columns = ("requests", *(name for name, _, _ in _PARTS))
    rows = reader.sums(("endpoint", "served"), columns)
    found = {(endpoint, served): sums for endpoint, served, *sums in rows if served not in (REUSED, UNSERVED)}
    places = sorted(found, key=lambda place: -found[place][0])[:_MOST_ENDPOINTS]
    series = tuple(
        Group(label, tuple(found[place][at] / found[place][0] / 1000 for place in places), tone=tone) for at, (_, label, tone) in enumerate(_PARTS, 1)
    )
    figures = [(*place, values[0], *(value / values[0] / 1000 for value in values[1:])) for place, values in found.items()]
    heads = ("endpoint", "tier", "requests", "gateway_ms", "queue_ms", "retrieval_ms", "first_token_ms", "rest_ms")
    chart = Bars(
        title="Average time of a request that a model answered",
        summary="Its parts, one after the other; they add up to the whole.",
        categories=tuple(f"{endpoint or 'none'}, {tier}" for endpoint, tier in places),
        series=series,
        unit="ms",
        stacked=True,
        sideways=True,
    )
    return Panel("split", "Where the time goes", [_average(list(found.values())), chart] if places else [], Figures(heads, figures))


def _average(sums: list[list[int]]) -> Stats:
    requests, *parts = (sum(column) for column in zip(*sums, strict=True))
    return Stats([Stat(label, show(part / requests / 1000, "ms")) for part, (_, label, _) in zip(parts, _PARTS, strict=True)])
