"""Which files are meant, and what they are called in a collection."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from farthing.lab.ingest.parse import READERS

_HIDDEN = (".", "__pycache__", "node_modules")


class Wanted(msgspec.Struct, frozen=True):
    """A file and its name; with a `problem`, one that cannot be used. What did not come from a file has its bytes with it."""

    path: Path  # of a `blob`, only its suffix means something
    name: str
    problem: str | None = None
    blob: bytes | None = None
    address: str | None = None  # where a `blob` came from

    @property
    def where(self) -> str:
        """As people look for it."""
        return self.address or str(self.path)


def given(name: str, blob: bytes, *, most_bytes: int) -> Wanted:
    """A document that came with a request: its name says what it is, as that of a file does."""
    path, problem = Path(name), None
    if path.suffix.lower() not in READERS:
        problem = f"no format that is read; names end in {' '.join(sorted(READERS))}"
    elif len(blob) > most_bytes:
        problem = _too_large(len(blob), most_bytes)
    return Wanted(path, name.replace("@", "%40"), problem, blob)


def find(paths: Sequence[Path], *, most_bytes: int) -> list[Wanted]:
    """Files that were named, and all that can be read below folders that were named, in order, each once. Links out of a folder are not followed."""
    found: dict[str, Wanted] = {}
    for path in paths:
        for wanted in _below(path) if path.is_dir() else [_named(path, path.name)]:
            checked = wanted if wanted.problem else _checked(wanted, most_bytes)
            name = checked.name
            if name in found and found[name].path.resolve() != checked.path.resolve():
                checked = Wanted(
                    checked.path, name, f"another file of the name {name} comes before it; add the folder above both, so that names differ"
                )
                name = f"{name} {checked.path}"
            found[name] = checked
    return list(found.values())


def _below(folder: Path) -> Iterator[Wanted]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(_HIDDEN))
        for name in sorted(names):
            path = Path(where, name)
            if not name.startswith(".") and path.suffix.lower() in READERS and not path.is_symlink():
                yield _named(path, path.relative_to(folder).as_posix())


def _named(path: Path, name: str) -> Wanted:
    # "@" parts a source's name from its version.
    return Wanted(path, name.replace("@", "%40"))


def _checked(wanted: Wanted, most_bytes: int) -> Wanted:
    problem = None
    try:
        size = wanted.path.stat().st_size
        if not wanted.path.is_file():
            problem = "no file"
        elif wanted.path.suffix.lower() not in READERS:
            problem = f"no format that is read; those are {' '.join(sorted(READERS))}"
        elif size > most_bytes:
            problem = _too_large(size, most_bytes)
    except OSError as error:
        problem = error.strerror or str(error)
    return Wanted(wanted.path, wanted.name, problem)


def _too_large(size: int, most_bytes: int) -> str:
    return f"{size / 1e6:.1f} MB; the most is {most_bytes / 1e6:.0f} MB (retrieve.max_file_mb)"
