"""The cache: hit rate over time by kind, what was disputed, what was forgotten."""

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import HITS, IS_HIT, Reader
from farthing.page import Block, Line, Lines, Stat, Stats, show
from farthing.stores.sqlite.rollups.tally import MILLION


def panel(reader: Reader) -> Panel:
    rows = reader.sums(("point", "cache"), ("requests",))
    if not rows:
        return Panel("cache", "Cache", [], Figures(("time", "cache", "requests"), []))
    totals: dict[int, int] = {}
    for point, _, requests in rows:
        totals[point] = totals.get(point, 0) + requests
    by_kind = {kind: {point: requests for point, cache, requests in rows if cache == kind} for kind in HITS}
    shown = [kind for kind in HITS if by_kind[kind]]
    series = tuple(
        Line(kind, tuple((float(point), by_kind[kind].get(point, 0) / totals[point] if totals.get(point) else None) for point in reader.view.points))
        for kind in shown
    )
    blocks: list[Block] = [_headline(reader, sum(totals.values()), {kind: sum(by_kind[kind].values()) for kind in shown})]
    if shown:
        summary = f"Share of requests that were answered from memory, by kind: {', '.join(shown)}."
        blocks.append(Lines(title="Hit rate", summary=summary, series=series, unit="percent", stacked=True, step_s=reader.view.step))
    figures = [(point, cache, requests, requests / totals[point]) for point, cache, requests in rows]
    return Panel("cache", "Cache", blocks, Figures(("time", "cache", "requests", "ratio"), figures))


def _headline(reader: Reader, requests: int, hits: dict[str, int]) -> Stats:
    verdicts = reader.verdicts((), ("scored", "score", "disputed"), only=IS_HIT)
    scored, score, disputed = verdicts[0] if verdicts else (0, 0, 0)
    forgotten = sum(drops for _, drops in reader.drops())
    quality = f"quality of hits {show(score / MILLION / scored, 'percent')}" if scored else "no hit has a verdict"
    kinds = ", ".join(f"{kind} {show(many, 'count')}" for kind, many in hits.items())
    return Stats(
        [
            Stat("Hit rate", show(sum(hits.values()) / requests, "percent"), kinds),
            Stat("Hits", show(sum(hits.values()), "count"), f"of {show(requests, 'count')} requests"),
            Stat("Disputed hits", show(disputed, "count"), quality, "bad" if disputed else None),
            Stat("Invalidations", show(forgotten, "count"), "on request"),
        ]
    )
