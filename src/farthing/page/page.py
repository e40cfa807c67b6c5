"""One page -> one HTML file that needs nothing else: styles, scripts and figures are inside.

Guarantees: no address of another host; a Content-Security-Policy that names the two scripts and the style sheet by their hashes, so that nothing
in a log line that a page shows can run; every chart has its figures as a table beside it; the same page gives the same bytes.
Costs: 0.6 MB, nearly all of it the chart library; without charts 30 kB.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from farthing.page.blocks import Block, Cell, Code, Column, Fold, Note, Page, Section, Stat, Stats, Table, Text
from farthing.page.charts import Bars, Chart, Frontier, Histogram, Lines, Waterfall

STATIC = Path(__file__).with_name("static")
_CHARTS = (Waterfall, Bars, Lines, Frontier, Histogram)
_LEAST_CONTENTS = 3
_NO_CHARTS = "globalThis.farthingCharts = { repaint() {} };"


def render(page: Page) -> str:
    """The whole HTML file."""
    writer = _Writer()
    body = _body(page, [writer.section(section, number) for number, section in enumerate(page.sections, 1)])
    style = _static("theme.css") + _static("page.css")
    scripts = [_static("echarts.js"), _static("charts.js")] if writer.charts else [_NO_CHARTS]
    scripts.append(_static("page.js"))
    policy = f"default-src 'none'; script-src {' '.join(map(_hash, scripts))}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(page.title)}</title>",
            f"<style>{style}</style></head>",
            f"<body>{body}",
            *writer.charts,
            *(f"<script>{script}</script>" for script in scripts),
            "</body></html>\n",
        ]
    )


def _body(page: Page, sections: Sequence[str]) -> str:
    lead = f'<p class="lead">{escape(page.lead)}</p>' if page.lead else ""
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in page.facts)
    facts = f'<dl class="facts">{facts}</dl>' if facts else ""
    switch = '<button class="button theme no-print" data-switch-theme hidden aria-label="Light or dark" title="Light or dark">◐</button>'
    masthead = f'<header class="masthead"><div><h1>{escape(page.title)}</h1>{lead}{facts}</div>{switch}</header>'
    contents = _contents(page.sections)
    columns = f'<div class="columns{" with-contents" if contents else ""}">{contents}<main>{"".join(sections)}</main></div>'
    return f'<div class="sheet">{masthead}{columns}<footer>Written by Farthing. Nothing on this page was loaded from elsewhere.</footer></div>'


def _contents(sections: Sequence[Section]) -> str:
    if len(sections) < _LEAST_CONTENTS:
        return ""
    links = "".join(f'<li><a href="#s{number}">{escape(section.title)}</a></li>' for number, section in enumerate(sections, 1))
    return f'<nav class="contents" aria-label="Contents"><ol>{links}</ol></nav>'


class _Writer:
    """Blocks to HTML. `charts` gathers the figures that the scripts read."""

    def __init__(self) -> None:
        self.charts: list[str] = []
        self._number = count(1)
        self._write: dict[type[Any], Callable[[Any], str]] = {
            Table: table,
            Text: _text,
            Note: _note,
            Stats: _stats,
            Code: _code,
            Fold: self._fold,
            **dict.fromkeys(_CHARTS, self._chart),
        }

    def section(self, section: Section, number: int) -> str:
        lead = f'<p class="section-lead">{escape(section.lead)}</p>' if section.lead else ""
        head = f'<h2 id="t{number}">{escape(section.title)}</h2>{lead}'
        return f'<section id="s{number}" aria-labelledby="t{number}">{head}{self._blocks(section.blocks)}</section>'

    def _blocks(self, found: Sequence[Block]) -> str:
        return f'<div class="blocks">{"".join(self._write[type(block)](block) for block in found)}</div>'

    def _fold(self, fold: Fold) -> str:
        return f'<details class="fold card"><summary>{escape(fold.title)}</summary>{self._blocks(fold.blocks)}</details>'

    def _chart(self, chart: Chart) -> str:
        name = f"chart-{next(self._number)}"
        self.charts.append(f'<script type="application/json" id="{name}">{_json(chart)}</script>')
        head = f'<figcaption class="chart-head"><h3>{escape(chart.title)}</h3><p>{escape(chart.summary)}</p></figcaption>'
        heads, rows = chart.grid()
        figures = table(Table([Column(head, right=at > 0) for at, head in enumerate(heads)], rows), framed=False)
        return (
            f'<figure class="card" data-chart="{name}">{head}<div class="canvas" role="img" aria-label="{escape(chart.title)}"></div>'
            f"<details><summary>Figures</summary>{figures}</details></figure>"
        )


def table(block: Table, *, framed: bool = True) -> str:
    """A table that scrolls sideways within itself where it is wider than the screen."""
    columns = [column if isinstance(column, Column) else Column(column) for column in block.columns]
    heads = "".join(f'<th scope="col"{" class=right" if column.right else ""}>{escape(column.title)}</th>' for column in columns)
    rows = "".join(f"<tr>{_row(row, columns)}</tr>" for row in block.rows)
    total = f"<tfoot><tr>{_row(block.total, columns)}</tr></tfoot>" if block.total is not None else ""
    caption = f"<caption>{escape(block.caption)}</caption>" if block.caption else ""
    label = escape(block.caption or "Table")
    inner = f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>{total}</table>"
    return f'<div class="{"card " if framed else ""}scroll" tabindex="0" role="region" aria-label="{label}">{inner}</div>'


def _row(cells: Sequence[Cell | str], columns: Sequence[Column]) -> str:
    given = [cell if isinstance(cell, Cell) else Cell(cell) for cell in cells]
    return "".join(_cell(cell, column, heads=at == 0) for at, (cell, column) in enumerate(zip(given, columns, strict=True)))


def _cell(cell: Cell, column: Column, *, heads: bool) -> str:
    classes = " ".join(name for name in ("right" if column.right else "", cell.tone or "") if name)
    shown = f' class="{classes}"' if classes else ""
    text = f"<code>{escape(cell.text)}</code>" if cell.code else escape(cell.text)
    text = f'<a href="{escape(cell.link)}">{text}</a>' if cell.link else text
    inner = text + ("" if cell.share is None else _bar(cell.share))
    return f'<th scope="row"{shown}>{inner}</th>' if heads else f"<td{shown}>{inner}</td>"


def _bar(share: float) -> str:
    """Drawn by attributes: a page that forbids style attributes cannot give a box its width."""
    width = round(100 * min(max(share, 0.0), 1.0), 1)
    return f'<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect width="{width}" height="4"/></svg>'


def _text(block: Text) -> str:
    return f'<p class="text">{escape(block.text)}</p>'


def _note(block: Note) -> str:
    return f'<p class="note {block.tone}">{escape(block.text)}</p>'


def _stats(block: Stats) -> str:
    return f'<dl class="stats card">{"".join(map(_stat, block.items))}</dl>'


def _stat(item: Stat) -> str:
    hint = f'<dd class="hint">{escape(item.hint)}</dd>' if item.hint else ""
    return f'<div class="stat"><dt>{escape(item.label)}</dt><dd class="value {item.tone or ""}">{escape(item.value)}</dd>{hint}</div>'


def _code(block: Code) -> str:
    name = f'<p class="code-name">{escape(block.name)}</p>' if block.name else ""
    button = '<button class="button" data-copy hidden>Copy</button>'
    return f'<div class="code">{name}<pre tabindex="0"><code>{escape(block.text)}</code></pre>{button}</div>'


def _json(chart: Chart) -> str:
    """JSON that no HTML parser sees an end tag in."""
    return msgspec.json.encode(chart).decode().replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
