"""A panel: what it shows, and its figures as a table that a machine reads."""

import csv
import io
from typing import Any

import msgspec

from farthing.page import Block

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Figures(msgspec.Struct, frozen=True):
    """The numbers behind a panel, unrounded. Money in USD, times in milliseconds or unix seconds; unknown is null."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def csv(self) -> bytes:
        """RFC 4180. A text that a spreadsheet would take for a formula is quoted with an apostrophe."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns)
        writer.writerows([_harmless(value) for value in row] for row in self.rows)
        return out.getvalue().encode()

    def json(self) -> bytes:
        return msgspec.json.encode([dict(zip(self.columns, row, strict=True)) for row in self.rows])


class Panel(msgspec.Struct, frozen=True):
    """`blocks` are empty where there is nothing to show and the panel should not be there at all."""

    name: str
    title: str
    blocks: list[Block]
    figures: Figures
    lead: str = ""


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
