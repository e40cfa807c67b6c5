"""The arms of an experiment as a table for people."""

from rich.console import Console
from rich.table import Table

from farthing.lab.quality.arms import Arm, Compared, Difference
from farthing.lab.quality.shown import number, span
from farthing.lab.statistics import Estimate


def print_arms(compared: Compared, console: Console) -> None:
    """One row an arm, one line a difference."""
    table = Table("arm", box=None, pad_edge=False, title=f"Experiment {compared.experiment}", title_justify="left")
    for head in ("runs", "requests", "USD per 1K runs", "95 %", "P50 ms", "P90 ms", "verdicts", "mean score", "95 %", "of expensive", "95 %"):
        table.add_column(head, justify="right")
    for arm in compared.arms:
        table.add_row(arm.name, *_cells(arm))
    console.print(table)
    first = compared.arms[0].name
    console.print(f"\nDifferences from {first}; intervals hold at every look (95 % each)")
    for arm in compared.arms[1:]:
        for what, found, factor, unit in (
            ("cost", arm.cost_difference_usd, 1000.0, "USD per 1K runs"),
            ("latency", arm.latency_difference_ms, 1.0, "ms a request"),
            ("score", arm.score_difference, 1.0, ""),
        ):
            console.print(f"  {arm.name} {what}: {_difference(found, factor, unit)}")
    for arm in compared.arms:
        if arm.unpriced_runs:
            console.print(f"  {arm.name}: {arm.unpriced_runs:,} runs without a known cost are left out of the money")


def _cells(arm: Arm) -> tuple[str, ...]:
    said = arm.quality
    cost = None if arm.cost_per_run_usd is None else arm.cost_per_run_usd.scaled(1000)
    times = tuple("-" if value is None else f"{value:,.1f}" for value in (arm.latency_p50_ms, arm.latency_p90_ms))
    quality = (f"{said.scored:,}", number(said.mean), span(said.low, said.high), number(said.ratio), span(said.ratio_low, said.ratio_high))
    return (f"{arm.runs:,}", f"{arm.requests:,}", *_money(cost), *times, *quality)


def _money(cost: Estimate | None) -> tuple[str, str]:
    if cost is None:
        return "-", "-"
    return f"{cost.value:.6f}", "-" if cost.low is None or cost.high is None else f"{cost.low:.6f} to {cost.high:.6f}"


def _difference(found: Difference | None, factor: float, unit: str) -> str:
    if found is None:
        return "unknown"
    value = f"{_plain(found.value * factor)} {unit}".rstrip()
    if found.low is None or found.high is None:
        return f"{value}; too few runs for an interval"
    verdict = "decided: you may stop" if found.decided else "not decided: go on"
    return f"{value} ({_plain(found.low * factor)} to {_plain(found.high * factor)}), {verdict}"


def _plain(value: float) -> str:
    """Six digits with a sign, and nothing of what floats leave behind where nothing differs."""
    return f"{round(value, 9) + 0.0:+.6g}"
