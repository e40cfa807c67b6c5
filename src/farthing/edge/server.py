"""uvicorn, told what we need: our protocol, a drain that cuts nothing, SIGHUP, and slow clients closed."""

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from farthing.config import Server as ServerConfig
from farthing.edge.app import App
from farthing.edge.protocol import GatewayProtocol

_KEEP_ALIVE_S = 75
_BACKLOG = 2048


class GatewayServer(uvicorn.Server):
    """One worker's HTTP server. SIGTERM and SIGINT drain; a second SIGINT stops at once."""

    def __init__(self, app: App, config: ServerConfig, *, on_drain: Callable[[], None], on_reload: Callable[[], None]) -> None:
        protocol = type("BoundedProtocol", (GatewayProtocol,), {"header_bytes": config.header_bytes})
        super().__init__(
            uvicorn.Config(
                app,  # pyright: ignore[reportArgumentType]
                http=protocol,
                ws="none",
                loop="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=config.grace_s,  # pyright: ignore[reportArgumentType]
            )
        )
        self._header_timeout_s = config.header_timeout_s
        self._on_drain = on_drain
        self._on_reload = on_reload

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Through the loop, and without uvicorn's habit of raising the signal again after a clean stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        # It was held back while we started; it is again while we end.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        if self.should_exit and number == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        # Refuse new connections now, not at uvicorn's next tick.
        for server in getattr(self, "servers", ()):
            server.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_drain()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            now_s = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, GatewayProtocol):
                    connection.close_if_slow(now_s, self._header_timeout_s)
        return await super().on_tick(counter)
