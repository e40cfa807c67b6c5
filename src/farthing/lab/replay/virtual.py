"""Time that is read off a log: an event loop whose clock jumps to whatever happens next.

The brain runs on it unchanged: tasks, futures, timeouts, flights that share a call. Nothing waits and nothing is read from the machine, so the
same log gives the same order of events. Of two things at one moment, the one asked for first comes first; what was under way goes before
what arrives. Costs: 5 us a request that has to wait for its answer.
"""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

Arrival = tuple[float, Callable[[], None]]  # when, and what happens then


class VirtualLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks need. `time` is unix seconds of the log."""

    def __init__(self, start_s: float) -> None:
        self._now = start_s
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._asked = 0
        self._fault: BaseException | None = None

    def play(self, arrivals: Iterable[Arrival]) -> None:
        """Let everything happen, in order, to the end. Raises what a task raised. An arrival in the past happens now."""
        asyncio._set_running_loop(self)  # the way in for makers of loops  # pyright: ignore[reportPrivateUsage]
        coming = iter(arrivals)
        try:
            arrival = next(coming, None)
            while True:
                self._run_ready()
                timers = self._timers
                if arrival is not None and not (timers and timers[0][0] <= arrival[0]):
                    self._now = max(self._now, arrival[0])
                    arrival[1]()
                    arrival = next(coming, None)
                elif timers:
                    when_s, _, handle = heapq.heappop(timers)
                    self._now = max(self._now, when_s)
                    self._ready.append(handle)
                else:
                    return
        finally:
            asyncio._set_running_loop(None)  # pyright: ignore[reportPrivateUsage]

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()
        if self._fault is not None:
            raise self._fault

    async def until(self, when_s: float) -> None:
        """Wait for that moment; at once when it is over."""
        if when_s > self._now:
            waiter: asyncio.Future[None] = self.create_future()
            self.call_at(when_s, _wake, waiter)
            await waiter

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._asked += 1
        heapq.heappush(self._timers, (when, self._asked, handle))
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        return asyncio.Task(coro, loop=self, **options)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        """At once, here: what runs in a thread takes none of the log's time."""
        del executor
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 goes to whoever waits, as from a thread
            done.set_exception(error)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A task or a callback broke: `play` raises it."""
        self._fault = context.get("exception") or RuntimeError(context.get("message", "a task broke"))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays on the heap and is skipped."""


class LogClock:
    """The brain's clock on that loop: both readings are the log's time, so minutes are UTC minutes."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.now = self.monotonic = loop.time


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
