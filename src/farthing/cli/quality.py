"""`farthing quality`: what was said of answers, beside the lever that gave them; scores brought in; experiments compared."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import when
from farthing.cli.options import ConfigPath, StorePath, loaded, store_path

app = typer.Typer(help="Quality: show, import scores, compare the arms of an experiment.", no_args_is_help=True, rich_markup_mode=None)

Since = Annotated[str | None, typer.Option(help="Verdicts from when: 24h, 7d, or a date; default: the beginning.")]
Until = Annotated[str | None, typer.Option(help="To when, in the same words; default: now.")]
GroupBy = Annotated[str, typer.Option(help="Group by, comma-separated: endpoint, tier, lever, cache, source, tenant, experiment.")]
ScoresFile = Annotated[
    Path, typer.Argument(help="JSONL or CSV with request_id and score; reference_score, label, comment and author if you have them.")
]
Author = Annotated[
    str | None, typer.Option(help="Whose verdicts these are; a later file of the same author replaces them. Default: the file's name.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("show")
def show(
    since: Since = None,
    until: Until = None,
    by: Annotated[
        str, typer.Option(help="Group by, comma-separated: endpoint, tier, lever, cache, source, tenant, experiment.")
    ] = "endpoint,tier,lever,source",
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Print quality with its interval and sample size, and what the guard turned."""
    import msgspec

    from farthing.cli.paper import console
    from farthing.lab.quality.shown import print_shown, read

    now = time.time()
    names = tuple(part.strip() for part in by.split(",") if part.strip())
    shown = read(store_path(config, store), names, _instant(since, now, "--since"), _instant(until, now, "--until"))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
    else:
        print_shown(shown, names, console(), _moment)


@app.command("import")
def import_scores(
    file: ScoresFile,
    author: Annotated[
        str | None, typer.Option(help="Whose verdicts these are; a later file of the same author replaces them. Default: the file's name.")
    ] = None,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Bring in the scores of an eval. Lines that cannot be used are counted and skipped."""
    from farthing.lab.quality.imports import bring_in

    done = bring_in(file, store_path(config, store), author=author or file.name)
    typer.echo(f"{done.written:,} of {done.lines:,} lines written; {done.unknown:,} about no request of the ledger, {done.broken.total():,} broken")
    for reason, count in done.broken.most_common(10):
        typer.echo(f"  {count:,} x {reason}", err=True)
    for example in done.examples:
        typer.echo(f"  {example}", err=True)
    if not done.written:
        raise typer.Exit(1)


@app.command("experiment")
def experiment(
    name: Annotated[str, typer.Argument(help="As under [experiments] of the configuration.")],
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Compare the arms of an experiment: cost, latency, quality, and whether you may stop."""
    import msgspec

    from farthing.cli.paper import console
    from farthing.lab.quality.arms import compare_arms
    from farthing.lab.quality.arms_table import print_arms

    known = loaded(config).config.experiments.get(name)
    compared = compare_arms(store_path(config, store), name, tuple(known.arms) if known else ())
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(compared)).decode())
    else:
        print_arms(compared, console())


def _instant(text: str | None, now: float, option: str) -> float | None:
    found = None if text is None else when.instant(text, now)
    if text is not None and found is None:
        raise typer.BadParameter(f"{text!r} is no time. Write 24h, 7d, or a date: 2026-11-22.", param_hint=option)
    return found


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
