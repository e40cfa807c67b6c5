"""Tokens: in, out, and read from the provider's prompt cache."""

from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.queries import Reader
from farthing.page import Block, Line, Lines, Stat, Stats, Tone, show

_COLUMNS = ("requests", "tokens_in", "tokens_cached", "tokens_out", "tokens_unknown")


def panel(reader: Reader) -> Panel:
    rows = {point: sums for point, *sums in reader.sums(("point",), _COLUMNS)}
    if not rows:
        return Panel("tokens", "Tokens", [], Figures(("time", *_COLUMNS), []))
    requests, tokens_in, cached, out, unknown = (sum(column) for column in zip(*rows.values(), strict=True))
    blocks: list[Block] = [
        Stats(
            [
                Stat("Input", show(tokens_in, "tokens"), f"{show(tokens_in / requests, 'tokens')} a request"),
                Stat("Cached by providers", show(cached, "tokens"), f"{show(cached / tokens_in if tokens_in else None, 'percent')} of input"),
                Stat("Output", show(out, "tokens"), f"{show(out / requests, 'tokens')} a request"),
                Stat("Not counted", show(unknown, "count"), "requests"),
            ]
        ),
        _chart(reader, rows),
    ]
    return Panel("tokens", "Tokens", blocks, Figures(("time", *_COLUMNS), [(point, *sums) for point, sums in sorted(rows.items())]))


def _chart(reader: Reader, rows: dict[int, list[int]]) -> Lines:
    def line(name: str, tone: Tone, of: int, less: int | None = None) -> Line:
        values = {point: float(sums[of] - (sums[less] if less is not None else 0)) for point, sums in rows.items()}
        return Line(name, tuple((float(point), values.get(point, 0.0)) for point in reader.view.points), tone)

    series = (line("input", "accent", 1, 2), line("input, cached", "cheap", 2), line("output", "warn", 3))
    summary = "Input, the part of it that providers had cached, and output."
    return Lines(title="Tokens over time", summary=summary, series=series, unit="tokens", stacked=True, columns=True, step_s=reader.view.step)
