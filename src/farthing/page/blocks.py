"""What a page is made of; the dashboard sends the same parts as JSON. Text is text: whatever it holds, it is never read as markup."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from farthing.page.charts import Chart

CellTone = Literal["good", "bad", "warn", "muted"]


class Cell(msgspec.Struct, frozen=True):
    """A table cell. `share` from 0 to 1 draws a small bar under the text; `link` leads to another part of the page."""

    text: str
    tone: CellTone | None = None
    share: float | None = None
    code: bool = False
    link: str | None = None


class Column(msgspec.Struct, frozen=True):
    title: str
    right: bool = False  # numbers


class Table(msgspec.Struct, frozen=True, tag="table"):
    """Rows under column heads; the first cell names its row. `total` is a last row set apart."""

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell | str]]
    caption: str = ""
    total: Sequence[Cell | str] | None = None


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A paragraph."""

    text: str


class Note(msgspec.Struct, frozen=True, tag="note"):
    """A paragraph set apart: a warning, a limit, a result."""

    text: str
    tone: Literal["plain", "good", "warn", "bad"] = "plain"


class Stat(msgspec.Struct, frozen=True):
    """One figure that matters, large."""

    label: str
    value: str
    hint: str = ""
    tone: CellTone | None = None


class Stats(msgspec.Struct, frozen=True, tag="stats"):
    items: Sequence[Stat]


class Code(msgspec.Struct, frozen=True, tag="code"):
    """Text to be copied: a configuration, a command, an example line."""

    text: str
    name: str = ""


class Fold(msgspec.Struct, frozen=True, tag="fold"):
    """Details that open on demand."""

    title: str
    blocks: Sequence["Block"]


Block = Table | Text | Note | Stats | Code | Fold | Chart


class Section(msgspec.Struct, frozen=True):
    title: str
    blocks: Sequence[Block]
    lead: str = ""


class Page(msgspec.Struct, frozen=True):
    """`facts` say what was read, when and how: (name, value)."""

    title: str
    sections: Sequence[Section]
    lead: str = ""
    facts: Sequence[tuple[str, str]] = ()
