"""Whole numbers that all workers count on: one piece of shared memory, a seat in it for each worker.

Guarantees: sums over workers are exact and current; a worker that is killed loses nothing it counted, and its successor in the same
seat counts on. No lock: each cell has one writer. Make the board before the workers are forked.
A row (one set of labels of one metric) is written down once as JSON in its seat, so that others can read what its cells mean.
Memory: the pages that are used, out of 1.5 MB a seat; a hundred rows take 30 KB. When a seat is full, further rows share one: `other`.
Costs: 0.1 us an addition, 20 us a new row.
"""

import mmap
from collections.abc import Iterable
from struct import Struct

import msgspec

from farthing.measure.names import ALL, OTHER, Metric

NOTES_BYTES = 1_048_576
CELLS = 65_536
_WORD = 8
_HEAD_WORDS = 2  # bytes of notes written, cells given out
_SEAT_BYTES = _HEAD_WORDS * _WORD + NOTES_BYTES + CELLS * _WORD
_ROOM_FOR_OTHERS = 4096  # bytes and cells kept for the shared rows


class Row(msgspec.Struct, frozen=True, array_like=True):
    """Where the cells of one set of labels begin."""

    metric: str
    labels: tuple[str, ...]
    start: int


_number = Struct("q")
_read_row = msgspec.json.Decoder(Row).decode


def width(metric: Metric) -> int:
    """Cells of one row: the number itself; for a histogram its buckets, the one above them, and the sum."""
    return len(metric.buckets) + 2 if metric.kind == "histogram" else 1


class Board:
    """Shared memory for a number of workers."""

    def __init__(self, seats: int = 1) -> None:
        self._memory = mmap.mmap(-1, seats * _SEAT_BYTES)
        self._seats = seats

    def seat(self, number: int) -> "Seat":
        """The place of one worker. Gauges of its predecessor are forgotten, what it counted is kept."""
        seat = Seat(self._view(number))
        for row in seat.rows():
            if ALL[row.metric].kind == "gauge":
                seat.cells[row.start] = 0
        return seat

    def totals(self) -> dict[tuple[str, tuple[str, ...]], list[int]]:
        """The cells of every row, added up over the seats."""
        sums: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for number in range(self._seats):
            seat = Seat(self._view(number))
            for row in seat.rows():
                cells = seat.cells[row.start : row.start + width(ALL[row.metric])].tolist()
                known = sums.get((row.metric, row.labels))
                sums[row.metric, row.labels] = cells if known is None else [a + b for a, b in zip(known, cells, strict=True)]
        return sums

    def across(self, cell: int) -> int:
        """One cell, added up over the seats: of a row that every worker begins with, and so has at the same place."""
        first = _HEAD_WORDS * _WORD + NOTES_BYTES + cell * _WORD
        return sum(_number.unpack_from(self._memory, number * _SEAT_BYTES + first)[0] for number in range(self._seats))

    def _view(self, number: int) -> memoryview:
        start = number * _SEAT_BYTES
        return memoryview(self._memory)[start : start + _SEAT_BYTES]


class Seat:
    """The cells of one worker. `cells[index] += n` is how it counts."""

    def __init__(self, memory: memoryview) -> None:
        notes_start, cells_start = _HEAD_WORDS * _WORD, _HEAD_WORDS * _WORD + NOTES_BYTES
        self._head = memory[:notes_start].cast("q")
        self._notes = memory[notes_start:cells_start]
        self.cells = memory[cells_start:].cast("q")
        self._rows = {(row.metric, row.labels): row for row in map(_read_row, bytes(self._notes[: self._head[0]]).splitlines())}

    def rows(self) -> Iterable[Row]:
        """Every row that had cells here when the seat was taken, and those added since."""
        return self._rows.values()

    def start(self, metric: Metric, labels: tuple[str, ...]) -> int:
        """Index of the row's first cell; made when it is new."""
        known = self._rows.get((metric.name, labels))
        if known is not None:
            return known.start
        others = (OTHER,) * len(labels)
        return self._add(metric, labels) if labels == others or self._has_room(metric) else self.start(metric, others)

    def _add(self, metric: Metric, labels: tuple[str, ...]) -> int:
        used, start = self._head[0], self._head[1]
        row = self._rows[metric.name, labels] = Row(metric.name, labels, start)
        note = msgspec.json.encode(row) + b"\n"
        self._notes[used : used + len(note)] = note
        self._head[1] = start + width(metric)
        self._head[0] = used + len(note)  # last: only now do others see the row
        return start

    def _has_room(self, metric: Metric) -> bool:
        return self._head[0] + _ROOM_FOR_OTHERS < NOTES_BYTES and self._head[1] + width(metric) + _ROOM_FOR_OTHERS < CELLS
