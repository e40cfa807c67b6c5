"""`farthing quantize`: make a model smaller, and know what it lost."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import TaskID

    from farthing.lab.quantize.advice import Facts
    from farthing.lab.quantize.run import Progress


def quantize(
    model: Annotated[str, typer.Argument(help="Folder of a Hugging Face checkpoint, a .gguf file in 16 bits, or a hub name when online.")],
    method: Annotated[
        str | None, typer.Option(help="gguf:q8_0, gguf:q4_k_m, gguf:f16, gptq:w4a16, awq:w4a16, int8:w8a8, rtn:w4a16; unset: what --advise says.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the result; it appears when it is whole.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="Text that GPTQ, AWQ and int8 look at; default: Python's help topics.")] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--eval", help="Text, or JSON lines with prompt and answer; default: other topics of Python's help.")
    ] = None,
    max_drop: Annotated[float | None, typer.Option(help="Refuse when the perplexity rises by more: 0.05 for 5 %.", min=0)] = None,
    advise: Annotated[bool, typer.Option("--advise", help="Only say which method fits, and why.")] = False,
    engine: Annotated[str | None, typer.Option(help="Engine that will serve it: llama.cpp, vllm or sglang.")] = None,
    machine_usd_per_hour: Annotated[float | None, typer.Option(help="Price of this machine, for the cost per million tokens.", min=0)] = None,
    windows: Annotated[int, typer.Option(help="Windows of 256 tokens that the perplexity is taken over.", min=2)] = 64,
    threads: Annotated[int | None, typer.Option(help="Default: the cores there are.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Of the calibration samples and the interval.")] = 0,
) -> None:
    """Quantize a model with established tools, measured before and after."""
    from farthing.lab.quantize.advice import advise as judge
    from farthing.lab.quantize.base import Spec
    from farthing.lab.quantize.report import lines
    from farthing.lab.quantize.run import quantize as run

    if advise or method is None:
        advice = judge(_facts(model, engine, max_drop))
        typer.echo("\n".join(advice.reasons))
        if advise or advice.method is None:
            raise typer.Exit(0 if advice.method else 1)
        method = advice.method
    if out is None:
        raise typer.BadParameter("a folder for the result is needed: --out DIR", param_hint="--out")
    spec = Spec(
        model=model, method=method, seed=seed, calibration=str(calibration) if calibration else None,
        evaluation=str(evaluation) if evaluation else None, max_drop=max_drop, windows=windows,
    )  # fmt: skip
    try:
        with _bar() as tell:
            report = run(spec, out, machine_usd_per_hour=machine_usd_per_hour, threads=threads or os.cpu_count() or 1, tell=tell)
    except KeyboardInterrupt:
        typer.echo(f"Stopped. The same command goes on from {out}.partial.", err=True)
        raise typer.Exit(130) from None
    typer.echo("\n".join(lines(report)))


def _facts(model: str, engine: str | None, max_drop: float | None) -> "Facts":
    """Of the model, and of the machine that this runs on."""
    from farthing.lab.quantize.advice import facts_of
    from farthing.lab.quantize.checkpoint import open_checkpoint
    from farthing.lab.quantize.hub import local_folder
    from farthing.lab.quantize.machine import machine

    if engine not in (None, "llama.cpp", "vllm", "sglang"):
        raise typer.BadParameter(f"{engine!r} is no engine known here. Write llama.cpp, vllm or sglang.", param_hint="--engine")
    return facts_of(open_checkpoint(local_folder(model)), machine(), engine, max_drop)


@contextmanager
def _bar() -> "Generator[Progress]":
    """A bar on a terminal, a line a step elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    screen = Console(stderr=True)
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
    with Bars(*columns, console=screen, disable=not screen.is_terminal) as progress:
        steps: dict[str, TaskID] = {}

        def tell(words: str, share: float | None) -> None:
            if words not in steps:
                for step in steps.values():
                    progress.update(step, total=1, completed=1)
                steps[words] = progress.add_task(words, total=None if share is None else 1)
                if not screen.is_terminal:
                    typer.echo(words, err=True)
            if share is not None:
                progress.update(steps[words], completed=share)

        yield tell
        for step in steps.values():
            progress.update(step, total=1, completed=1)
