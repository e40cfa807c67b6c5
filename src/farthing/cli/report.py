"""`farthing report`: unit economics from the ledger, while the gateway runs or not."""

import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import when
from farthing.cli.options import ConfigPath, StorePath, loaded

if TYPE_CHECKING:
    from farthing.lab.report import Report


def report(
    since: Annotated[str | None, typer.Option(help="From when: 24h, 7d, or a date such as 2026-11-22; default: the beginning.")] = None,
    until: Annotated[str | None, typer.Option(help="To when, in the same words; default: now.")] = None,
    by: Annotated[
        str,
        typer.Option(help="Group by, comma-separated: endpoint, tier, model, tenant, task, provider, key, cache, outcome, experiment, day; or none."),
    ] = "endpoint,tier",
    json: Annotated[bool, typer.Option("--json", help="Print JSON; money as exact decimal text.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with charts, which needs nothing else, to this file.")] = None,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Print what requests cost, how fast they were, and what was saved."""
    from farthing.cli.paper import console
    from farthing.lab.report import report as read
    from farthing.lab.report.export import as_json
    from farthing.lab.report.tables import print_report
    from farthing.models.prices import PriceBook

    now, settings = time.time(), loaded(config).config
    figures = read(
        store if store is not None else Path(settings.store.path),
        _instant(since, now, "--since"),
        _instant(until, now, "--until"),
        tuple(dict.fromkeys(part for part in map(str.strip, by.split(",")) if part not in ("", "none"))),
        rates=PriceBook(settings.models).rate,
        values_usd={name: Decimal(str(row.value_usd)) for name, row in settings.endpoints.items() if row.value_usd is not None},
    )
    if html is not None:
        _write(html, figures)
    if json:
        typer.echo(as_json(figures))
    elif html is None:
        print_report(figures, console())


def _write(file: Path, figures: "Report") -> None:
    from farthing.lab.report.sheet import as_html

    try:
        file.write_text(as_html(figures), encoding="utf-8")
    except OSError as fault:
        raise typer.BadParameter(f"Cannot write {file}: {fault.strerror}.", param_hint="--html") from fault
    typer.echo(f"Wrote {file}.", err=True)


def _instant(text: str | None, now: float, option: str) -> float | None:
    if text is None:
        return None
    found = when.instant(text, now)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time. Write 24h, 7d, or a date: 2026-11-22.", param_hint=option)
    return found
