"""How many background items may run: what the measured limit of a service leaves beside interactive work, and less where that gets slower.

Two limits, both measured. `Knee` finds how many calls a service takes before each of them only gets slower (a gradient limit, as in Netflix's
concurrency-limits: the share of the shortest time seen in the time seen now, and room for a queue of the square root of the limit).
`Courtesy` halves background work where interactive calls take longer beside it than they did without, and adds one where they do not (AIMD).
Times are taken per piece of work, for long answers take long: seconds / (1 + output tokens / 32).
"""

from collections.abc import Callable
from math import sqrt
from statistics import median

_WINDOW = 16
_SMALLEST = 1.0
_TOLERANCE = 1.25  # of a background call's time, before a longer one says that the service is full
_LOOK_EVERY, _LOOK_WINDOWS = 60, 2  # windows
_TOKENS_OF_WORK = 32
_COURTESY_WINDOW = 32
_FIRST_COURTESY = 2.0  # from here it grows, call by call that is none the slower
_LEAST = 0.125
_RECOVERS = 1.3  # for every window of calls beside which nothing ran
_LEARNS = 0.2  # of what the last window differs by
_STRAYS = 2.0  # a long time is the measure that strays most
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
        self._alone: _Usual | None = None  # how long calls take when nothing runs in the background, or next to nothing
        self._windows: tuple[list[float], list[float]] = [], []  # of calls alone, and beside background work
        self._last_s = float("-inf")

    def note(self, work_s: float, background: int) -> None:
        """An interactive call that ended, beside so many background items."""
        self._last_s = self._monotonic()
        window = self._windows[background > 0]
        window.append(work_s)
        if len(window) < _COURTESY_WINDOW:
            return
        seen = _measured(window)
        window.clear()
        if self._alone is None:
            self._alone = _Usual(seen)
        elif background == 0:
            self._alone.learn(seen)
            # Nothing ran for a while: try whether a little more does no harm by now.
            self.limit = min(1.0, self.limit * _RECOVERS) if self.limit < 1 else self.limit
        elif self._alone.is_slower(seen, self._room):
            if self.limit <= _LEAST:
                self._alone.learn(seen)  # so little cannot be what slows them: this is how long they take now
            self.limit = max(_LEAST, min(self.limit, float(background)) / 2)
        else:
            self._alone.learn_if_quicker(seen)
            self.limit = min(float(self._most), self.limit + 1 if self.limit >= 1 else self.limit * 2)

    @property
    def now(self) -> int:
        """The limit as it counts now."""
        quiet_s = self._monotonic() - self._last_s
        if quiet_s > _QUIET_S:
            return self._most
        if self.limit >= 1:
            return int(self.limit)
        return 1 if self._alone is not None and quiet_s * self.limit > self._alone.middle_s else 0


_Measures = tuple[float, float]  # of a window: the usual time, and a long one


def _measured(window: list[float]) -> _Measures:
    ranked = sorted(window)
    return median(ranked), ranked[len(ranked) * 9 // 10]


class _Usual:
    """What windows measure, and how far they are from it by themselves: a busy machine makes them differ, and that is nobody's fault."""

    def __init__(self, first: _Measures) -> None:
        self._mean = first
        self._strays: _Measures = (0.0, 0.0)

    @property
    def middle_s(self) -> float:
        return self._mean[0]

    def learn(self, seen: _Measures) -> None:
        (middle, slow), (stray, stray_slow) = self._mean, self._strays
        self._strays = stray + _LEARNS * (abs(seen[0] - middle) - stray), stray_slow + _LEARNS * (abs(seen[1] - slow) - stray_slow)
        self._mean = middle + _LEARNS * (seen[0] - middle), slow + _LEARNS * (seen[1] - slow)

    def learn_if_quicker(self, seen: _Measures) -> None:
        if seen[0] < self._mean[0]:
            self.learn(seen)

    def is_slower(self, seen: _Measures, room: float) -> bool:
        (middle, slow), (stray, stray_slow) = self._mean, self._strays
        return seen[0] > middle * (1 + room / 2) + stray or seen[1] > slow * (1 + room) + _STRAYS * stray_slow


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
