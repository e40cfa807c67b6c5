"""Which of the calls that wait goes next. Pure.

Calls of people before background ones; then the nearer deadline; then the call whose prompt begins as one that a free slot of the engine has just
computed, then as one that is being computed; then who came first. Deadlines are compared by the power of two of the seconds that are
left: 500 s can wait as well as 600 s, 3 s cannot wait as well as 30. When the one that has waited longest was passed over `MOST_PASSED` times, it is
next: so nobody waits for more than `MOST_PASSED` + 1 calls for each that stood before it.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import frexp
from zlib import crc32

MOST_PASSED = 4
_STARTS = (b'"messages"', b'"input"', b'"prompt"')
_SIZES = (0, 256, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768)
_SOON_S = 0.01

Marks = tuple[int, ...]  # checksums of beginnings, the shortest first: two prompts share as many as are equal


class Waiting:
    """One call that waits."""

    __slots__ = ("arrival", "deadline_s", "marks", "patient")

    def __init__(self, arrival: int, deadline_s: float, marks: Marks, *, patient: bool) -> None:
        self.arrival, self.deadline_s, self.marks, self.patient = arrival, deadline_s, marks, patient


class Slots:
    """What the engine's slots hold, as far as one can tell from outside: a call gets the free slot that begins most like it, else the oldest."""

    def __init__(self) -> None:
        self._free: list[Marks] = []  # the one that was freed last stands last
        self.free: Counter[int] = Counter()
        self.busy: Counter[int] = Counter()

    def started(self, marks: Marks, slots: int, running: int) -> None:
        """A call began; `running` with it."""
        best = max(range(len(self._free)), key=lambda place: (shared(marks, self._free[place]), -place), default=None)
        if best is not None and (shared(marks, self._free[best]) or len(self._free) + running > slots):
            self._take(best)
        while self._free and len(self._free) + running > slots:
            self._take(0)
        self.busy.update(marks)

    def ended(self, marks: Marks) -> None:
        """Its prompt stays where it was computed."""
        _subtract(self.busy, marks)
        self._free.append(marks)
        self.free.update(marks)

    def _take(self, place: int) -> None:
        _subtract(self.free, self._free.pop(place))


def marks_of(body: bytes) -> Marks:
    """Of the prompt in a request's body: what stands before it (model, settings) makes no difference to an engine's memory."""
    start = max(0, min((place for word in _STARTS if (place := body.find(word)) >= 0), default=0))
    found, mark = list[int](), 0
    for begin, end in pairwise(_SIZES):
        if start + end > len(body):
            break
        mark = crc32(body[start + begin : start + end], mark)
        found.append(mark)
    return tuple(found)


def shared(one: Marks, other: Marks) -> int:
    """How many beginnings are the same."""
    count = 0
    for mark, its in zip(one, other, strict=False):
        if mark != its:
            break
        count += 1
    return count


def next_of(waiting: Sequence[Waiting], slots: Slots, now_s: float, passed: int) -> tuple[Waiting, int]:
    """Who is next, and how often in a row the longest waiting has been passed over then; `passed` before. `waiting` in the order of arrival, at
    least one. Background calls are there to be passed over by the others."""
    best = min(waiting, key=lambda one: _rank(one, slots, now_s))
    oldest = next(one for one in waiting if one.patient == best.patient)
    if best is oldest or passed >= MOST_PASSED:
        return oldest, 0
    return best, passed + 1


def _rank(one: Waiting, slots: Slots, now_s: float) -> tuple[bool, int, int, int, int]:
    _, left = frexp(max(one.deadline_s - now_s, _SOON_S))
    return one.patient, left, -_level(one.marks, slots.free), -_level(one.marks, slots.busy), one.arrival


def _level(marks: Marks, held: Counter[int]) -> int:
    """The longest beginning that is held."""
    return next((count for count in range(len(marks), 0, -1) if marks[count - 1] in held), 0)


def _subtract(counter: Counter[int], marks: Marks) -> None:
    for mark in marks:
        counter[mark] -= 1
        if not counter[mark]:
            del counter[mark]
