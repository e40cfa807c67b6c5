"""One HTTP/1.1 connection: one request at a time, its reply parsed as it comes.

Guarantees: a response head of at most 64 KiB; no 1xx reaches the caller; bytes that nobody asked for close the connection, so one
request can never read another's answer; one lazy timer watches head, silence and deadline.
"""

import asyncio
from math import inf
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from farthing.core.errors import Upstream, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from farthing.models.transport.reply import RawReply

HEAD_LIMIT_BYTES = 64 * 1024
KEEP_IDLE_S = 120.0
_EARLY_S = 0.002  # uvloop's timers and clock count whole milliseconds


class Owner(Protocol):
    """Who gets a connection back, and hears of its end."""

    def released(self, connection: "Connection") -> None: ...

    def lost(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """Made by `Dialer.connect`; driven by `Pool`."""

    def __init__(self, owner: Owner, where: str) -> None:
        self.where = where
        self.exchanges = 0
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._bodies: list[bytes] = []  # parsed in this round, not yet in the reply
        self.on_body = self._bodies.append  # a C function: events often come thirty in one read
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport  # from connection_made on, which comes before anything else
        self._open = False
        self._reply: RawReply | None = None
        self._headers: dict[bytes, bytes] = {}
        self._barren = 0  # bytes in a row that were no body
        self._feeding = 0
        self._oversized = False
        self._in_head = False
        self._interim = False  # a 1xx response is being read
        self._complete = False
        self._keep_alive = False
        self._surplus = False
        self._paused = False
        self._due = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    @property
    def usable(self) -> bool:
        return self._open and not self._transport.is_closing()

    def exchange(self, request: bytes, reply: RawReply) -> None:
        """Send a whole request in one write; `reply` fills as the answer comes."""
        self._reply = reply
        self._headers = reply.headers
        self._barren = 0
        self._in_head = True
        self._complete = False
        self.exchanges += 1
        self._transport.write(request)
        self._arm(min(reply.deadline_s, self._loop.time() + reply.first_byte_timeout_s))

    def resume(self) -> None:
        """The reader has caught up."""
        if self._paused and self._reply is not None:
            self._paused = False
            self._transport.resume_reading()
            self._arm_idle(self._reply)

    def abandon(self) -> None:
        """Drop the socket now, without a word to the reply."""
        self._reply = None
        if self._open:
            self._transport.abort()

    def cut(self) -> None:
        """Drop the socket now; the reply in flight ends with an error."""
        self._fail(UpstreamBroken(f"{self.where}: the gateway closed the connection, it stops or was reconfigured."))

    def rest(self) -> None:
        """Wait in the pool for the next request."""
        self._arm(self._loop.time() + KEEP_IDLE_S)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open = True

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            self.abandon()
            return
        received, self._feeding = reply.received, len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._complete:
                self._hand_over()
                self._fail(UpstreamBroken(f"{self.where} does not speak HTTP/1.1: {error}."))
                return
            self._surplus = True
        if self._bodies:
            self._hand_over()
        self._barren = self._barren + len(data) if reply.received == received else 0
        if self._oversized or (self._barren > HEAD_LIMIT_BYTES and not self._complete):
            self._fail(UpstreamBroken(f"{self.where} sent more than {HEAD_LIMIT_BYTES} bytes of headers."))
        elif self._complete:
            self._finish(reply)
        elif reply.status:
            self._progress(reply)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        reply, self._reply, self._open = self._reply, None, False
        if reply is not None:
            reply.untouched = reply.status == 0 and self._barren == 0
            reply.end(self._loss(reply, exc))
        self._owner.lost(self)

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # later ones are trailers
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200
        if self._interim:
            self._headers.clear()
        elif self._reply is not None:
            self._in_head = False
            self._reply.status = status
        if self._barren + self._feeding > HEAD_LIMIT_BYTES:
            self._oversized = sum(len(name) + len(value) + 4 for name, value in self._headers.items()) > HEAD_LIMIT_BYTES

    def on_message_complete(self) -> None:
        if not self._interim and not self._complete:
            self._hand_over()
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()

    def _hand_over(self) -> None:
        """Body parsed so far goes to the reply; what came behind its end goes nowhere."""
        bodies = self._bodies
        if bodies and self._reply is not None and not self._complete:
            self._reply.add(bodies[0] if len(bodies) == 1 else b"".join(bodies))
        bodies.clear()

    # endings

    def _progress(self, reply: RawReply) -> None:
        if reply.overfull() and not self._paused:
            self._paused = True
            self._transport.pause_reading()
            self._arm(reply.deadline_s)  # the silence is ours now
        else:
            self._arm_idle(reply)
        reply.wake()

    def _finish(self, reply: RawReply) -> None:
        transport, self._reply = self._transport, None
        reply.end(None)
        if self._keep_alive and not self._surplus and not transport.is_closing() and not transport.get_write_buffer_size():
            self._owner.released(self)
        else:
            transport.abort()

    def _fail(self, error: Upstream) -> None:
        reply = self._reply
        self.abandon()
        if reply is not None:
            reply.end(error)

    def _loss(self, reply: RawReply, exc: Exception | None) -> Upstream | None:
        how = f" ({exc})" if exc is not None else ""
        if reply.untouched:
            return UpstreamUnreachable(f"{self.where} closed the connection without an answer{how}.")
        if reply.status == 0:
            return UpstreamBroken(f"{self.where} closed the connection within the head of its answer{how}.")
        framed = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        if framed or exc is not None:
            return UpstreamBroken(f"{self.where} closed the connection within its answer{how}.")
        return None  # a body without a length ends with the connection

    # one timer, moved only when it would come too late

    def _arm_idle(self, reply: RawReply) -> None:
        self._arm(min(reply.deadline_s, self._loop.time() + reply.idle_timeout_s))

    def _arm(self, due: float) -> None:
        self._due = due
        if due < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._loop.time() + _EARLY_S < self._due:
            self._arm(self._due)
            return
        reply = self._reply
        if reply is None:
            self.abandon()
        elif self._due >= reply.deadline_s:
            self._fail(UpstreamTimeout(f"{self.where} had not finished when the request's deadline passed."))
        elif reply.status == 0:
            self._fail(
                UpstreamTimeout(f"{self.where} sent no answer within {reply.first_byte_timeout_s:g} s (`first_byte_timeout_s` of the service).")
            )
        else:
            self._fail(UpstreamTimeout(f"{self.where} fell silent for {reply.idle_timeout_s:g} s (`idle_timeout_s` of the service)."))
