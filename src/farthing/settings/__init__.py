"""Finding the configuration: `farthing.toml`, else the keys in the environment, else the recorded sample.

Guarantees: the same file and environment give the same `Loaded`; a mistake is a `ConfigError` that names the key, its place and
the fix; no secret is read, kept or shown, only the names of the variables that hold them.
Costs: 75 ms to import, 2 ms to load; nothing afterwards.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from farthing.config import Config
from farthing.core.errors import ConfigError
from farthing.settings import checks, decode, environment, near

FILE_NAME = "farthing.toml"
FILE_VARIABLE = "FARTHING_CONFIG"


class Loaded(msgspec.Struct, frozen=True):
    """A configuration and where it came from."""

    config: Config
    source: str  # path of the file; "environment"; "the shipped sample"
    found_keys: tuple[str, ...]  # variables with a service's key that were found; names, never values
    notes: tuple[str, ...]  # what the operator should know at start
    unset: tuple[str, ...] = ()  # keys that the configuration names and the environment lacks; among the notes as well
    origins: Mapping[str, str] = {}  # top-level path of a derived part -> where it came from; the rest: `source` or the default


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """The configuration of `path`, of `FARTHING_CONFIG`, of ./farthing.toml, or of the environment alone."""
    file = find(path, environ)
    raw = decode.read(file) if file else {}
    source = str(file) if file else ""
    config = near.addressed(decode.decode(raw, source))
    found = environment.fill(config, environ)
    _refuse(checks.mistakes(found.config), source or found.source)
    unset = checks.unset_variables(found.config, environ)
    return Loaded(
        config=found.config,
        source=source or found.source,
        found_keys=found.found_keys,
        notes=(*found.notes, *(f"{line}. Calls to it will fail until it is." for line in unset)),
        unset=unset,
        origins=found.origins,
    )


def find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read; one that was named must be there."""
    if path is not None:
        return path
    if named := environ.get(FILE_VARIABLE):
        return Path(named)
    here = Path(FILE_NAME)
    return here if here.exists() else None


def _refuse(mistakes: tuple[str, ...], source: str) -> None:
    if mistakes:
        raise ConfigError("\n".join(f"{source}: {mistake}" for mistake in mistakes))
