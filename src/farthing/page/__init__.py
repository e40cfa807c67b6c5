"""Self-contained HTML pages with charts, for reports that are sent to people: sections and figures in, one HTML file out.

    from farthing.page import Page, Section, Step, Waterfall, render

    chart = Waterfall(title="Savings", summary="What each lever saved.", start=120.0, steps=(Step("cache", 31.0), Step("route", 44.0, 40.0, 49.0)))
    html = render(Page("Savings report", [Section("The account", [chart])]))

`blocks` has the parts of a page, `charts` the charts, `units.show` the way numbers are written in both.
"""

from farthing.page.blocks import Block, Cell, CellTone, Code, Column, Fold, Note, Page, Section, Stat, Stats, Table, Text
from farthing.page.charts import (
    Bars,
    Chart,
    Dot,
    Frontier,
    Group,
    Histogram,
    Line,
    Lines,
    Step,
    Threshold,
    Tone,
    Waterfall,
    count_into,
    evenly,
    mark_best,
)
from farthing.page.page import render
from farthing.page.units import Unit, show

__all__ = [
    "Bars",
    "Block",
    "Cell",
    "CellTone",
    "Chart",
    "Code",
    "Column",
    "Dot",
    "Fold",
    "Frontier",
    "Group",
    "Histogram",
    "Line",
    "Lines",
    "Note",
    "Page",
    "Section",
    "Stat",
    "Stats",
    "Step",
    "Table",
    "Text",
    "Threshold",
    "Tone",
    "Unit",
    "Waterfall",
    "count_into",
    "evenly",
    "mark_best",
    "render",
    "show",
]
