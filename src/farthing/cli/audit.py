"""`farthing audit`: what a team's logs say about waste, in order of money."""

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import when
from farthing.cli.options import ConfigPath

if TYPE_CHECKING:
    from farthing.models.prices import PriceBook

Paths = Annotated[
    list[str], typer.Argument(help="Files or directories of logs, plain, .gz or .zst; - for standard input. docs/audit.md lists formats.")
]


def audit(
    logs: Paths,
    out: Annotated[Path | None, typer.Option(help="Write playbook.html, playbook.json and farthing.toml into this directory.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON; money as exact decimal text.")] = False,
    since: Annotated[str | None, typer.Option(help="Only calls from then on: 24h, 7d, or a date such as 2026-11-22.")] = None,
    processes: Annotated[int | None, typer.Option(help="Processes that read; default: one per core. 1: no child process.", min=1)] = None,
    config: ConfigPath = None,
) -> None:
    """Read the logs you have, and print what each kind of waste in them costs, with examples and a configuration that takes it on."""
    from farthing.lab.audit.run import audit as run

    start = _instant(since)
    with _progress(quiet=json) as progress:
        playbook = run(logs, _prices(config), since=start, processes=processes, progress=progress)
    if out is not None:
        from farthing.lab.audit.paper import write

        for path in write(playbook, out):
            typer.echo(f"written: {path}", err=True)
    if json:
        from farthing.lab.audit.table import as_json

        typer.echo(as_json(playbook))
    else:
        from farthing.cli.paper import console
        from farthing.lab.audit.table import print_playbook

        print_playbook(playbook, console())


def _prices(config: Path | None) -> "PriceBook":
    """The price list, with the prices of a configuration if there is one; logs need none."""
    from farthing.cli.options import loaded
    from farthing.models.prices import PriceBook
    from farthing.settings import find

    return PriceBook(loaded(config).config.models if find(config, os.environ) else {})


def _instant(text: str | None) -> float | None:
    if text is None:
        return None
    found = when.instant(text, time.time())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time. Write 24h, 7d, or a date: 2026-11-22.", param_hint="--since")
    return found


@contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[str, int, int], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        tasks = {stage: bar.add_task(stage, total=None) for stage in ("reading", "weighing")}
        yield lambda stage, done, of: bar.update(tasks[stage], completed=done, total=of or None)
