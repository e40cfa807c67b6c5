"""HTTP/1.1 as uvicorn parses it (httptools), with the bounds that it lacks.

Adds: a largest head, a deadline for the head, exactly one Host header, a word to the request when its client hangs up.
uvicorn with httptools bounds neither header size nor header time, and takes a missing or double Host (measured).
"""

from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from farthing.core.errors import FarthingError, InvalidRequest
from farthing.core.request import Dialect
from farthing.wire.errors import render_error

DEFAULT_HEADER_BYTES = 32_768


class HeadTooLarge(InvalidRequest):
    status = 431
    code = "headers_too_large"


class GatewayProtocol(HttpToolsProtocol):
    """One client connection."""

    header_bytes = DEFAULT_HEADER_BYTES
    on_gone: Callable[[], None] | None = None
    head_since_s: float | None = None  # loop time since when we wait for the rest of a request head
    _head_bytes = 0
    _hosts = 0
    _refusal: FarthingError | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.head_since_s = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        on_gone, self.on_gone = self.on_gone, None
        if on_gone is not None:
            on_gone()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_since_s = self.loop.time()
        self._head_bytes = 0
        self._hosts = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.head_since_s = None
        if self._hosts != 1 and self.parser.get_http_version() == "1.1":
            self._refuse(InvalidRequest(f"A request needs exactly one Host header; this one has {self._hosts}."))
        self.scope["farthing.connection"] = self  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.header_bytes:
            self._refuse(HeadTooLarge(f"The request head is larger than {self.header_bytes} bytes. Send fewer or shorter headers."))

    def _refuse(self, error: FarthingError) -> None:
        self._refusal = error
        raise httptools.HttpParserError(error.message)

    def send_400_response(self, msg: str) -> None:
        error = self._refusal or InvalidRequest(msg)
        body = render_error(Dialect.CHAT, error, "")
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[error.status] + head + body)
        self.transport.close()

    def close_if_slow(self, now_s: float, header_timeout_s: float) -> None:
        """Close a connection that has begun a request head, or none at all, and does not end it."""
        if self.head_since_s is not None and now_s - self.head_since_s > header_timeout_s:
            self.transport.close()

    def on_response_complete(self) -> None:
        self.on_gone = None
        super().on_response_complete()
