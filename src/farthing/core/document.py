"""Documents and their chunks, as they are stored."""

from typing import Literal

import msgspec


class Section(msgspec.Struct, frozen=True, gc=False):
    """What stands under one heading. `heading` is the way to it: "Returns > Damaged goods"."""

    heading: str
    text: str


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of a document that is found and sent as one. `spans` are its sentences in `text`."""

    place: int  # ordinal within the document
    digest: bytes  # of heading and text
    heading: str
    text: str
    spans: tuple[tuple[int, int], ...]
    terms: bytes  # uint32, little endian: numbers of its terms, 0 after each sentence
    vector: bytes = b""  # int8: direction of the whole
    sentences: bytes = b""  # int8: directions of its sentences, one after the other


class Wording(msgspec.Struct, frozen=True, gc=False):
    """Two ways in which a document says the same: "VPN" and "virtual private network", "email" and "e-mail"."""

    kind: Literal["acronym", "compound"]
    short: str
    long: str


class Document(msgspec.Struct, frozen=True, gc=False):
    """One document of a collection. Times are unix seconds."""

    tenant: str
    collection: str
    name: str
    version: int
    digest: bytes  # of the file's bytes
    size_bytes: int
    chunks: int
    added_at: float

    @property
    def source(self) -> str:
        """As answers, the ledger and cache entries name it."""
        return f"{self.collection}/{self.name}@{self.version}"


class Collection(msgspec.Struct, frozen=True, gc=False):
    """What is searched as one."""

    tenant: str
    name: str
    embedder: str
    chunking: str
    version: int
    documents: int
    chunks: int


class StoredChunk(msgspec.Struct, frozen=True, gc=False):
    """What is looked up of a chunk once it was found."""

    id: int
    document: str  # "collection/name"
    version: int
    place: int
    heading: str
    text: str
    spans: tuple[tuple[int, int], ...]
    sentences: bytes
