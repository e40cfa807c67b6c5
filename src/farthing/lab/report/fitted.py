"""Grids in the terminal: the least important columns go first where the screen is narrow. What has to add up is never left out."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farthing.lab.report.grids import Grid, Head

_BETWEEN = 2  # blanks between columns


def fitted(grid: Grid, width: int) -> RenderableType:
    """The table with as many columns as `width` holds."""
    kept, needs = list(range(len(grid.heads))), _needs(grid)
    while _needed(needs, kept) > width and (loose := [place for place in kept if _rank(grid.heads[place])]):
        kept.remove(max(loose, key=lambda place: (_rank(grid.heads[place]), place)))
    table = Table(box=None, pad_edge=False)
    for place in kept:
        if place < grid.left:
            table.add_column(grid.heads[place], overflow="fold")
        else:
            table.add_column(grid.heads[place], justify="right", no_wrap=True, min_width=min(needs[place], width // 2))
    for number, row in enumerate(grid.rows):
        table.add_row(*(row[place] for place in kept) if row else (), style="bold" if number in grid.strong else None)
    # A title of the table itself would be broken to the table's width.
    return Group(Text(grid.title, style="bold"), table)


def fits(grid: Grid, width: int) -> bool:
    """Whether all columns do."""
    return _needed(_needs(grid), range(len(grid.heads))) <= width


def in_sentences(grid: Grid) -> str:
    """A line per row: its names, then each figure after its head."""
    lines = [grid.title]
    for row in grid.rows:
        cells = ", ".join(f"{head} {cell}" for head, cell in zip(grid.heads[grid.left :], row[grid.left :], strict=True) if cell)
        lines.append(f"{' '.join(row[: grid.left])}: {cells}")
    return "\n".join(lines)


def _needs(grid: Grid) -> list[int]:
    return [max(len(head), *(len(row[place]) for row in grid.rows if row), 0) for place, head in enumerate(grid.heads)]


def _needed(needs: Sequence[int], kept: Sequence[int]) -> int:
    return sum(needs[place] for place in kept) + _BETWEEN * (len(kept) - 1)


def _rank(head: str) -> int:
    return head.rank if isinstance(head, Head) else 0
