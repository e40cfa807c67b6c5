"""Tables that fit the screen: each column has a rank, and the least important ones go first. Nothing that has to add up is ever left out."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_BETWEEN = 2  # blanks between columns


class Head(str):
    """A column's head. Rank 0 stays; of the others, the highest goes first."""

    rank: int

    def __new__(cls, name: str, rank: int = 0) -> "Head":
        made = super().__new__(cls, name)
        made.rank = rank
        return made


def fitted(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, left: int = 1) -> RenderableType:
    """The table with as many columns as `width` holds; the first `left` columns are names. A row without cells is a gap."""
    kept = list(range(len(heads)))
    needs = [max(len(head), *(len(row[place]) for row in rows if row), 0) for place, head in enumerate(heads)]
    while _needed(needs, kept) > width and (loose := [place for place in kept if _rank(heads[place])]):
        kept.remove(max(loose, key=lambda place: (_rank(heads[place]), place)))
    table = Table(box=None, pad_edge=False)
    for place in kept:
        if place < left:
            table.add_column(heads[place], overflow="fold")
        else:
            table.add_column(heads[place], justify="right", no_wrap=True, min_width=min(needs[place], width // 2))
    for row in rows:
        table.add_row(*(row[place] for place in kept) if row else ())
    return titled(title, table)


def titled(title: str, table: Table) -> RenderableType:
    """A title that is not broken to the width of its table."""
    return Group(Text(title, style="bold"), table)


def fits(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether all columns do."""
    needs = [max(len(head), *(len(row[place]) for row in rows), 0) for place, head in enumerate(heads)]
    return _needed(needs, range(len(heads))) <= width


def _needed(needs: Sequence[int], kept: Sequence[int]) -> int:
    return sum(needs[place] for place in kept) + _BETWEEN * (len(kept) - 1)


def _rank(head: str) -> int:
    return head.rank if isinstance(head, Head) else 0
