"""A replay on paper: a column per configuration."""

from collections.abc import Callable, Iterator, Mapping

from rich.console import Console
from rich.table import Table

from farthing.core.money import format_usd
from farthing.lab.replay.document import moment
from farthing.lab.replay.figures import Figures
from farthing.lab.replay.run import Replay
from farthing.lab.statistics import Estimate

UNKNOWN = "-"
LATENCY = "latency ms P50 / P90 / P99"
_SHOWN = 4
_COVERED = 0.99
_BASIS = {
    "logged": "the logged answer itself",
    "recorded": "a recorded answer of that model to the same prompt",
    "reused": "served again from the cache",
    "fitted": "estimated: its length is that of the model's other answers",
    "borrowed": "estimated: the log never saw the model; as long as the logged answer",
    "failed": "the logged call failed",
}


def print_replay(found: Replay, lanes: list[Figures], console: Console) -> None:
    """What was read, the table, the frontier, and what could not be known."""
    for line in read_lines(found):
        console.print(line, highlight=False, markup=False)
    if not found.requests.ids:
        return
    console.print(lanes_table(lanes))
    for line in (*frontier_lines(lanes), *worth_lines(lanes), *caveats(found, lanes)):
        console.print(line, highlight=False, markup=False)


def read_lines(found: Replay) -> Iterator[str]:
    """What the log held."""
    intake = found.intake
    span = f", {moment(intake.first_s)} to {moment(intake.last_s)}" if intake.first_s is not None else ""
    yield f"{len(found.requests.ids):,} requests in {len(set(found.requests.runs)):,} runs{span}"
    if intake.unreadable:
        yield f"{intake.unreadable:,} calls could not be read and are left out, such as {'; '.join(intake.examples[:2])}"
    yield from intake.notes


