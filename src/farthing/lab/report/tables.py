"""A report in the terminal: the account first, then where the money goes, the groups, quality, and how fast it was.

Tables fit 100 columns and shed columns on narrower screens; nothing is cut off where it is piped.
"""

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table

from farthing.lab.report import grids, text
from farthing.lab.report.account_table import economics_table, estimates_line
from farthing.lab.report.figures import Group, Report
from farthing.lab.report.fitted import fits, fitted, in_sentences


def print_report(report: Report, console: Console) -> None:
    """The whole window, then its groups."""
    console.print(f"{report.store}: {text.window(report)}", highlight=False, markup=False, soft_wrap=True)
    for note in report.notes:
        console.print(note, highlight=False, markup=False)
    if not report.total.requests:
        console.print("No request in this window.")
        return
    for block in _blocks(report, console.width):
        console.print()
        console.print(block, highlight=False, markup=False)


def _blocks(report: Report, width: int) -> Iterator[RenderableType]:
    yield total_table(report.total)
    yield economics_table(report.total, width)
    if report.total.account is not None:
        yield from estimates_line(report.total.account)
    if report.total.spending.parts:
        yield fitted(grids.spending(report.total), width)
    if report.margins:
        yield fitted(grids.margins(report), width)
    if report.groups:
        yield fitted(grids.traffic(report), width)
        yield fitted(grids.costs(report), width)
        if any(group.account is not None for group in report.groups):
            levers = grids.levers(report)
            yield fitted(levers, width) if fits(levers, width) else in_sentences(levers)
    if report.quality:
        yield fitted(grids.quality(report), width)
    if claims := grids.claims(report):
        yield claims


def total_table(group: Group) -> Table:
    """All figures of one group but its account, a line each."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, figure in grids.facts(group):
        table.add_row(name, figure)
    return table
