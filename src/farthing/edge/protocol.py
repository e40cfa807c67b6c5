"""HTTP/1.1 as uvicorn parses it (httptools), with the bounds that it lacks.

Adds: a largest head, a deadline for the head and for every further piece of the body, a deadline for a client that does not read,
exactly one Host header, a word to the request when its client hangs up.
uvicorn with httptools bounds neither header size nor header time, and takes a missing or double Host (measured).
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from farthing.core.errors import FarthingError, InvalidRequest
from farthing.core.request import Dialect
from farthing.edge.cycle import GatewayCycle
from farthing.wire.errors import render_error

DEFAULT_HEADER_BYTES = 32_768
_FRAMING = (b"content-length", b"transfer-encoding")
_STALLED_S = 60.0  # a client that takes nothing for so long holds its place, budget and upstream call for nothing


class HeadTooLarge(InvalidRequest):
    status = 431
    code = "headers_too_large"


class GatewayProtocol(HttpToolsProtocol):
    """One client connection."""

    header_bytes = DEFAULT_HEADER_BYTES
    on_gone: Callable[[], None] | None = None
    head_since_s: float | None = None  # loop time since when we wait for the rest of a request head
    _body_since_s: float | None = None  # since when we wait for more of a body
    _unread_since_s: float | None = None  # since when the client reads less than we send
    _whole = True  # no body is outstanding
    _head_bytes = 0
    _hosts = 0
    _refusal: FarthingError | None = None
    _replaying_head = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.head_since_s = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        on_gone, self.on_gone = self.on_gone, None
        if on_gone is not None:
            on_gone()

    def data_received(self, data: bytes) -> None:
        """As uvicorn does it, but an upgrade that is offered is declined and the request served as it is (RFC 9110, 7.8)."""
        self._unset_keepalive_if_required()
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offered:
                data = self._decline_upgrade(data[offered.args[0] :])
            except httptools.HttpParserError:
                self.send_400_response("This is not a valid HTTP/1.1 request.")
                return
            else:
                self._body_since_s = None if self._whole else self.loop.time()
                return

    def _decline_upgrade(self, rest: bytes) -> bytes:
        """What to feed next. httptools stops at the head of a request that offers an upgrade, so its body would be lost, or read as a request
        of its own; a fresh parser reads on behind the same framing. Java's HttpClient offers h2c with every request."""
        self.parser = httptools.HttpRequestParser(self)
        self._replaying_head = True
        framing = [b"%b: %b\r\n" % header for header in self.headers if header[0] in _FRAMING]
        return b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n" + rest

    def on_message_begin(self) -> None:
        if self._replaying_head:
            return
        super().on_message_begin()
        self.head_since_s = self.loop.time()
        self._head_bytes = 0
        self._hosts = 0

    def on_url(self, url: bytes) -> None:
        if self._replaying_head:
            return
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._replaying_head:
            return
        self._count(len(name) + len(value) + 4)
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """As uvicorn does it, but for the cycle, the version and Host checks, and web sockets, of which there are none."""
        if self._replaying_head:
            self._replaying_head = False
            return
        self.head_since_s = None
        self._whole = False
        parser: Any = self.parser
        app: Any = self.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        scope = self.scope
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse(InvalidRequest(f"HTTP/{version} is not spoken here. Send HTTP/1.1."))
        if self._hosts != 1 and version == "1.1":
            self._refuse(InvalidRequest(f"A request needs exactly one Host header; this one has {self._hosts}."))
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("latin-1")
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        scope["farthing.connection"] = self  # type: ignore[typeddict-unknown-key]
        previous: Any = self.cycle
        self.cycle = GatewayCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        scope["farthing.cycle"] = self.cycle  # type: ignore[typeddict-unknown-key]
        if previous is None or previous.response_complete:
            self._start_asgi_task(self.cycle, app)  # pyright: ignore[reportUnknownArgumentType]
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, app))  # pyright: ignore[reportUnknownArgumentType]

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._whole = True
            super().on_message_complete()

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
        """Close a connection that has begun a request, or none at all, and does not go on, and one that does not read its answer."""
        since_s = self._body_since_s if self.head_since_s is None else self.head_since_s
        if since_s is not None and now_s - since_s > header_timeout_s and not self.flow.read_paused:
            self.transport.close()
        elif self._unread_since_s is not None and now_s - self._unread_since_s > _STALLED_S:
            # Closing would wait for what it does not read.
            self.transport.abort()

    def pause_writing(self) -> None:
        self._unread_since_s = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._unread_since_s = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        self.on_gone = None
        super().on_response_complete()
