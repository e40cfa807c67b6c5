"""Texts as vectors without a model: hashed character n-grams and words. Lexical: it knows spelling, not meaning.

A cosine near 1 says "the same words", so paraphrases are missed and "not" is hardly seen; the audit says so beside its figures.
Another embedder fits behind `Embedder`. Costs: 25 us for a question of 100 characters.
"""

import math
from typing import Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 256
SHORT_DIMENSIONS = 64  # for answers, whose agreement is all that is asked
MOST_BYTES = 1024
SCALE = 127

Matrix = NDArray[np.float32]


class Embedder(Protocol):
    """Texts to unit vectors of whole bytes. `name` says in the report what a similarity means."""

    name: str

    def vector(self, text: str, dimensions: int = DIMENSIONS) -> bytes:
        """`dimensions` signed bytes, of length 127; all zero for a text without letters."""
        ...


class Lexical:
    """Stretches of four letters, and words twice; signed hashing, damped counts."""

    name = "lexical (hashed words and character n-grams)"

    def vector(self, text: str, dimensions: int = DIMENSIONS) -> bytes:
        words = text[:MOST_BYTES].lower().encode("utf-8", "surrogatepass").split()
        plain = b" ".join(words)
        if not plain:
            return bytes(dimensions)
        letters = np.frombuffer(b" %b  " % plain, dtype=np.uint8).astype(np.uint32)
        grams = letters[:-3] | letters[1:-2] << 8 | letters[2:-1] << 16 | letters[3:] << 24
        whole = np.array([*map(crc32, words)] * 2, dtype=np.uint32)
        mixed = np.concatenate((grams, whole)) * np.uint32(0x9E3779B1)
        places = (mixed >> np.uint32(8)) % np.uint32(2 * dimensions)  # the upper half counts down
        counts = np.bincount(places, minlength=2 * dimensions)
        sums = counts[:dimensions] - counts[dimensions:]
        damped = np.sign(sums) * np.sqrt(np.abs(sums))
        norm = math.sqrt(float(damped @ damped)) or 1.0
        return np.rint(damped * (SCALE / norm)).astype(np.int8).tobytes()


def unit_rows(vectors: list[bytes]) -> Matrix:
    """Rows of length 1."""
    rows = np.frombuffer(b"".join(vectors), dtype=np.int8).reshape(len(vectors), -1).astype(np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, 1e-9)
