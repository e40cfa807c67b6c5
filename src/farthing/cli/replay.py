"""`farthing replay`: what other configurations would have done with logged traffic."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from farthing.config import Config

Paths = Annotated[list[Path], typer.Argument(help="Logs: files or directories, of any format that 'farthing audit' reads.")]
Configs = Annotated[list[Path], typer.Option("--config", help="A configuration to replay under; name several to compare them.")]
Answers = Annotated[list[Path] | None, typer.Option(help="Recorded or graded answers that are no traffic: other models on the same prompts.")]
Ask = Annotated[
    str,
    typer.Option(
        help="Model that the application asks for: a name such as farthing/auto, or 'logged' for the one that it had. "
        "Default: farthing/auto where the configuration routes, else logged."
    ),
]


class Engine(StrEnum):
    """What reads the logs."""

    STREAM = "stream"
    DUCKDB = "duckdb"


def replay(
    logs: Paths,
    config: Configs,
    answers: Answers = None,
    ask: Ask = "",
    engine: Annotated[Engine, typer.Option(help="stream reads the logs in their order; duckdb sorts Parquet by tenant and time first, on disk.")] = (
        Engine.STREAM
    ),
    sort: Annotated[bool, typer.Option("--sort", help="Order the calls by time first; needs memory for all of them.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, with a row for every request: 'farthing compare' reads it.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the report here: .html with charts, .json as with --json.")] = None,
) -> None:
    """Run the gateway's own brain over a log, and print what it would have cost, how fast and how good it would have been."""
    from farthing.assemble import build_house
    from farthing.cli.paper import console
    from farthing.lab.replay.figures import figures
    from farthing.lab.replay.lake import Lake, replay_lake
    from farthing.lab.replay.report import writer_of, writes
    from farthing.lab.replay.run import Plan, replay_all
    from farthing.lab.replay.source import Source
    from farthing.lab.replay.table import print_replay

    write = None if out is None else writer_of(out)
    plan = Plan(_configs(config), build_house, ask)
    recorded = Source(answers or [])
    if engine is Engine.DUCKDB:
        lake = Lake(logs)
        found = replay_lake(lake, plan, recorded.read())
        found.intake.notes = [*lake.notes(), *recorded.notes()]
    else:
        traffic = Source(logs, in_time_order=sort)
        found = replay_all(traffic.read, plan, answers=recorded.read)
        found.intake.notes = [*traffic.notes(), *recorded.notes()]
    lanes = figures(found)
    if write is not None and out is not None:
        writes(out, write(found, lanes))
    if json:
        typer.echo(writer_of(Path("-.json"))(found, lanes), nl=False)
    else:
        print_replay(found, lanes, console())
        if out is not None:
            typer.echo(f"written: {out}", err=True)


def _configs(paths: list[Path]) -> "tuple[tuple[str, Config], ...]":
    from farthing.cli.options import loaded
    from farthing.lab.replay.run import told_apart

    return tuple(zip(told_apart([path.name for path in paths]), [loaded(path).config for path in paths], strict=True))
