"""A comparison on paper."""

import msgspec
from rich.console import Console
from rich.table import Table

from farthing.lab.compare import Comparison, Line


def as_json(found: Comparison) -> str:
    """The comparison as JSON."""
    return msgspec.json.format(msgspec.json.encode(found)).decode()


def print_comparison(found: Comparison, console: Console) -> None:
    """Both sides, and a line per measure."""
    console.print(f"A  {found.first}\nB  {found.second}", highlight=False, markup=False)
    alone = f"; without a partner: {found.only_first:,} in A, {found.only_second:,} in B" if found.only_first or found.only_second else ""
    console.print(f"{found.pairs:,} pairs of requests in {found.runs:,} runs{alone}", highlight=False)
    table = Table(box=None, pad_edge=False)
    for head in ("", "pairs", "A", "B", "B - A", "95 % interval", "of A", ""):
        table.add_column(head, justify="right" if head else "left")
    for line in found.lines:
        relative = "" if line.relative is None else f"{line.relative:+.1%}"
        table.add_row(line.name, f"{line.pairs:,}", *_numbers(line), relative, verdict(line))
    console.print(table)


def verdict(line: Line) -> str:
    """Whether the interval leaves room for no difference."""
    low, high = line.difference.low, line.difference.high
    if low is None or high is None:
        return "too few runs to tell"
    return "no difference seen" if low <= 0 <= high else "higher" if low > 0 else "lower"


def _numbers(line: Line) -> tuple[str, str, str, str]:
    difference = line.difference
    held = "-" if difference.low is None or difference.high is None else f"[{_show(line, difference.low)}, {_show(line, difference.high)}]"
    return _show(line, line.first), _show(line, line.second), _show(line, difference.value), held


def _show(line: Line, value: float) -> str:
    return f"{value:,.8f} USD" if line.unit == "USD" else f"{value:,.1f} ms" if line.unit == "ms" else f"{value:.4f}"
