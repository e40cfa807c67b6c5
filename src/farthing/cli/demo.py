"""`farthing demo`: a gateway on recorded answers, the shipped sample traffic sent as the `openai` client sends it, and what that cost.

Guarantees: no key is used and nothing leaves this machine; the store lives in a temporary folder that goes away at the end.
Costs: 2 s on two cores.
"""

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from farthing.cli.traffic import Sent
    from farthing.lab.report import Report

_CALLERS = 8
_STOPS = "\nThis gateway stops now: `farthing demo --keep` leaves it up, `farthing serve` starts your own."
_ADDRESS_OF_SERVE = "http://127.0.0.1:8080"


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the gateway up until Ctrl-C.")] = False,
) -> None:
    """Serve recorded answers, send sample traffic, print the unit economics before and after."""
    import tempfile
    from pathlib import Path

    from farthing.cli.paper import console
    from farthing.cli.sandbox import Sandbox
    from farthing.cli.traffic import samples, send_all
    from farthing.lab.report import report

    paper = console()
    with tempfile.TemporaryDirectory(prefix="farthing-demo-") as folder, Sandbox(Path(folder)) as gateway:
        paper.print(f"The gateway is up at {gateway.address}, on recorded answers. Sending sample traffic ...", highlight=False)
        sent = send_all(gateway.port, samples(), callers=_CALLERS, console=paper)
        _tell(paper, sent, report(gateway.store))
        paper.print(_how_to(gateway.address, keep=keep), highlight=False, markup=False)
        if keep:
            with contextlib.suppress(KeyboardInterrupt):
                dashboard = f"{gateway.address}/dashboard?range=1h"
                paper.print(f"\nThe gateway stays up at {gateway.address}, its dashboard at {dashboard}; Ctrl-C stops it.", highlight=False)
                gateway.wait()
    if sent.failed:
        raise typer.Exit(1)


def _tell(paper: "Console", sent: "Sent", figures: "Report") -> None:
    from farthing.lab.report.account_table import economics_table, estimates_line
    from farthing.lab.report.tables import total_table

    paper.print(f"{sent.answered} answers in {sent.seconds:.1f} s" + "".join(f", {count} x {what}" for what, count in sent.failed.items()))
    paper.print()
    paper.print(economics_table(figures.total, paper.width))
    for line in estimates_line(figures.total.account) if figures.total.account else ():
        paper.print(line, highlight=False)
    paper.print()
    paper.print(total_table(figures.total))


def _how_to(address: str, *, keep: bool) -> str:
    base_url = address if keep else _ADDRESS_OF_SERVE
    return (
        f"{'' if keep else _STOPS}\nPoint an application at it by its base URL:\n"
        f'    OpenAI(base_url="{base_url}/v1", api_key="unused")          model="farthing/auto"\n'
        f'    Anthropic(base_url="{base_url}", api_key="unused")\n'
        "With your own models: OPENAI_API_KEY=... farthing serve"
    )
