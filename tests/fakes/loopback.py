"""A real HTTP/1.1 server on loopback, in a thread of its own, that remembers everything it was sent.

It knows nothing of models: a handler coroutine answers each request through a `Responder`. Every request is kept as `Received`, with its
exact body bytes, and with the moment at which its client hung up, when it did. `wait` blocks on a condition, so tests never sleep.
"""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httptools

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(slots=True)
class Received:
    """One request as it came in."""

    method: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    connection: int = 0
    finished: bool = False
    hung_up_at: float | None = None
    usage: Any = None  # what the handler counted; None when it refused

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Responder:
    """Writes one answer. `event` raises `ConnectionError` once the client has gone."""

    def __init__(self, transport: asyncio.Transport, gone: asyncio.Event) -> None:
        self._transport = transport
        self._gone = gone

    def whole(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        fields = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        self._transport.write(_head(status, fields) + body)

    def start(self, headers: dict[str, str] | None = None) -> None:
        fields = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked", **(headers or {})}
        self._transport.write(_head(200, fields))

    def event(self, piece: bytes) -> None:
        if self._gone.is_set():
            raise ConnectionResetError
        self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self) -> None:
        self._transport.write(b"0\r\n\r\n")

    def abort(self) -> None:
        self._transport.abort()

    async def pause(self, seconds: float) -> None:
        """Wait, but not for a client that has gone."""
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except TimeoutError:
            return
        raise ConnectionResetError


Handler = Callable[[Received, Responder], Awaitable[None]]


class LoopbackServer:
    """Starts on construction as a context manager; `base_url` has no path."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[Received] = []
        self.open_connections = 0
        self.total_connections = 0
        self.changed = threading.Condition()
        self.transports: set[asyncio.Transport] = set()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="loopback", daemon=True)
        self._listening = threading.Event()
        self.port = 0

    def __enter__(self):
        self._thread.start()
        self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self, truth: Callable[[], bool], timeout_s: float = 10.0) -> float:
        """Seconds until `truth()` held; `TimeoutError` when it never did."""
        start = time.monotonic()
        with self.changed:
            if not self.changed.wait_for(truth, timeout_s):
                raise TimeoutError(f"not within {timeout_s} s; {len(self.requests)} requests, {self.open_connections} connections open")
        return time.monotonic() - start

    def forget(self) -> None:
        with self.changed:
            self.requests.clear()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(self.loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self.loop.run_forever()
        self.loop.run_until_complete(self._close(server))
        self.loop.close()

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        for transport in self.transports:
            transport.abort()
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task(self.loop)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


class _Connection(asyncio.Protocol):
    def __init__(self, server: LoopbackServer) -> None:
        self._server = server
        self._gone = asyncio.Event()
        self._current: Received | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._parser = httptools.HttpRequestParser(self)
        self._server.transports.add(self._transport)
        with self._server.changed:
            self._server.open_connections += 1
            self._server.total_connections += 1
            self._number = self._server.total_connections
            self._server.changed.notify_all()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._next = Received("", "", connection=self._number)
        self._pieces: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._next.target += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._next.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        received = self._next
        received.method = self._parser.get_method().decode()
        received.body = b"".join(self._pieces)
        self._current = received
        with self._server.changed:
            self._server.requests.append(received)
            self._server.changed.notify_all()
        self._task = self._server.loop.create_task(self._answer(received))

    async def _answer(self, received: Received) -> None:
        try:
            await self._server.handler(received, Responder(self._transport, self._gone))
        except ConnectionError:
            return
        with self._server.changed:
            received.finished = not self._gone.is_set()
            self._server.changed.notify_all()

    def eof_received(self) -> None:
        self._left()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.transports.discard(self._transport)
        self._left()
        with self._server.changed:
            self._server.open_connections -= 1
            self._server.changed.notify_all()

    def _left(self) -> None:
        self._gone.set()
        with self._server.changed:
            if self._current is not None and not self._current.finished and self._current.hung_up_at is None:
                self._current.hung_up_at = time.monotonic()
            self._server.changed.notify_all()


def _head(status: int, fields: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Other')}\r\n{lines}\r\n".encode("latin-1")
