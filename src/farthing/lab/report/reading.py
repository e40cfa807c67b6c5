"""A report out of a store: everything is read once, then every figure is made by group."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np

from farthing.lab.report.figures import Margin, Report
from farthing.lab.report.groups import grouped
from farthing.lab.report.margins import margin
from farthing.lab.report.quality import quality_lines
from farthing.lab.report.rows import Read
from farthing.lab.report.spending import Rates, no_rates
from farthing.lab.report.window import Codes, Window, opened


def report(
    store_path: Path,
    since: float | None = None,
    until: float | None = None,
    by: tuple[str, ...] = (),
    *,
    rates: Rates = no_rates,
    values_usd: Mapping[str, Decimal] | None = None,
) -> Report:
    """The figures of the rows received from `since` to before `until` (unix seconds), in all and by group.

    `rates` are the prices by which the cost of a call is split into input and output; `values_usd` says what an interaction of an endpoint is
    worth. Raises `ConfigError` for a store that is absent or a group that is none, `StoreUnavailable` for one that cannot be read.
    """
    with opened(store_path, since, until, by) as window:
        read = Read(window, rates)
        total, groups = grouped(read, by)
        return Report(
            store=str(store_path),
            since=since,
            until=until,
            by=by,
            total=total,
            groups=groups,
            quality=quality_lines(read.verdicts, read.kinds, by),
            margins=_margins(read, values_usd or {}),
            claims=read.claims.lines(),
            notes=tuple(_notes(window, read)),
        )


def _margins(read: Read, values_usd: Mapping[str, Decimal]) -> tuple[Margin, ...]:
    """Of each endpoint that has a value and a request."""
    seen = {kind.endpoint for kind in read.kinds}
    worth = [endpoint for endpoint in sorted(values_usd) if endpoint in seen]
    if not worth:
        return ()
    place = {endpoint: number for number, endpoint in enumerate(worth)}
    group_of: Codes = np.array([place.get(kind.endpoint or "", len(worth)) for kind in read.kinds], np.int32)
    found = read.runs.groups(group_of, len(worth) + 1, read.answered)
    return tuple(margin(endpoint, values_usd[endpoint], read, found[number]) for endpoint, number in place.items())


def _notes(window: Window, read: Read) -> list[str]:
    notes: list[str] = []
    if not window.has_accounts and read.rows:
        notes.append("This store is from before there were savings accounts: nothing is split by lever. `farthing serve` brings it up to date.")
    orphans, cost = window.orphaned_verdicts()
    if orphans:
        notes.append(
            f"{orphans:,} verdicts are on requests that this ledger does not hold; their {Decimal(cost).scaleb(-12):f} USD are in no figure."
        )
    notes += [
        f"The quality guard has turned down {lever} on endpoint {endpoint} (phase: {phase})." for endpoint, lever, phase in window.turned_down()
    ]
    return notes
