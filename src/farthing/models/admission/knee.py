"""How many calls an engine should have at work: more while that brings more answers, fewer where it brings none. Pure.

Calls at work = answers a second x seconds an answer (Little's law), and where calls wait the first is the limit; so one of the others is enough. Now
and then the limit is a quarter lower for a while, and the answers a second of both are compared: d ln(answers a second) / d ln(limit). Above a half
more calls are worth their longer times (where throughput over time is greatest it is exactly a half: Kleinrock's power), under a fifth they only
wait within the engine. A gradient of times alone, as in Netflix's concurrency-limits, would stop an engine without a GPU at two or three: every call
makes all others slower there, and eight at once still give more than twice the tokens of one.
"""

from collections.abc import Sequence
from math import log

_FIRST = 8  # where the engine does not say how many it takes
_ROUNDS = 3  # windows of either kind, in turns, before something is decided
_LEAST_WINDOW = 16
_WORTH, _WORTHLESS = 0.5, 0.2
_FIRST_REST, _LONGEST_REST = 8, 128  # windows between two comparisons that change nothing


class Knee:
    """The limit of one engine, as one worker sees it."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._level = most or _FIRST
        self.limit = self._level
        self._speeds: tuple[list[float], list[float]] = [], []  # at the level, and under it
        self._rest = _FIRST_REST
        self._resting = 0
        self._way = 0  # of the last move
        self._regain = 0  # the level before refusals: back there without a comparison
        self._grace = 0  # calls whose refusal says nothing new
        self._begin()

    def note(self, work: float, now_s: float, *, full: bool) -> None:
        """A call that ended well. `work` is 1 for a usual one; `full`: others wait, so the limit is what decides how many are at work."""
        self._grace = max(0, self._grace - 1)
        if not full:
            self._begin()  # nothing is learned of a limit that is not used
            return
        if self._settling > 0:
            self._settling -= 1
            self._since_s = now_s
            return
        self._done += 1
        self._work += work
        if self._done >= max(_LEAST_WINDOW, 2 * self.limit) and now_s > self._since_s:
            self._window_ended(self._work / (now_s - self._since_s))
            self._begin()

    def refused(self) -> None:
        """The engine says that it is too much: once for all calls that were at work then."""
        if self._grace > 0:
            self._grace -= 1
            return
        self._grace, self._regain = self._level, max(self._regain, self._level)
        self._level = max(1, self._level - _step(self._level))
        self._start_over()
        self._begin()

    def _window_ended(self, speed: float) -> None:
        if self._level < self._regain:
            self._level = min(self._regain, self._level + _step(self._level))
            self._start_over()
            return
        self._regain = 0
        if self._resting > 0:
            self._resting -= 1
            return
        under = self.limit < self._level
        self._speeds[under].append(speed)
        if len(self._speeds[True]) < _ROUNDS and self._level > 1:
            self.limit = self._level if under else self._level - _step(self._level)
        else:
            self._decide()

    def _decide(self) -> None:
        worth = elasticity(*self._speeds, self._level, self._level - _step(self._level)) if self._level > 1 else 1.0
        level = self._level + _step(self._level) if worth >= _WORTH else self._level - _step(self._level) if worth <= _WORTHLESS else self._level
        level = level if self._most is None else min(self._most, level)
        way = (level > self._level) - (level < self._level)
        if way and way == self._way:
            self._rest = _FIRST_REST
        elif not way or self._way:  # it stays, or goes back
            self._resting, self._rest = self._rest, min(_LONGEST_REST, 2 * self._rest)
        self._way = way or self._way
        self._level = level
        self._start_over()

    def _start_over(self) -> None:
        self._speeds = [], []
        self.limit = self._level

    def _begin(self) -> None:
        """A window. What ends first had begun under the limit before."""
        self._settling = self.limit
        self._done, self._work, self._since_s = 0, 0.0, 0.0


def elasticity(fast: Sequence[float], slow: Sequence[float], level: int, under: int) -> float:
    """How far the speed follows the limit: 1 in full, 0 not at all."""
    return log((sum(fast) / len(fast)) / (sum(slow) / len(slow))) / log(level / under)


def _step(level: int) -> int:
    return max(1, level // 4)
