"""A client connection without a socket: the protocol, a transport that remembers, and an application to be written in the test."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from farthing.edge.protocol import GatewayProtocol

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Transport(asyncio.Transport):
    """Takes every byte; `reading` is what the protocol made of flow control."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.closed = False
        self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {}.get(name, default)

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


def connect(application: Application) -> tuple[GatewayProtocol, Transport]:
    """A connection that was just accepted; call it in the event loop."""
    config = Config(application, http="httptools", ws="none", lifespan="off", log_config=None)  # type: ignore[arg-type]
    config.load()
    protocol, transport = GatewayProtocol(config=config, server_state=ServerState(), app_state={}), Transport()
    protocol.connection_made(transport)
    return protocol, transport


async def settled() -> None:
    """Until everything that can run has run."""
    for _ in range(10):
        await asyncio.sleep(0)
