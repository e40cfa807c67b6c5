"""A byte-pair vocabulary that lives in the page cache: one read-only file, mapped by every worker, counted once.

The file is an open-addressing table of 64-bit words: 40 bits of the token's fingerprint, 24 bits of its rank plus one; 0 is a
free slot. A foreign byte string passes for a token once in 10^12 probes. `examples/build_vocabulary.py` writes the files.
Costs: 2 MB (o200k), shared; 0.5 us a probe; merging a word that is no token 5 us a byte, at any length (bench/tokens.py).
"""

import heapq
import mmap
from pathlib import Path

PRIME = 1_802_057_662_894_236_763  # no special form: 2**64 mod it is large, so that no two positions of a token weigh alike
FACTOR = 1_181_783_497_276_652_981
FINGERPRINT_BITS = 40
RANK_BITS = 24
_FINGERPRINT = (1 << FINGERPRINT_BITS) - 1
_RANK = (1 << RANK_BITS) - 1


def fingerprint(token: bytes) -> int:
    """A number below `PRIME`; the low bits choose the slot, 40 bits above bit 18 tell tokens apart."""
    return int.from_bytes(token + b"\x01", "little") * FACTOR % PRIME


def pack(ranks: dict[bytes, int]) -> bytes:
    """The table for a vocabulary, at most four fifths full."""
    slots = 1
    while slots * 4 < len(ranks) * 5:
        slots *= 2
    table = [0] * slots
    for token, rank in ranks.items():
        mark = fingerprint(token)
        slot = mark & (slots - 1)
        while table[slot]:
            slot = (slot + 1) & (slots - 1)
        table[slot] = (mark >> 18 & _FINGERPRINT) << RANK_BITS | (rank + 1)
    return b"".join(word.to_bytes(8, "little") for word in table)


class Vocabulary:
    """Ranks of tokens, and how many tokens a piece of text makes."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._table = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)).cast("Q")
        self._mask = len(self._table) - 1

    def rank(self, token: bytes) -> int | None:
        """The rank of a token, `None` for bytes that are no token."""
        mark = int.from_bytes(token + b"\x01", "little") * FACTOR % PRIME
        wanted = mark >> 18 & _FINGERPRINT
        table, mask = self._table, self._mask
        slot = mark & mask
        while word := table[slot]:
            if word >> RANK_BITS == wanted:
                return (word & _RANK) - 1
            slot = (slot + 1) & mask
        return None

    def count(self, piece: bytes) -> int:
        """Tokens that byte-pair merging leaves of a piece: lowest rank first, the leftmost of equals."""
        length = len(piece)
        if length < 2 or self.rank(piece) is not None:
            return min(length, 1)
        after = list(range(1, length + 1))  # where the part that starts here ends
        before = list(range(-1, length - 1))  # where the part before the one that starts here starts
        heap = [(rank, start, start + 2) for start in range(length - 1) if (rank := self.rank(piece[start : start + 2])) is not None]
        heapq.heapify(heap)
        parts = length
        while heap:
            _, start, end = heapq.heappop(heap)
            middle = after[start]
            if middle < 0 or middle >= end or after[middle] != end:
                continue  # one of the two has been merged since
            parts -= 1
            after[start], after[middle] = end, -1
            if end < length:
                before[end] = start
                self._offer(heap, piece, start, after[end])
            if (left := before[start]) >= 0:
                self._offer(heap, piece, left, end)
        return parts

    def _offer(self, heap: list[tuple[int, int, int]], piece: bytes, start: int, end: int) -> None:
        if (rank := self.rank(piece[start:end])) is not None:
            heapq.heappush(heap, (rank, start, end))
