"""The caller's side of an exchange: where answers go, and how we learn that nobody is listening any more."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from farthing.edge.cycle import GatewayCycle
from farthing.edge.protocol import GatewayProtocol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class HttpCaller:
    """An HTTP client, seen through ASGI. Fulfils `brain.ports.Caller`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        self._receive = receive
        self._connection: GatewayProtocol | None = scope.get("farthing.connection")
        self._cycle: GatewayCycle | None = scope.get("farthing.cycle")
        self._watcher: asyncio.Task[None] | None = None
        self.gone = False
        self.started = False

    def listen(self, on_gone: Callable[[], None]) -> None:
        """Have `on_gone` called once when the client hangs up. At once when it already has."""
        if self._connection is not None:
            self._connection.on_gone = lambda: self._leave(on_gone)
            if self._connection.transport.is_closing():
                self._leave(on_gone)
        else:
            # Another ASGI server than ours: its `receive` is the only one who knows.
            self._watcher = asyncio.ensure_future(self._watch(on_gone))

    def _leave(self, on_gone: Callable[[], None]) -> None:
        self.gone = True
        on_gone()

    async def _watch(self, on_gone: Callable[[], None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave(on_gone)

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer at once."""
        if self._cycle is not None:
            self.started = True
            await self._cycle.answer(status, headers, body)
        else:
            await self.start(status, headers)
            await self.finish(body)

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        await self._send({"type": "http.response.body", "body": data})
