"""How many background items may run: what the measured limit of a service leaves beside interactive work, and less where that gets slower.

Two limits, both measured. `Knee` finds how many calls a service takes before each of them only gets slower (a gradient limit, as in Netflix's
concurrency-limits: the share of the shortest time seen in the time seen now, and room for a queue of the square root of the limit).
`Courtesy` halves background work where interactive calls take longer beside it than they did without, and adds one where they do not (AIMD).
Times are taken per piece of work, for long answers take long: seconds / (1 + output tokens / 32).
"""

from collections.abc import Callable
from math import sqrt
from statistics import median
from typing import NamedTuple

_WINDOW = 16
_SMALLEST = 1.0
_TOLERANCE = 1.25  # of a background call's time, before a longer one says that the service is full
_LOOK_EVERY, _LOOK_WINDOWS = 60, 2  # windows
_TOKENS_OF_WORK = 32
_COURTESY_WINDOW = 32
_FIRST_COURTESY = 2.0  # from here it grows, call by call that is none the slower
_LEAST = 0.125
_QUIET_S = 5.0  # no interactive call for so long: nobody to be slowed


def time_of_work(latency_s: float, output_tokens: int | None) -> float:
    return latency_s / (1 + (output_tokens or 0) / _TOKENS_OF_WORK)


class Knee:
    """The concurrency limit of one service. Now and then it steps back, to see again how quick the service is with little to do."""

    def __init__(self, most: int, start: float = 8.0) -> None:
        self._most = most
        self.limit = min(float(most), start)
        self._shortest: float | None = None
        self._window: list[float] = []
        self._windows = 0
        self._before: float | None = None  # the limit to go back to, while it looks

    def note(self, work_s: float, in_flight: int) -> None:
        """A call that ended well beside so many others."""
        self._window.append(work_s)
        if len(self._window) < _WINDOW:
            return
        now_s = median(self._window)
        self._window.clear()
        self._windows += 1
        if self._before is not None:
            self._look(now_s)
        elif self._windows % _LOOK_EVERY == 0:
            self._before, self.limit = self.limit, max(_SMALLEST, self.limit / 4)
        else:
            self._follow(now_s, in_flight)

    def _look(self, now_s: float) -> None:
        if self._windows % _LOOK_EVERY == _LOOK_WINDOWS:  # what ended before had begun beside more
            assert self._before is not None
            self._shortest, self.limit, self._before = now_s, self._before, None

    def _follow(self, now_s: float, in_flight: int) -> None:
        self._shortest = now_s if self._shortest is None else min(now_s, self._shortest)
        gradient = max(0.5, min(1.0, _TOLERANCE * self._shortest / now_s)) if now_s > 0 else 1.0
        if gradient == 1.0 and in_flight < self.limit / 2:
            return  # nothing was learned of a limit that is not used
        self.limit = max(_SMALLEST, min(float(self._most), self.limit * gradient + sqrt(self.limit) * (gradient == 1.0)))

    def failed(self) -> None:
        """Refused for its load, or too late."""
        self.limit = max(_SMALLEST, self.limit / 2)


class Courtesy:
    """How much background work interactive calls bear. Under 1: a single item at a time, and that only after a pause without any call."""

    def __init__(self, most: int, room: float, monotonic: Callable[[], float]) -> None:
        self._most, self._room, self._monotonic = most, room, monotonic
        self.limit = _FIRST_COURTESY
        self._alone: _Times | None = None  # when nothing ran in the background, or next to nothing
        self._windows: tuple[list[float], list[float]] = [], []  # of calls alone, and beside background work
        self._last_s = float("-inf")

    def note(self, work_s: float, background: int) -> None:
        """An interactive call that ended, beside so many background items."""
        self._last_s = self._monotonic()
        window = self._windows[background > 0]
        window.append(work_s)
        if len(window) < _COURTESY_WINDOW:
            return
        times = _Times.of(window)
        window.clear()
        if background == 0 or self._alone is None:
            self._alone = times if self._alone is None else self._alone.towards(times, 0.3)
        elif times.slower_than(self._alone, self._room):
            if self.limit <= _LEAST:
                # So little cannot be what slows them: this is how long they take now.
                self._alone = self._alone.towards(times, 0.1)
            self.limit = max(_LEAST, min(self.limit, float(background)) / 2)
        else:
            self.limit = min(float(self._most), self.limit + 1 if self.limit >= 1 else self.limit * 2)

    @property
    def now(self) -> int:
        """The limit as it counts now."""
        quiet_s = self._monotonic() - self._last_s
        if quiet_s > _QUIET_S:
            return self._most
        if self.limit >= 1:
            return int(self.limit)
        return 1 if self._alone is not None and quiet_s * self.limit > self._alone.middle else 0


class _Times(NamedTuple):
    """A window of calls: the usual one, and a slow one."""

    middle: float
    slow: float

    @classmethod
    def of(cls, window: list[float]) -> "_Times":
        ranked = sorted(window)
        return cls(median(ranked), ranked[len(ranked) * 9 // 10])

    def towards(self, other: "_Times", share: float) -> "_Times":
        return _Times(self.middle + share * (other.middle - self.middle), self.slow + share * (other.slow - self.slow))

    def slower_than(self, other: "_Times", room: float) -> bool:
        return self.middle > other.middle * (1 + room / 2) or self.slow > other.slow * (1 + room)


class Pace:
    """The limits of one worker, service by service."""

    def __init__(self, *, most: int, room: float, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._knees: dict[str, Knee] = {}
        self._courtesy = Courtesy(most, room, monotonic)
        self.background = 0  # items running now

    def room(self, service: str | None, running: int, interactive: int) -> int:
        """How many more items may start at this service (`None`: nobody knows yet where they go)."""
        knee = self._knees.get(service or "")
        most = self._most if knee is None else int(knee.limit)
        return max(0, min(most - interactive, self._courtesy.now, self._most) - running)

    def background_ended(self, service: str, work_s: float | None, *, overloaded: bool) -> None:
        knee = self._knees.get(service)
        if knee is None:
            knee = self._knees[service] = Knee(self._most)
        if overloaded:
            knee.failed()
        elif work_s is not None:
            knee.note(work_s, self.background)

    def interactive_ended(self, work_s: float) -> None:
        self._courtesy.note(work_s, self.background)

    def limits(self) -> dict[str, float]:
        """The measured limit by service."""
        return {name: knee.limit for name, knee in self._knees.items()}
