"""The price list of `genai-prices`, boiled down to what a text call costs.

Importing that package costs 22 MB and 280 ms (bench/prices.py), too much for a worker. So a child process
imports it once, prints the prices as MessagePack, and ends; the parent keeps the small form and a copy on disk
under the package's version. Without a cache directory that can be written, each process asks a child again.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from datetime import date
from importlib import metadata
from pathlib import Path

import msgspec

from farthing.core.usage import Rate

FORM = 1  # raise when the classes below change, so that an old copy on disk is not read
CHILD_TIMEOUT_S = 60
_COMPACT_DATE = re.compile(r"(-)(\d{4})(\d{2})(\d{2})$")


class Clause(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A test of a name: `equals`, `starts_with`, `ends_with`, `contains`, `regex` with a text, `or`, `and` with clauses."""

    kind: str
    text: str = ""
    clauses: "tuple[Clause, ...]" = ()

    def holds(self, name: str) -> bool:
        match self.kind:
            case "equals":
                return name == self.text
            case "starts_with":
                return name.startswith(self.text)
            case "ends_with":
                return name.endswith(self.text)
            case "contains":
                return self.text in name
            case "regex":
                return re.search(self.text, name) is not None
            case "or":
                return any(clause.holds(name) for clause in self.clauses)
            case _:
                return all(clause.holds(name) for clause in self.clauses)


class Priced(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A rate, and from which day it holds (`None`: always has)."""

    since: date | None
    rate: Rate | None  # None: it is not sold by the token


class ListedModel(msgspec.Struct, frozen=True, gc=False, array_like=True):
    match: Clause
    priced: tuple[Priced, ...]

    def rate(self, on: date) -> Rate | None:
        """The last price that holds on a day."""
        return next((priced.rate for priced in reversed(self.priced) if priced.since is None or priced.since <= on), None)


class Provider(msgspec.Struct, frozen=True, gc=False, array_like=True):
    id: str
    known_as: Clause | None  # other names of the provider
    owns: Clause | None  # model names that are its own
    fallbacks: tuple[str, ...]  # providers whose models it sells too
    models: tuple[ListedModel, ...]

    def model(self, name: str) -> ListedModel | None:
        return next((model for model in self.models if model.match.holds(name)), None)


class PriceList(msgspec.Struct, frozen=True, gc=False, array_like=True):
    providers: tuple[Provider, ...]

    def provider(self, service: str) -> Provider | None:
        """The provider of that id, else the first that goes by that name too."""
        service = service.lower()
        for provider in self.providers:
            if provider.id == service:
                return provider
        return next((provider for provider in self.providers if provider.known_as is not None and provider.known_as.holds(service)), None)

    def find(self, provider: Provider, name: str) -> ListedModel | None:
        """A provider's model by name, its fallbacks included; `gpt-5.2-20251211` is `gpt-5.2-2025-12-11` too."""
        for spelling in dict.fromkeys((name, _COMPACT_DATE.sub(r"\1\2-\3-\4", name))):
            if found := provider.model(spelling):
                return found
            for other in self.providers:
                if other.id in provider.fallbacks and (found := other.model(spelling)):
                    return found
        return None


def default_cache_dir() -> Path:
    """Where copies of price lists are kept: `$XDG_CACHE_HOME/farthing`, else `~/.cache/farthing`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "farthing"


def load(cache_dir: Path | None) -> PriceList:
    """The list of the installed `genai-prices`: from its copy on disk, else from a child process."""
    copy = None if cache_dir is None else cache_dir / f"prices-{metadata.version('genai-prices')}-{FORM}.msgpack"
    if copy is not None:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.msgpack.decode(copy.read_bytes(), type=PriceList)
    packed = _ask_child()
    if copy is not None:
        with contextlib.suppress(OSError):
            _write_atomically(copy, packed)
    return msgspec.msgpack.decode(packed, type=PriceList)


def _ask_child() -> bytes:
    try:
        child = subprocess.run([sys.executable, "-m", "farthing.models.price_child"], capture_output=True, check=True, timeout=CHILD_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        from farthing.models.price_child import extract

        return extract()  # no interpreter to start: pay the 30 MB rather than know no price
    return child.stdout


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(name, path)
