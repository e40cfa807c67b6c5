"""The reply to one request: its head, and its body as it comes.

Guarantees: at most `HIGH_WATER` unread body bytes before the sender is held back (a `read` holds the whole body, up to the limit);
bytes that arrived before a fault are handed out before the fault is raised; cancelling a wait closes the connection.
One reader at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, Self

from farthing.core.errors import Upstream, UpstreamBroken

HIGH_WATER = 256 * 1024


class Line(Protocol):
    """The connection as the reply sees it."""

    where: str

    def resume(self) -> None: ...

    def abandon(self) -> None: ...


class RawReply:
    """Status, headers (lower-case names) and body of one answer."""

    __slots__ = (
        "_greedy",
        "_line",
        "_on_end",
        "_pieces",
        "_run",
        "_waiter",
        "buffered",
        "deadline_s",
        "ended",
        "error",
        "first_byte_timeout_s",
        "headers",
        "idle_timeout_s",
        "max_answer_bytes",
        "queue_s",
        "received",
        "status",
        "untouched",
    )

    def __init__(self, line: Line, deadline_s: float, first_byte_timeout_s: float, idle_timeout_s: float, max_answer_bytes: int) -> None:
        self._line = line
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._on_end: Callable[[Upstream | None], None] | None = None
        self._greedy = False
        self._run = 0  # bytes handed out since the last blank line
        self.deadline_s = deadline_s  # on the loop's clock, as every time here
        self.first_byte_timeout_s = first_byte_timeout_s
        self.idle_timeout_s = idle_timeout_s
        self.max_answer_bytes = max_answer_bytes
        self.status = 0  # 0: the head has not arrived
        self.headers: dict[bytes, bytes] = {}
        self.buffered = 0
        self.received = 0
        self.queue_s = 0.0
        self.ended = False
        self.error: Upstream | None = None
        self.untouched = False  # the connection died before a byte of this reply came

    @property
    def where(self) -> str:
        """The service, for messages."""
        return self._line.where

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return self.next()

    async def next(self) -> bytes:
        """The body bytes that came since the last call. Raises StopAsyncIteration at the end, or the fault."""
        while not self._pieces:
            if self.ended:
                if self.error is not None:
                    raise self.error
                raise StopAsyncIteration
            await self.wait()
        piece = self._take()
        if b"\n\n" in piece or b"\r\n\r\n" in piece:
            self._run = 0
        else:
            self._run += len(piece)
            if self._run > self.max_answer_bytes:
                raise self._too_large()
        return piece

    async def read(self) -> bytes:
        """The whole body, or the fault."""
        self._greedy = True
        while not self.ended and self.buffered <= self.max_answer_bytes:
            self._line.resume()
            await self.wait()
        if self.buffered > self.max_answer_bytes:
            raise self._too_large()
        if self.error is not None:
            raise self.error
        return self._take()

    def close(self) -> None:
        """Drop the connection unless the body came to its end. Unread bytes are lost; a waiting reader gets an error."""
        if not self.ended:
            self._line.abandon()
            self._pieces.clear()
            self._on_end = None
            self.end(UpstreamBroken(f"{self.where}: the reply was closed before its end."))

    def watch(self, on_end: Callable[[Upstream | None], None]) -> None:
        """Call back once the body has ended (`None`: well), now if it has already. Not called after `close`."""
        if self.ended:
            on_end(self.error)
        else:
            self._on_end = on_end

    async def wait(self) -> None:
        """Until the head has come, more body has come, or the reply has ended."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    def add(self, piece: bytes) -> None:
        """From the parser."""
        self._pieces.append(piece)
        self.buffered += len(piece)
        self.received += len(piece)

    def wake(self) -> None:
        """After a batch of `add`."""
        waiter = self._waiter
        if waiter is not None and not waiter.done() and (not self._greedy or self.ended or self.buffered > self.max_answer_bytes):
            waiter.set_result(None)

    def overfull(self) -> bool:
        """Whether the sender should be held back."""
        return self.buffered > HIGH_WATER and not self._greedy

    def end(self, error: Upstream | None) -> None:
        """From the connection: no more bytes will come."""
        self.ended = True
        self.error = error
        self.wake()
        if self._on_end is not None:
            self._on_end(error)
            self._on_end = None

    def _take(self) -> bytes:
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        if not self.ended:
            self._line.resume()
        return piece

    def _too_large(self) -> UpstreamBroken:
        self.close()
        limit = f"{self.max_answer_bytes} bytes (`max_answer_bytes` of the service)"
        return UpstreamBroken(f"{self.where} sent an answer of more than {limit}.")
