"""Distributions that add up: counts in buckets that grow by a fixed factor, and the few largest of many.

A quantile read off the buckets is within 2 % of the value at its nearest rank (half the factor of 1.04), whatever the distribution and however
many buckets were added together. Values at or under 0.01 ms share the first bucket.
"""

import math
import struct
from bisect import insort
from collections.abc import Iterable, Mapping

import msgspec

FACTOR = 1.04
_LOG_FACTOR = math.log(FACTOR)
_SMALLEST = 0.01
_HIGHEST_BIN = 65_535
_ENTRY = struct.Struct("<HI")
_MOST = 2**32 - 1

COMPLEXITY_BINS = 20
KEPT = 10

Counts = dict[int, int]  # bin -> how many
Notable = list[tuple[int, str]]  # value and request, the largest first


def bin_of(value: float) -> int:
    """The bucket of a time in milliseconds."""
    if value <= _SMALLEST:
        return 0
    return min(math.ceil(math.log(value / _SMALLEST) / _LOG_FACTOR), _HIGHEST_BIN)


def middle(index: int) -> float:
    """The value that stands for a bucket: as far, in proportion, from its lower as from its upper end."""
    return _SMALLEST * FACTOR**index * 2 / (1 + FACTOR) if index else _SMALLEST


def complexity_bin(complexity: float) -> int:
    return min(max(int(complexity * COMPLEXITY_BINS), 0), COMPLEXITY_BINS - 1)


def quantiles(counts: Mapping[int, int], shares: Iterable[float]) -> list[float | None]:
    """Values at nearest rank; unknown where nothing was counted. Shares must ascend."""
    total = sum(counts.values())
    wanted = [max(math.ceil(share * total), 1) for share in shares]
    if not total:
        return [None] * len(wanted)
    found: list[float | None] = []
    seen = 0
    for index in sorted(counts):
        seen += counts[index]
        while len(found) < len(wanted) and seen >= wanted[len(found)]:
            found.append(middle(index))
    return found


def add(counts: Counts, index: int, many: int = 1) -> None:
    counts[index] = counts.get(index, 0) + many


def add_all(counts: Counts, more: Mapping[int, int]) -> None:
    for index, many in more.items():
        counts[index] = counts.get(index, 0) + many


def pack(counts: Mapping[int, int]) -> bytes:
    """Six bytes a bucket: its number, how many."""
    return b"".join(_ENTRY.pack(index, min(counts[index], _MOST)) for index in sorted(counts))


def unpack(packed: bytes) -> Counts:
    return dict(_ENTRY.iter_unpack(packed))


def note(notable: Notable, value: int, request_id: str) -> None:
    """Keep it if it is among the largest. Of equals the smaller id stays, so that the order of arrival changes nothing."""
    if len(notable) >= KEPT:
        least, its_id = notable[-1]
        if value < least or (value == least and request_id > its_id):
            return
        del notable[-1]
    insort(notable, (value, request_id), key=_order)


def _order(item: tuple[int, str]) -> tuple[int, str]:
    return -item[0], item[1]


def pack_notable(notable: Notable) -> str:
    return msgspec.json.encode(notable).decode()


def unpack_notable(packed: str) -> Notable:
    return _decode_notable(packed)


_decode_notable = msgspec.json.Decoder(list[tuple[int, str]]).decode
