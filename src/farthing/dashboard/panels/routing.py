"""Routing: the shares of the tiers over time, and how hard the questions are that they get."""

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.panels.cost import TONES, tiers_of
from farthing.dashboard.queries import REUSED, UNSERVED, Reader
from farthing.page import Block, Group, Histogram, Line, Lines, Threshold, evenly
from farthing.stores.sqlite.rollups import sketch


def panel(reader: Reader, thresholds: tuple[tuple[str, float], ...]) -> Panel:
    counts: dict[str, dict[int, int]] = {}
    for point, served, requests in reader.sums(("point", "served"), ("requests",)):
        if served not in (REUSED, UNSERVED):
            counts.setdefault(served, {})[point] = requests
    blocks: list[Block] = [_shares(reader, counts)] if counts else []
    difficulty = _difficulty(reader, thresholds)
    blocks += [difficulty] if difficulty is not None else []
    figures = [(point, tier, requests) for tier, points in sorted(counts.items()) for point, requests in sorted(points.items())]
    return Panel("routing", "Routing", blocks, Figures(("time", "tier", "requests"), figures))


def _shares(reader: Reader, counts: dict[str, dict[int, int]]) -> Lines:
    totals = {point: sum(of.get(point, 0) for of in counts.values()) for point in reader.view.points}
    order = tiers_of(set(counts))
    series = tuple(
        Line(tier, tuple((float(point), counts[tier].get(point, 0) / total if total else None) for point, total in totals.items()), TONES.get(tier))
        for tier in order
    )
    whole = sum(totals.values())
    cheap = sum(counts.get("cheap", {}).values()) / whole if whole else 0
    summary = f"Of the requests that a model answered, {cheap:.0%} went to the cheap tier."
    return Lines(title="Share of the tiers", summary=summary, series=series, unit="percent", stacked=True, most=1.0, step_s=reader.view.step)


def _difficulty(reader: Reader, thresholds: tuple[tuple[str, float], ...]) -> Histogram | None:
    found = {served: counts for (served,), counts in reader.sketches("complexity", ("served",)).items()}
    if not found:
        return None
    edges = evenly(0.0, 1.0, sketch.COMPLEXITY_BINS)
    series = tuple(
        Group(tier, tuple(float(found[tier].get(at, 0)) for at in range(sketch.COMPLEXITY_BINS)), tone=TONES.get(tier))
        for tier in tiers_of(set(found))
    )
    return Histogram(
        title="Difficulty of requests",
        summary="How hard the classifier took them to be, from 0 (trivial) to 1, and who answered.",
        edges=edges,
        series=series,
        x_label="complexity",
        thresholds=tuple(Threshold(label, value) for label, value in thresholds),
    )