def lanes_table(lanes: list[Figures]) -> Table:
    """The figures side by side."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", style="bold", no_wrap=True)
    for lane in lanes:
        table.add_column(f"{lane.name}{' *' if lane.frontier else ''}", justify="right")
    for name, show in ROWS:
        table.add_row(name, *map(show, lanes))
    return table


def frontier_lines(lanes: list[Figures]) -> Iterator[str]:
    """Cost against quality, the cheapest first; `*` marks those that no other beats."""
    points = [(lane.per_request_usd, lane.quality, lane) for lane in lanes]
    known = [(cost, quality, lane) for cost, quality, lane in points if cost is not None and quality is not None]
    if len(known) < 2:
        return
    yield "frontier (cheapest first; * no other is cheaper and as good):"
    for cost, quality, lane in sorted(known, key=lambda point: (point[0].value, -point[1].mean)):
        yield f"  {'*' if lane.frontier else ' '} {cost.value * 1000:>12.6f} USD per 1K   quality {quality.mean:.4f}   {lane.name}"


def worth_lines(lanes: list[Figures]) -> Iterator[str]:
    """Quality of each configuration's choices by the log's chances."""
    known = [(lane.name, lane.worth) for lane in lanes if lane.worth is not None]
    if known:
        yield f"quality off policy, from {known[0][1].rewarded:,} graded requests of which chance chose some (95 % intervals over runs):"
    for name, found in known:
        gap = f"; {1 - found.covered:.1%} could not have gone that way in the log: a guess there" if found.covered < _COVERED else ""
        shown = f"doubly robust {_estimate(found.doubly_robust)}, inverse propensity {_estimate(found.inverse_propensity)}"
        yield f"  {name}: {shown}, resting on {found.effective:,.0f} requests{gap}"


def _estimate(found: Estimate | None) -> str:
    return UNKNOWN if found is None else f"{found.value:.4f}{interval(found.low, found.high, lambda share: f'{share:.4f}')}"


def caveats(found: Replay, lanes: list[Figures]) -> Iterator[str]:
    """What the figures rest on, and what nobody can know from this log."""
    for lane in lanes:
        if lane is not lanes[0]:
            shares = [f"{times / lane.answered:.1%} {_BASIS[basis]}" for basis, times in lane.basis.items() if lane.answered and basis in _BASIS]
            yield f"{lane.name}: answers are {', '.join(shares) or 'none'}"
        if lane.unpriced:
            yield f"{lane.name}: {lane.unpriced:,} requests have no known cost and are left out of every sum"
        if lane.unchecked:
            yield f"{lane.name}: {lane.unchecked:,} answers that nobody has were not held to their schema"
        if lane.dieted:
            yield f"{lane.name}: {lane.dieted:,} prompts were sent shorter than logged; how good the answers to those are, the log cannot say"
        if lane.unmended:
            yield f"{lane.name}: {lane.unmended:,} answers break their schema; what a repair would have made of them is not in the log"
    intake = found.intake
    if intake.textless:
        yield f"{intake.textless:,} calls hold no text: they keep their model; prices, budgets and caps were replayed, cache and routing not"
    if intake.without_usage:
        yield f"{intake.without_usage:,} calls do not say how many tokens they took: counted from their text"
    if intake.untimed:
        yield f"{intake.untimed:,} calls are logged without a time: they were replayed one after another"
    if intake.late:
        yield f"{intake.late:,} calls come later in the log than their time: the clock waited for them (--sort orders them first)"


def interval(low: float | None, high: float | None, show: Callable[[float], str]) -> str:
    """`[low, high]`, or nothing where none is claimed."""
    return "" if low is None or high is None else f" [{show(low)}, {show(high)}]"


def _total(lane: Figures) -> str:
    if lane.unpriced == lane.requests:
        return UNKNOWN
    exact = lane.cost_low_usd == lane.cost_high_usd
    return format_usd(round(lane.cost_usd, 6)) + ("" if exact else interval(lane.cost_low_usd, lane.cost_high_usd, lambda usd: f"{usd:.4f}"))


def _per(times: int, digits: int) -> Callable[[Figures], str]:
    def show(lane: Figures) -> str:
        if lane.per_request_usd is None:
            return UNKNOWN
        found = lane.per_request_usd.scaled(times)
        return f"{found.value:,.{digits}f}" + interval(found.low, found.high, lambda usd: f"{usd:,.{digits}f}")

    return show


def _latency(lane: Figures) -> str:
    latency = lane.latency
    if latency.p50_ms is None or latency.p90_ms is None or latency.p99_ms is None:
        return UNKNOWN
    known = "" if latency.known == lane.answered else f" (of {latency.known / lane.answered:.0%})"
    return f"{latency.p50_ms:,.0f} / {latency.p90_ms:,.0f} / {latency.p99_ms:,.0f}{known}"


def _quality(lane: Figures) -> str:
    found = lane.quality
    return UNKNOWN if found is None else f"{found.mean:.4f}" + interval(found.low, found.high, lambda share: f"{share:.4f}")


def _shares(found: Mapping[str, int], of: int) -> str:
    shown = [f"{name} {times / of:.1%}" for name, times in list(found.items())[:_SHOWN]] if of else []
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "\n".join(shown + more) or UNKNOWN


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {times:,}" for name, times in found.items()) or "0"


ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("answered", lambda lane: f"{lane.answered:,}"),
    ("cost USD", _total),
    ("USD per 1K", _per(1_000, 6)),
    ("USD per 100K", _per(100_000, 2)),
    ("USD per 1M", _per(1_000_000, 2)),
    (LATENCY, _latency),
    ("cache hits", lambda lane: UNKNOWN if lane.hit_ratio is None else f"{lane.hit_ratio:.1%}"),
    ("tiers", lambda lane: _shares(lane.tiers, lane.answered)),
    ("models", lambda lane: _shares(lane.models, lane.answered)),
    ("quality", _quality),
    ("quality known for", lambda lane: UNKNOWN if lane.covered is None else f"{lane.covered:.1%}"),
    ("refused", lambda lane: _counts(lane.refused)),
    ("failed", lambda lane: _counts(lane.failed)),
)
