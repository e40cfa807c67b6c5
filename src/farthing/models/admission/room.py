"""The waiting room before one engine: who is at work, who waits, who is let in. Belongs to one event loop."""

import asyncio
from collections.abc import Callable
from itertools import count

from farthing.core.engine import Crowd
from farthing.core.errors import UpstreamBusy, UpstreamUnreachable
from farthing.models.admission.knee import Knee
from farthing.models.admission.order import Marks, Slots, Waiting, next_of
from farthing.models.admission.places import Places


class Seat:
    """A place at the engine. It is given back once, however often that is asked for."""

    __slots__ = ("_leave", "marks", "waited_s")

    def __init__(self, leave: Callable[["Seat", float | None], None], marks: Marks, waited_s: float) -> None:
        self._leave: Callable[[Seat, float | None], None] | None = leave
        self.marks = marks
        self.waited_s = waited_s

    def leave(self, work: float | None = None) -> None:
        """`work`: of an answer that came to its end, 1 for a usual one."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave(self, work)


class Room:
    """`clock` is the event loop's. Raises what a call would raise whose connections are all taken."""

    def __init__(self, where: str, places: Places, clock: Callable[[], float]) -> None:
        self._where = where
        self._knee = Knee(places.most) if places.measured else None
        self._most = places.most
        self._clock = clock
        self._waiting: list[tuple[Waiting, asyncio.Future[Seat]]] = []  # in the order of arrival
        self._slots = Slots()
        self._in_flight = 0
        self._passed = 0
        self._arrivals = count()
        self._closed = False

    @property
    def limit(self) -> int:
        return self._knee.limit if self._knee is not None else self._most or 1

    @property
    def crowd(self) -> Crowd:
        return Crowd(self._in_flight, len(self._in_line()), self.limit)

    async def enter(self, marks: Marks, deadline_s: float, *, patient: bool) -> Seat:
        """A place, at once or when it is this call's turn. Raises `UpstreamBusy` when its deadline comes first."""
        if self._closed:
            raise self._no_longer()
        if self._in_flight < self.limit and not self._in_line():
            return self._seat(marks, 0.0)
        turn: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()
        entry = Waiting(next(self._arrivals), deadline_s, marks, patient=patient), turn
        since_s = self._clock()
        self._waiting.append(entry)
        timer = asyncio.get_running_loop().call_at(deadline_s, self._give_up, turn)
        try:
            seat = await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                turn.result().leave()
            raise
        finally:
            timer.cancel()
            if entry in self._waiting:
                self._waiting.remove(entry)
        seat.waited_s = self._clock() - since_s
        return seat

    def refused(self) -> None:
        """The engine turned a call away for its load."""
        if self._knee is not None:
            self._knee.refused()

    def close(self) -> None:
        """Nobody is let in any more; who waits learns it now."""
        self._closed = True
        for _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(self._no_longer())

    def _seat(self, marks: Marks, waited_s: float) -> Seat:
        self._in_flight += 1
        self._slots.started(marks, max(self.limit, self._most or 0), self._in_flight)
        return Seat(self._left, marks, waited_s)

    def _left(self, seat: Seat, work: float | None) -> None:
        self._in_flight -= 1
        self._slots.ended(seat.marks)
        if work is not None and self._knee is not None:
            self._knee.note(work, self._clock(), full=bool(self._in_line()))
        self._fill()

    def _fill(self) -> None:
        while self._in_flight < self.limit and (line := self._in_line()):
            chosen, self._passed = next_of([*line], self._slots, self._clock(), self._passed)
            line[chosen].set_result(self._seat(chosen.marks, 0.0))

    def _in_line(self) -> dict[Waiting, asyncio.Future[Seat]]:
        """Who still waits: whoever was let in or gave up, and has not noticed yet, does not."""
        return {one: turn for one, turn in self._waiting if not turn.done()}

    def _give_up(self, turn: asyncio.Future[Seat]) -> None:
        if not turn.done():
            message = f"{self._where}: its {self.limit} places stayed taken until the request's deadline. Raise `at_once` of the service."
            turn.set_exception(UpstreamBusy(message, retry_after_s=1.0))

    def _no_longer(self) -> UpstreamUnreachable:
        return UpstreamUnreachable(f"{self._where} is no longer in use here: the gateway stops or was reconfigured.")
