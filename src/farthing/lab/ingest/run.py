"""Bring files into a collection, one document after the other, each committed on its own.

Guarantees: a file that has not changed costs one digest; of one that has, only chunks with new words are embedded; what cannot be read is
reported and the rest goes on; stopped at any point and started again, it goes on where it was.
Costs: the embedder's time; parsing and indexing are under a tenth of it (bench/retrieve.py).
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from farthing.brain.retrieve.chunks import chunks
from farthing.brain.retrieve.dense import to_bytes
from farthing.brain.retrieve.wordings import wordings
from farthing.config import Retrieve
from farthing.core.document import Chunk, Document, Wording
from farthing.lab.ingest.files import Wanted, find
from farthing.lab.ingest.reader import Reader
from farthing.stores.sqlite.documents import Documents

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Progress = Callable[[str, int, int], None]  # name of the file, done, of


class Embeds(Protocol):
    """An embedder that takes many texts at once."""

    id: str

    def embed_passages(self, texts: Sequence[str]) -> "NDArray[np.float32]": ...


class Report(msgspec.Struct):
    """What came of it."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    chunks: int = 0
    embedded: int = 0  # chunks whose words were new
    parse_s: float = 0.0
    index_s: float = 0.0
    embed_s: float = 0.0
    problems: list[tuple[str, str]] = []  # path, what is wrong


class Ingest:
    """Into one collection of one tenant."""

    def __init__(self, documents: Documents, embedder: Embeds, settings: Retrieve, *, tenant: str, collection: str) -> None:
        self._documents, self._embedder, self._settings = documents, embedder, settings
        self._tenant, self._collection = tenant, collection
        self.report = Report()

    def add(self, paths: Sequence[Path], progress: Progress | None = None, *, again: bool = False) -> Report:
        """Files, and all that can be read below folders."""
        return self.take(find(paths, most_bytes=int(self._settings.max_file_mb * 1e6)), progress, again=again)

    def take(self, wanted: Iterable[Wanted], progress: Progress | None = None, *, of: int | None = None, again: bool = False) -> Report:
        """Add what is new and replace what has changed; `again`: replace everything. `of`: how many there are, where `wanted` does not know yet.

        Raises `ConfigError` on another embedder's collection.
        """
        if of is None:
            wanted = list(wanted)
            of = len(wanted)
        opened = False
        with closing(Reader(cpu_s=self._settings.parse_cpu_s)) as reader:
            for done, one in enumerate(wanted):
                if progress:
                    progress(one.name, done, of)
                if one.problem is None and not opened:
                    opened = True
                    self._documents.open_collection(self._tenant, self._collection, embedder=self._embedder.id, chunking=self._settings.chunking)
                problem = one.problem or self._one(one, reader, again=again)
                if problem is not None:
                    self.report.problems.append((one.where, problem))
        if progress:
            progress("", of, of)
        return self.report

    def embed_anew(self, document: Document) -> None:
        """A document as it is stored, with fresh vectors."""
        chunks = sorted(self._documents.known_chunks(self._tenant, self._collection, document.name).values(), key=lambda chunk: chunk.place)
        whole = list(self._embedded(chunks, {}))
        self._documents.put(
            self._tenant, self._collection, document.name, digest=document.digest, size_bytes=document.size_bytes, chunks=whole, named=_named(whole)
        )
        self.report.changed += 1
        self.report.chunks += len(whole)

    def _one(self, wanted: Wanted, reader: Reader, *, again: bool) -> str | None:
        try:
            blob = wanted.path.read_bytes() if wanted.blob is None else wanted.blob
        except OSError as error:
            return error.strerror or str(error)
        digest = hashlib.blake2b(blob, digest_size=16).digest()
        before = self._documents.document(self._tenant, self._collection, wanted.name)
        if before is not None and before.digest == digest and not again:
            self.report.unchanged += 1
            return None
        began_s = time.perf_counter()
        sections, problem = reader.read(wanted.path.name, blob)
        self.report.parse_s += time.perf_counter() - began_s
        if problem is not None:
            return problem
        began_s = time.perf_counter()
        title = Path(wanted.name).stem.replace("_", " ").replace("-", " ")
        size, overlap = self._settings.chunk_tokens, self._settings.overlap_tokens
        cut = chunks(title, sections, size_tokens=size, overlap_tokens=overlap)
        if not cut:
            return "no text in it"
        known = {} if again or before is None else self._documents.known_chunks(self._tenant, self._collection, wanted.name)
        embed_before_s = self.report.embed_s
        whole = list(self._embedded(cut, known))
        self._documents.put(self._tenant, self._collection, wanted.name, digest=digest, size_bytes=len(blob), chunks=whole, named=_named(whole))
        self.report.index_s += time.perf_counter() - began_s - (self.report.embed_s - embed_before_s)
        self.report.chunks += len(whole)
        if before is None:
            self.report.added += 1
        else:
            self.report.changed += 1
        return None

    def _embedded(self, cut: Sequence[Chunk], known: dict[bytes, Chunk]) -> Iterator[Chunk]:
        """The chunks with vectors: of what stood in the document before its own, of the rest fresh ones."""
        fresh = [chunk for chunk in cut if chunk.digest not in known]
        vectors = self._vectors([text for chunk in fresh for text in (_whole(chunk), *_sentences(chunk))])
        self.report.embedded += len(fresh)
        for chunk in cut:
            old = known.get(chunk.digest)
            if old is not None:
                yield msgspec.structs.replace(chunk, vector=old.vector, sentences=old.sentences)
                continue
            sentences = b"".join(vectors[text] for text in _sentences(chunk))
            yield msgspec.structs.replace(chunk, vector=vectors[_whole(chunk)], sentences=sentences)

    def _vectors(self, texts: Sequence[str]) -> dict[str, bytes]:
        """Each text once: chunks that overlap share sentences."""
        once = list(dict.fromkeys(texts))
        if not once:
            return {}
        began_s = time.perf_counter()
        rows = self._embedder.embed_passages(once)
        self.report.embed_s += time.perf_counter() - began_s
        return {text: to_bytes(row) for text, row in zip(once, rows, strict=True)}


def _whole(chunk: Chunk) -> str:
    return f"{chunk.heading}. {chunk.text}"


def _named(cut: Sequence[Chunk]) -> tuple[Wording, ...]:
    return wordings(chunk.text for chunk in cut)


def _sentences(chunk: Chunk) -> list[str]:
    return [chunk.text[start:end] for start, end in chunk.spans]
