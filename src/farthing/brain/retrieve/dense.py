"""Vectors in one byte a number, searched by their signs first: a question is compared with all, exactly with the nearest two thousand.

Costs: 2 ms a question on 100,000 chunks of 384 numbers, 43 MB (bench/retrieve.py). Without loss up to `_ALL` chunks, which are all compared
exactly; the bench prints what the short list loses beyond. Deterministic.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.brain.retrieve.lexical import Flags, Floats, Rows, best

Bytes = npt.NDArray[np.int8]

_ALL = 8_192
_SHORT_LIST = 2_048


def to_bytes(vector: npt.NDArray[np.floating]) -> bytes:
    """A vector's direction in one byte a number."""
    most = float(np.abs(vector).max()) if vector.size else 0.0
    return np.round(vector * (127.0 / most) if most > 0 else vector).astype(np.int8).tobytes()


def from_bytes(rows: Bytes) -> Floats:
    """Vectors of length one again."""
    whole = rows.astype(np.float32)
    return whole / np.maximum(np.linalg.norm(whole, axis=-1, keepdims=True), 1e-9)


def against(rows: Floats, vector: Floats) -> Floats:
    """`rows @ vector` in this thread alone: for a product this small, BLAS waits longer for its second thread than it computes."""
    return np.einsum("ij,j->i", rows, vector)


class Dense:
    """The vectors of all passages; row i is passage i."""

    def __init__(self, vectors: Sequence[bytes], width: int) -> None:
        self.size, self.width = 0, width
        self._codes: Bytes = np.empty((0, width), np.int8)
        self._inverse: Floats = np.empty(0, np.float32)
        self._signs: npt.NDArray[np.uint64] | None = None
        self.add(vectors)

    def add(self, vectors: Sequence[bytes]) -> None:
        """More passages, after those that are there; with room for as many as a fifth of them, so that most additions copy nothing else."""
        first, self.size = self.size, self.size + len(vectors)
        if self.size > len(self._codes):
            room = self.size + (self.size // 5 if first else 0)
            self._codes, self._inverse = _wider(self._codes, room), _wider(self._inverse, room)
            self._signs = None if self._signs is None else np.ascontiguousarray(_wider(self._signs.T, room).T)
        fresh = np.frombuffer(b"".join(vectors), np.int8).reshape(len(vectors), self.width)
        self._codes[first : self.size] = fresh
        self._inverse[first : self.size] = 1.0 / np.maximum(np.sqrt(np.einsum("ij,ij->i", fresh, fresh, dtype=np.float32)), 1e-9)
        if self._signs is not None:
            self._signs[:, first : self.size] = self._packed(fresh)
        elif self.size > _ALL:
            self._signs = self._packed(self._codes)

    def nearest(self, question: Floats, count: int, hidden: Flags | None = None) -> tuple[Rows, Floats]:
        """The nearest passages with their cosines, nearest first; `hidden` ones are left out."""
        rows = self._short_list(question, hidden) if self._signs is not None else np.arange(self.size)
        if hidden is not None and self._signs is None:
            rows = rows[~hidden]
        cosines = self.cosines(question, rows)
        some = best(cosines, count)
        return rows[some], cosines[some]

    def cosines(self, question: Floats, rows: Rows) -> Floats:
        if not len(rows):
            return np.empty(0, np.float32)  # an empty collection has vectors of no width
        return against(self._codes[rows].astype(np.float32), question) * self._inverse[rows]

    def vectors(self, rows: Rows) -> Floats:
        return from_bytes(self._codes[rows])

    def held(self, rows: Rows) -> list[bytes]:
        """As they came."""
        return [self._codes[row].tobytes() for row in rows.tolist()]

    def _short_list(self, question: Floats, hidden: Flags | None) -> Rows:
        assert self._signs is not None
        asked = self._packed(question[None])
        apart = np.zeros(self.size, np.uint16)
        for held, wanted in zip(self._signs, asked, strict=True):
            apart += np.bitwise_count(held[: self.size] ^ wanted)
        if hidden is not None:
            apart[hidden] = self.width + 1
        within = np.bincount(apart, minlength=self.width + 2)[: self.width + 1].cumsum()
        return np.flatnonzero(apart <= min(int(np.searchsorted(within, _SHORT_LIST)), self.width))

    def _packed(self, vectors: "Bytes | Floats") -> npt.NDArray[np.uint64]:
        """Signs, 64 to a number, one row for each 64 dimensions: what is compared lies side by side."""
        bits = np.packbits(vectors > 0, axis=1)
        padded = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8)))
        return np.ascontiguousarray(padded.view(np.uint64).T)


def _wider(held: npt.NDArray[Any], room: int) -> npt.NDArray[Any]:
    found = np.empty((room, *held.shape[1:]), held.dtype)
    found[: len(held)] = held
    return found
