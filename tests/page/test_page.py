"""Pages: whole in themselves, deaf to what their text holds, and with every figure in words as well."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from farthing.page import (
    Bars,
    Cell,
    Chart,
    Code,
    Column,
    Dot,
    Fold,
    Frontier,
    Group,
    Histogram,
    Line,
    Lines,
    Note,
    Page,
    Section,
    Stat,
    Stats,
    Step,
    Table,
    Text,
    Threshold,
    Waterfall,
    count_into,
    evenly,
    mark_best,
    render,
    show,
)
from farthing.page.page import STATIC

EVIL = "</script><img src=x onerror=alert(1)>\u2028\"'&<b>"
VOID = {"meta", "br", "img", "rect", "link"}


class _Reader(HTMLParser):
    """Tags that close in the order in which they opened, ids, text, and what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on") or name == "style"]
        self.ids += [found["id"] or ""] if "id" in found else []
        self.addresses += [found[name] or "" for name in ("src", "href", "action", "srcset") if name in found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    return reader


def _charts(text: str = "a") -> list[Chart]:
    said = {"title": text, "summary": text}
    group = Group(text, (1.0, None), (0.5, None), (1.5, None))
    return [
        Waterfall(**said, start=10.0, steps=(Step(text, 4.0, 3.0, 5.0, text), Step("check", -1.0))),
        Bars(**said, categories=(text, "b"), series=(group, Group("other", (2.0, 3.0))), unit="usd"),
        Lines(**said, series=(Line(text, ((0.0, 0.5), (60.0, None))),), unit="percent", thresholds=(Threshold(text, 0.2),)),
        Frontier(**said, points=mark_best([Dot(text, 1.0, 0.9, 0.9, 1.1), Dot("b", 2.0, 0.8)]), x_label=text, y_label="Quality"),
        Histogram(**said, edges=(0.0, 0.5, 1.0), series=(Group(text, (3.0, 4.0)),), x_label=text),
    ]


def _page(text: str) -> Page:
    table = Table([text, Column(text, right=True)], [[text, Cell(text, share=0.4)]], text, [text, text])
    words = [Text(text), Note(text, "warn"), Stats([Stat(text, text, text)]), Code(text, text), Fold(text, [table])]
    return Page(text, [Section(text, [*_charts(text), *words], text), Section("b", []), Section("c", [])], text, [(text, text)])


def test_text_never_becomes_markup() -> None:
    plain, evil = _read(render(_page("a"))), _read(render(_page(EVIL)))
    assert evil.tags == plain.tags
    assert "img" not in evil.tags
    assert EVIL in evil.text


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = render(_page("a"))
    assert [address for address in _read(html).addresses if not address.startswith("#")] == []
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "unsafe" not in policy[1]
    assert re.findall(r"\b(?:https?|wss?|ftp):|url\((?!data:)|@import", html.replace("http://www.w3.org/", "")) == []


def test_the_same_page_gives_the_same_bytes() -> None:
    assert render(_page("a")) == render(_page("a"))


def test_a_page_without_charts_does_not_carry_the_library() -> None:
    assert len(render(Page("a", [Section("b", [Text("c")])]))) < 40_000
    assert len(render(_page("a"))) < 700_000


def test_no_static_file_ends_its_script_early() -> None:
    texts = {path.name: path.read_text() for path in STATIC.glob("*.js")}
    assert texts.keys() == {"echarts.js", "charts.js", "page.js"}
    assert not [name for name, text in texts.items() if "</script" in text.lower() or "<!--" in text]


def test_every_chart_has_its_figures_in_a_table() -> None:
    text = " ".join(_read(render(_page("a"))).text)
    for figure in ("\u2212$4.00", "$3.00 to $5.00", "$1.00 ($0.50 to $1.50)", "50 %", "unknown", "1970-01-01 00:01", "0 to 0.5"):
        assert figure in text


@pytest.mark.parametrize("chart", _charts(), ids=lambda chart: type(chart).__name__)
def test_a_chart_s_figures_fill_every_column(chart: Chart) -> None:
    heads, rows = chart.grid()
    assert rows
    assert {len(row) for row in rows} == {len(heads)}
    assert msgspec.json.decode(msgspec.json.encode(chart), type=Chart) == chart


def test_a_waterfall_ends_where_its_steps_lead() -> None:
    assert Waterfall(title="", summary="", start=10.0, steps=(Step("a", 4.0), Step("b", -1.0))).end == 7.0


def test_the_frontier_holds_what_nothing_beats() -> None:
    dots = mark_best([Dot("cheap", 1, 0.7), Dot("beaten", 2, 0.6), Dot("good", 3, 0.9), Dot("twin", 3, 0.9)])
    assert [dot.name for dot in dots if dot.best] == ["cheap", "good", "twin"]


def test_counts_hold_every_value() -> None:
    assert count_into(evenly(0, 1, 4), [-1, 0, 0.25, 0.5, 0.99, 1, 2]) == (2, 1, 1, 3)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "usd", "unknown"),
        (float("nan"), "usd", "unknown"),
        (0, "usd", "$0"),
        (1234.5, "usd", "$1,234.50"),
        (123_456.7, "usd", "$123,457"),
        (0.000_012_34, "usd", "$0.0000123"),
        (-0.5, "usd", "\u2212$0.50"),
        (0.9971, "percent", "99.7 %"),
        (1.0, "percent", "100 %"),
        (12.34, "ms", "12.3 ms"),
        (1234, "ms", "1.23 s"),
        (90_000, "ms", "1.5 min"),
        (12_345, "count", "12,345"),
        (12_345_678, "count", "12.3M"),
        (1234, "tokens", "1,234"),
        (12_345, "tokens", "12.3k"),
        (9.9999, "number", "10"),
    ],
)
def test_numbers_read_well(value: float | None, unit: str, text: str) -> None:
    assert show(value, unit) == text  # type: ignore[arg-type]
