"""A backend that answers from a script, and a pause that takes no time but moves the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable

from farthing.core.call import Call
from farthing.core.clock import FrozenClock
from farthing.core.errors import Upstream, UpstreamRefused, UpstreamUnreachable
from farthing.core.request import Dialect

DEADLINE_S = 30.0


class FakeReply:
    """`core.call.Reply` in memory."""

    content_type = "application/json"
    service_request_id = None
    queue_s = 0.0
    price_factor = None

    def __init__(self) -> None:
        self.attempts = 1
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{}"

    async def read(self) -> bytes:
        return b"{}"

    def close(self) -> None:
        self.closed = True


class FakeBackend:
    """Each call takes the next outcome: an error, `None` for a reply, a future to wait for. The last one repeats."""

    def __init__(self, *outcomes: Upstream | asyncio.Future[None] | None) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0
        self.replies: list[FakeReply] = []
        self.closed = False
        self.cancelled = 0

    async def send(self, call: Call) -> FakeReply:
        del call
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Upstream):
            raise outcome
        if outcome is not None:
            try:
                await outcome
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        self.replies.append(FakeReply())
        return self.replies[-1]

    def dialects(self) -> frozenset[Dialect]:
        return frozenset({Dialect.CHAT})

    async def warm(self) -> None:
        if isinstance(self.outcomes[0], Upstream):
            raise self.outcomes[0]

    async def close(self) -> None:
        self.closed = True


class Pauses:
    """An injected sleep."""

    def __init__(self, clock: FrozenClock) -> None:
        self._clock = clock
        self.taken: list[float] = []
        self.meanwhile: Callable[[], object] = list  # what happens elsewhere

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self._clock.advance(seconds)
        self.meanwhile()


def call(clock: FrozenClock, *, stream: bool = False, deadline_s: float = DEADLINE_S) -> Call:
    return Call("s", "m", Dialect.CHAT, b"{}", stream, clock.monotonic() + deadline_s, "req_1")


def refused(status: int, retry_after_s: float | None = None) -> UpstreamRefused:
    return UpstreamRefused("no", status=status, body=b"{}", retry_after_s=retry_after_s)


def unreachable() -> UpstreamUnreachable:
    return UpstreamUnreachable("gone")
