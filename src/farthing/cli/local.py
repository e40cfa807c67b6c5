"""`farthing local`: models of your own on this machine, each behind an engine that is kept running."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.options import loaded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from farthing.config import Local

app = typer.Typer(help="Serve models of your own on this machine.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Argument(help="Configuration file with [local.NAME] tables; default: as for serve.")]
Model = Annotated[str | None, typer.Option("--model", help="Serve this GGUF file or checkpoint, without a configuration.")]
Port = Annotated[int, typer.Option(help="Port for --model.", min=1, max=65535)]


@app.command("up")
def up(config: Config = None, model: Model = None, port: Port = 8081) -> None:
    """Start the engines and keep them running. Ctrl-C or SIGTERM drains and stops them."""
    import asyncio
    import signal

    from farthing.core.clock import SystemClock
    from farthing.models.local.fleet import Fleet, plan
    from farthing.models.local.memory import memory_available

    planned = plan(_rows(config, model, port), memory_available())
    addresses = {one.name: one for one in planned}

    async def main() -> None:
        def tell(name: str, state: str, words: str) -> None:
            one = addresses[name]
            pid = next(engine.pid for engine in fleet.engines if engine.name == name)
            where = f" at http://127.0.0.1:{one.local.port}/v1 (pid {pid}, about {one.memory_bytes / 1e9:.2f} GB)" if state == "up" else ""
            typer.echo(f"{name}: {state}{where}{f', {words}' if words else ''}")

        fleet = Fleet(planned, clock=SystemClock(), tell=tell)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, fleet.stop)
        await fleet.run()

    asyncio.run(main())


@app.command("check")
def check(config: Config = None, model: Model = None, port: Port = 8081) -> None:
    """Say what would be started and what it takes, without starting it."""
    from farthing.models.local.fleet import plan
    from farthing.models.local.memory import memory_available
    from farthing.models.local.rows import ENGINES

    for engine in ENGINES.values():
        typer.echo(f"{engine.name:<13} {'installed' if engine.found() else f'missing: {engine.install}'}")
    free = memory_available()
    for one in plan(_rows(config, model, port), free):
        typer.echo(f"{one.name}: {one.engine.name} on port {one.local.port}, about {one.memory_bytes / 1e9:.2f} of {free / 1e9:.2f} GB")


def _rows(config: Path | None, model: str | None, port: int) -> "Mapping[str, Local]":
    """The tables of the configuration, or one for the model that was named."""
    from farthing.config import Local
    from farthing.core.errors import ConfigError

    if model is not None:
        return {Path(model).stem: Local(model=model, port=port)}
    found = loaded(config)
    if not found.config.local:
        raise ConfigError(f'{found.source} has no [local.NAME] table. Write one: model = "model.gguf", port = 8081; or give --model FILE.')
    return found.config.local
