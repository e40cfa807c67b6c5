"""Graphs of large namespaces beside the store, so that a start need not build them anew: 100,000 keys open in half a second instead of 20 s and more.

SQLite stays the truth. A file is a shortcut for the vectors of the keys that a load claims from it; keys that nobody claims are taken out, keys that
are not in it are added. So a file may be old and costs only the difference; it is written when a worker stops, and by a start that had to build
much. Its name holds its namespace, the embedder and library it was made with, and the checksum of its bytes: what does not match is not
opened, and the graph is built from the store. Written aside, synced, renamed; several workers may do so at once.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from farthing.brain.cache.semantic.index import VectorIndex, open_graph

log = logging.getLogger("farthing.cache")

_PIECE = 1 << 20
_WORN = 0.1  # share of keys that were not in the file, from which on it is written anew


class SavedIndexes:
    """The files of one store; nothing is created before there is something to save."""

    def __init__(self, folder: Path, embedder: str) -> None:
        self._folder = folder
        self._made_with = hashlib.blake2b(f"{embedder}\0{_library()}".encode(), digest_size=8).hexdigest()

    def read(self, scope: bytes) -> Any | None:
        """The graph of a namespace; `None` where there is none that can be used."""
        for path in sorted(self._folder.glob(f"{_name(scope)}-{self._made_with}-*.index")):
            try:
                if _checksum(path) == path.stem.rpartition("-")[2]:
                    return open_graph(path)
                log.warning("%s is damaged; the index is built from the store", path)
            except (OSError, RuntimeError, ValueError) as error:
                log.warning("%s cannot be read (%s); the index is built from the store", path, error)
        return None

    def write_if_worn(self, indexes: Sequence[tuple[bytes, VectorIndex]]) -> None:
        """After a load: save what it had to build, so that a worker that is killed has the next start build it anew no more."""
        if any(index.graph is not None and index.placed > _WORN * len(index) for _, index in indexes):
            self.write(indexes)

    def write(self, indexes: Iterable[tuple[bytes, VectorIndex]]) -> None:
        """Save the graphs and remove what is of no use any more. Problems are logged: the next start is slower, that is all."""
        kept: set[str] = set()
        try:
            for scope, index in indexes:
                if index.graph is not None:
                    kept.add(self._save(scope, index.graph))
            for path in self._folder.glob("*.index"):
                if path.name not in kept:
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the index of the semantic cache was not saved: %s", error)

    def _save(self, scope: bytes, graph: Any) -> str:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        aside = self._folder / f"{_name(scope)}-{os.getpid()}.new"
        try:
            graph.save(os.fspath(aside))
            with aside.open("rb+") as file:
                os.fsync(file.fileno())
            path = self._folder / f"{_name(scope)}-{self._made_with}-{_checksum(aside)}.index"
            aside.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()
        return path.name


def _name(scope: bytes) -> str:
    return hashlib.blake2b(scope, digest_size=12).hexdigest()


def _library() -> str:
    from importlib.metadata import version

    return version("usearch")


def _checksum(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
