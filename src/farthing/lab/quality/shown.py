"""Quality per endpoint, tier and lever: `farthing quality show`.

Guarantees: reads only, one snapshot; every figure has its sample size and, where there is enough, its interval; what verdicts cost is exact.
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from farthing.core.errors import ConfigError, StoreUnavailable
from farthing.core.money import format_usd, from_picousd
from farthing.measure.quality import Quality, quality
from farthing.stores.sqlite.judgements import BY, verdict_sums

USUAL = ("endpoint", "tier", "lever", "source")


class Line(msgspec.Struct, frozen=True):
    """Verdicts of one kind."""

    of: dict[str, str | None]
    quality: Quality

    @property
    def cost_usd(self) -> Decimal:
        return from_picousd(self.quality.cost_picousd)


class Turned(msgspec.Struct, frozen=True):
    """One turn of the guard."""

    at: float
    endpoint: str
    lever: str
    phase: str
    reason: str


class Shown(msgspec.Struct, frozen=True):
    """All of it; `turns` are the last ones, the newest first."""

    lines: tuple[Line, ...]
    turns: tuple[Turned, ...]


def read(store_path: Path, by: tuple[str, ...] = USUAL, since: float | None = None, until: float | None = None) -> Shown:
    """Raises `ConfigError` for an unknown name in `by` or a store that is not there, `StoreUnavailable` for one that cannot be read."""
    if unknown := [name for name in by if name not in BY]:
        raise ConfigError(f"Cannot group by {', '.join(unknown)}. Choose from {', '.join(BY)}.")
    with ledger(store_path) as connection:
        lines = [Line(dict(zip(by, key, strict=True)), quality(sums)) for key, sums in verdict_sums(connection, by, since, until)]
        found = connection.execute("SELECT at, endpoint, lever, phase, reason FROM quality_turns ORDER BY id DESC LIMIT 20").fetchall()
        return Shown(tuple(line for line in lines if line.quality.verdicts), tuple(Turned(*row) for row in found))


@contextmanager
def ledger(store_path: Path) -> Generator[sqlite3.Connection]:
    """The store, read-only, in one snapshot."""
    if not store_path.exists():
        raise ConfigError(f"There is no store at {store_path}. `farthing serve` makes one; name another with --store.")
    try:
        with closing(sqlite3.connect(f"{store_path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)) as connection:
            connection.execute("BEGIN")
            yield connection
    except sqlite3.DatabaseError as fault:
        raise StoreUnavailable(
            f"Cannot read verdicts from {store_path}: {fault}. A start of `farthing serve` brings an older store up to date."
        ) from fault


def print_shown(shown: Shown, by: tuple[str, ...], console: Console, when: Any) -> None:
    """`when` writes an instant."""
    if not shown.lines:
        console.print("No verdicts yet. Set quality.judge and sampling.judge, POST /v1/feedback, or `farthing quality import`.")
        return
    table = Table(*by, box=None, pad_edge=False, title="Quality", title_justify="left")
    for head in ("verdicts", "mean score", "95 %", "pairs", "of expensive", "95 %", "USD"):
        table.add_column(head, justify="right")
    for line in shown.lines:
        found = line.quality
        cost = f"{format_usd(round(line.cost_usd, 6))}{f' + {found.unpriced} unknown' if found.unpriced else ''}"
        cells = [f"{found.verdicts:,}", number(found.mean), span(found.low, found.high), f"{found.pairs:,}", number(found.ratio)]
        table.add_row(*(line.of[name] or "-" for name in by), *cells, span(found.ratio_low, found.ratio_high), cost)
    console.print(table)
    for turn in shown.turns:
        console.print(f"{when(turn.at)}  {turn.lever} on {turn.endpoint}: {turn.phase}; {turn.reason}")


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def span(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"
