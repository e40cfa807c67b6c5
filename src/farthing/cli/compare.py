"""`farthing compare`: the paired difference of two replays."""

from typing import Annotated

import typer

Side = Annotated[str, typer.Argument(help="A file that 'farthing replay --json' wrote; FILE#NAME picks one of its configurations, else the last.")]


def compare(
    first: Side,
    second: Side,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what the second replay costs, takes and is worth more or less than the first, request by request, with intervals."""
    from farthing.cli.paper import console
    from farthing.lab.compare import compare as pair_up
    from farthing.lab.compare import open_side
    from farthing.lab.compare_table import as_json, print_comparison

    found = pair_up(open_side(first), open_side(second))
    if json:
        typer.echo(as_json(found))
    else:
        print_comparison(found, console())
