"""`farthing serve`: the gateway in the foreground. SIGTERM or Ctrl-C drains and stops, SIGHUP reads the configuration again."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.options import ConfigPath, loaded

if TYPE_CHECKING:
    from farthing.config import Config
    from farthing.settings import Loaded


def serve(
    config: ConfigPath = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; beats server.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port; beats server.port.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes that serve; beats server.workers.")] = None,
) -> None:
    """Start the gateway."""
    from farthing import assemble

    def current() -> "Config":
        return _told(loaded(config).config, host, port, workers)

    found = loaded(config)
    raise typer.Exit(assemble.serve(_told(found.config, host, port, workers), load=current, notes=_notes(found)))


def _told(config: "Config", host: str | None, port: int | None, workers: int | None) -> "Config":
    """The configuration with what the command line says about the server."""
    import msgspec

    said = {"host": host, "port": port, "workers": workers}
    server = msgspec.structs.replace(config.server, **{name: value for name, value in said.items() if value is not None})
    return msgspec.structs.replace(config, server=server)


def _notes(found: "Loaded") -> tuple[str, ...]:
    tiers = found.config.tiers
    keys = ", ".join(found.found_keys) or "none"
    return (
        f"configuration: {found.source}; keys found: {keys}; store: {os.path.abspath(found.config.store.path)}",
        f"cheap: {', '.join(tiers.cheap) or 'none'}; expensive: {', '.join(tiers.expensive) or 'none'}",
        *found.notes,
    )
