"""Keep-alive connections to one origin.

Guarantees: at most `max_connections`; the most recently used idle one goes first; when all are busy, requests wait until their deadline, the
nearest first and background ones last; a request whose reused connection died before a byte of the answer is sent once more on a fresh one.
Costs: 17 to 25 us of CPU per whole answer, half of it in the kernel (bench/transport.py, busy 2-core machine);
no task, no wait_for and at most one timer move per request.
"""

import asyncio
from heapq import heappop, heappush
from itertools import count
from typing import cast

from farthing.core.errors import Upstream, UpstreamBusy, UpstreamUnreachable
from farthing.models.transport.connection import Connection
from farthing.models.transport.dial import Dialer, Origin
from farthing.models.transport.reply import RawReply

# Background calls after the others, then the nearest deadline, then who came first.
_Turn = tuple[bool, float, int, "asyncio.Future[Connection | None]"]


class Pool:
    """Connections to one origin, and who waits for them. Belongs to one event loop."""

    def __init__(self, origin: Origin, *, max_connections: int, dialer: Dialer | None = None) -> None:
        self._where = origin.where
        self._max = max_connections
        self._dialer = dialer or Dialer(origin)
        self._idle: list[Connection] = []
        self._live: set[Connection] = set()
        self._opening = 0
        self._waiting: list[_Turn] = []  # a heap
        self._arrivals = count()
        self._draining = False
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    @property
    def connections(self) -> int:
        """Open or being opened."""
        return len(self._live) + self._opening

    async def request(
        self,
        method: bytes,
        path: bytes,
        headers: bytes,
        body: bytes,
        *,
        deadline_s: float,
        first_byte_timeout_s: float,
        idle_timeout_s: float,
        max_answer_bytes: int,
        patient: bool = False,
    ) -> RawReply:
        """Send, and return once the head of the final (not 1xx) response is here, whatever its status.

        `headers` are whole lines, host among them; the length is added. `deadline_s` is on the loop's clock. `patient`: others go first.
        Raises UpstreamUnreachable, UpstreamBroken, UpstreamTimeout, UpstreamBusy.
        """
        request = b"%b %b HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b" % (method, path, headers, len(body), body)
        fresh, queue_s = False, 0.0
        while True:
            connection = None if fresh else self._pop_idle()
            if connection is None:
                connection, waited_s = await self._acquire(deadline_s, fresh, patient=patient)
                queue_s += waited_s
            reply = RawReply(connection, deadline_s, first_byte_timeout_s, idle_timeout_s, max_answer_bytes)
            connection.exchange(request, reply)
            while reply.status == 0 and not reply.ended:
                await reply.wait()
            if reply.status:
                reply.queue_s = queue_s
                return reply
            if fresh or not reply.untouched or connection.exchanges == 1:
                raise cast(Upstream, reply.error)
            fresh = True

    async def warm(self, deadline_s: float) -> None:
        """Resolve the name and open one connection, so that the first request need not."""
        if not self.connections:
            connection, _ = await self._acquire(deadline_s, fresh=True)
            self.released(connection)

    def drain(self) -> None:
        """Close idle connections now and the others as their replies end."""
        self._draining = True
        for connection in self._idle[:]:
            connection.abandon()
        self._idle.clear()

    async def close(self) -> None:
        """Close everything; replies in flight end with an error. Returns when every socket is gone."""
        self.drain()
        self._closed = True
        while (turn := self._next_turn()) is not None:
            turn.set_exception(UpstreamUnreachable(f"{self._where} is no longer in use here: the gateway stops or was reconfigured."))
        for connection in self._live:
            connection.cut()
        while self._live:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    # from a connection

    def released(self, connection: Connection) -> None:
        """Its reply has ended well and it can carry another."""
        if self._draining and not self._waiting:
            connection.abandon()
            return
        connection.rest()
        turn = self._next_turn()
        if turn is not None:
            turn.set_result(connection)
        else:
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Its socket is closed."""
        self._live.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._slot_freed()
        if not self._live and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    # slots

    def _pop_idle(self) -> Connection | None:
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return None

    async def _acquire(self, deadline_s: float, fresh: bool, *, patient: bool = False) -> tuple[Connection, float]:
        if self._closed:
            raise UpstreamUnreachable(f"{self._where} is no longer in use here: the gateway stops or was reconfigured.")
        if fresh and self.connections >= self._max and self._idle:
            oldest = self._idle.pop(0)
            self._live.discard(oldest)
            oldest.abandon()
        clock = asyncio.get_running_loop().time
        started_s, waited_s = clock(), 0.0
        while self.connections >= self._max:
            connection = await self._wait_turn(deadline_s, patient)
            waited_s = clock() - started_s
            if connection is None:
                return await self._open(deadline_s), waited_s
            if connection.usable:
                return connection, waited_s
        self._opening += 1
        return await self._open(deadline_s), waited_s

    async def _open(self, deadline_s: float) -> Connection:
        """Turns one slot of `_opening` into a live connection, or frees it."""
        try:
            opened = await self._dialer.connect(lambda: Connection(self, self._where), deadline_s)
        except BaseException:
            self._opening -= 1
            self._slot_freed()
            raise
        self._opening -= 1
        connection = cast(Connection, opened)
        if not connection.usable or self._closed:
            connection.abandon()
            self._slot_freed()
            raise UpstreamUnreachable(f"{self._where} closed the connection as soon as it was open.")
        self._live.add(connection)
        return connection

    async def _wait_turn(self, deadline_s: float, patient: bool) -> Connection | None:
        """A connection, or None: a slot in `_opening` that is now the caller's."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Connection | None] = loop.create_future()
        timer = loop.call_at(deadline_s, self._give_up, turn)
        heappush(self._waiting, (patient, deadline_s, next(self._arrivals), turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on(turn.result())
            raise
        finally:
            timer.cancel()

    def _give_up(self, turn: asyncio.Future[Connection | None]) -> None:
        if not turn.done():
            message = f"{self._where}: all {self._max} connections stayed busy until the request's deadline. Raise `max_connections` of the service."
            turn.set_exception(UpstreamBusy(message, retry_after_s=1.0))

    def _pass_on(self, granted: Connection | None) -> None:
        if granted is None:
            self._opening -= 1
            self._slot_freed()
        elif granted.usable:
            self.released(granted)

    def _slot_freed(self) -> None:
        if self.connections < self._max and (turn := self._next_turn()) is not None:
            self._opening += 1
            turn.set_result(None)

    def _next_turn(self) -> asyncio.Future[Connection | None] | None:
        while self._waiting:
            turn = heappop(self._waiting)[-1]
            if not turn.done():
                return turn
        return None
