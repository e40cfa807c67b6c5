"""Passages and an embedder without a model: a text's vector is the sum of one direction for each of its terms."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from farthing.brain.reading.sentences import sentence_spans
from farthing.brain.reading.words import terms
from farthing.brain.retrieve.base import Passage
from farthing.brain.retrieve.dense import to_bytes
from farthing.brain.retrieve.finder import Finder
from farthing.brain.retrieve.index import Index
from farthing.brain.retrieve.lexical import sequence
from farthing.brain.retrieve.rank import shipped

WIDTH = 64


def vector(text: str) -> NDArray[np.float32]:
    found = np.zeros(WIDTH, np.float32)
    for term in terms(text):
        found += np.random.default_rng(zlib.crc32(term.encode())).normal(size=WIDTH).astype(np.float32)
    return found / max(float(np.linalg.norm(found)), 1e-9)


class HashEmbedder:
    """Counts what it was asked for."""

    id = "hash:1"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        return np.stack([vector(text) for text in texts])


class Shelf:
    def __init__(self, passages: Sequence[Passage]) -> None:
        self.held = {passage.id: passage for passage in passages}

    def passages(self, ids: list[int]) -> dict[int, Passage]:
        return {number: self.held[number] for number in ids if number in self.held}


def passage(number: int, text: str, *, document: str = "", heading: str = "") -> Passage:
    spans = tuple(sentence_spans(text))
    blob = b"".join(to_bytes(vector(text[start:end])) for start, end in spans)
    return Passage(number, document or f"docs/{number}", 1, 0, heading, text, spans, blob)


def finder(passages: Sequence[Passage]) -> Finder:
    shelf = Shelf(passages)
    ids = [one.id for one in passages]
    sequences = [sequence([one.heading, *(one.text[start:end] for start, end in one.spans)]) for one in passages]
    vectors = [to_bytes(vector(f"{one.heading} {one.text}")) for one in passages]
    index = Index(shelf, WIDTH)
    index.add(ids, sequences, vectors)
    return Finder(index, shelf, shipped())


def word_count(text: str) -> int:
    return len(text.split())
