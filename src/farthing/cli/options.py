"""Options that several commands take."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from farthing.settings import Loaded

ConfigPath = Annotated[Path | None, typer.Option("--config", help="Configuration file; default: $FARTHING_CONFIG, then ./farthing.toml.")]
StorePath = Annotated[Path | None, typer.Option("--store", help="SQLite file of the ledger; default: store.path of the configuration.")]


def loaded(config: Path | None) -> "Loaded":
    """The configuration that this command line and environment name."""
    from farthing.settings import load

    return load(config, os.environ)


def store_path(config: Path | None, store: Path | None) -> Path:
    """The ledger's file."""
    return store if store is not None else Path(loaded(config).config.store.path)
