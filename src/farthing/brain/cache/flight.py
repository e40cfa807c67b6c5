"""Single flight: identical requests in flight share one upstream call, streaming included.

The leader publishes the upstream's bytes as they come; followers read them from the first byte on, each at its own pace, and
shape them for their own client. A leader whose client leaves flies on while anyone follows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from farthing.core.call import Call
from farthing.core.conversation import Answer
from farthing.core.errors import FarthingError, Upstream
from farthing.core.exchange import Target
from farthing.core.request import Dialect


class LeaderLost(Upstream):
    """The call that this request waited for ended without an answer; the follower makes its own."""

    code = "leader_lost"


class LeaderCut(Upstream):
    """A cap ended the shared answer early; the message says which. Who shares it gets what there is."""

    code = "leader_cut"


class Verdict(msgspec.Struct, frozen=True):
    """What a check made of the answer that was shared."""

    answer: Answer
    finish: str | None
    truncated: str | None


class Flight:
    """One upstream call and those who wait for it. Bounded by the upstream's `max_answer_bytes`. Found under each of its keys."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self.keys = keys
        self.entry_id: str | None = None  # of the answer that it will leave in the cache
        self.followers = 0
        self.on_abandoned: Callable[[], None] | None = None  # set when the leader's client has left
        self.dialect: Dialect | None = None
        self.stream = False
        self.checked = False  # nobody may see the answer before the leader's check has
        self.verdict: Verdict | None = None  # set before landing when that check changed the answer
        self.target: Target | None = None
        self.sources: tuple[str, ...] = ()  # that the shared answer rests on
        self._pieces: list[bytes] = []
        self._done = False
        self._error: FarthingError | None = None
        self._wake: list[asyncio.Future[None]] = []

    def board(self) -> None:
        self.followers += 1

    def leave(self) -> None:
        """One follower less. The last one to leave a flight without a leader ends it."""
        self.followers -= 1
        if self.followers == 0 and self.on_abandoned is not None:
            self.on_abandoned()

    def depart(self, call: Call, target: Target, *, checked: bool = False) -> None:
        """The head of the upstream's answer is in; from here on the flight is a stream of bytes."""
        self.dialect, self.stream, self.target, self.checked = call.dialect, call.stream, target, checked
        self._notify()

    def publish(self, piece: bytes) -> None:
        self._pieces.append(piece)
        if self._wake:
            self._notify()

    def land(self, error: FarthingError | None = None) -> None:
        """The end, good or bad. Later calls change nothing."""
        if not self._done:
            self._done, self._error = True, error
            self._notify()

    @property
    def landed(self) -> bool:
        return self._done

    async def departed(self) -> tuple[Dialect, bool, Target]:
        """Wait for the head. Raises what the leader met, or `LeaderLost`."""
        while self.dialect is None or self.target is None:
            if self._done:
                raise self._error or LeaderLost("The call this request waited for was abandoned.")
            await self._news()
        return self.dialect, self.stream, self.target

    async def pieces(self) -> AsyncIterator[bytes]:
        """Every piece from the first. Raises the leader's error where the leader met it."""
        position = 0
        while True:
            while position < len(self._pieces):
                piece = self._pieces[position]
                position += 1
                yield piece
            if self._done:
                if self._error is not None:
                    raise self._error
                return
            await self._news()

    async def _news(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wake.append(waiter)
        await waiter

    def _notify(self) -> None:
        waiters, self._wake = self._wake, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Flights:
    """Flights in the air, by key."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def get(self, key: bytes) -> Flight | None:
        return self._flights.get(key)

    def lead(self, *keys: bytes) -> Flight:
        """Open a flight; the caller must `end` it."""
        flight = Flight(keys)
        for key in keys:
            self._flights[key] = flight
        return flight

    def close_doors(self) -> None:
        """Nobody boards what is in the air now: it may rest on something that has been dropped."""
        self._flights.clear()

    def end(self, flight: Flight, error: FarthingError | None = None) -> None:
        """Take the flight off the board, then tell those aboard."""
        for key in flight.keys:
            if self._flights.get(key) is flight:
                del self._flights[key]
        flight.land(error)
