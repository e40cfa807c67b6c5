"""One request and its response on a connection, in fewer steps than uvicorn's own cycle.

The same ASGI contract with the head and the first piece of body in one write, no copy of a body that is there already, and one check
against header injection instead of two expressions per header. Saves about 20 us of 55 a request (bench/overhead.py).
"""

from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class GatewayCycle(RequestResponseCycle):
    """`send` and `receive` of one request."""

    _head: bytes = b""

    async def receive(self) -> Any:
        if self.more_body or self.disconnected or self.response_complete or self.waiting_for_100_continue or not self.body:
            return await super().receive()
        if self.flow.read_paused:
            # A large body came at once. Unless we read on, nobody hears the client hang up.
            self.flow.resume_reading()
        body, self.body = self.body, bytearray()
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message["headers"])
        else:
            self._body(message.get("body", b""), more=message.get("more_body", False))

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Head and whole body in one go: what two `send`s would do."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected:
            self._start(status, headers)
            self._body(body, more=False)

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Build the head; it leaves with the first piece of body."""
        if self.response_started:
            raise RuntimeError("the response has been started already")
        self.response_started = True
        if self.waiting_for_100_continue:
            # Refused unread: the client keeps its body, so what it sent next could be taken for it.
            self.waiting_for_100_continue = self.keep_alive = False
        self.chunked_encoding = True
        lines = [STATUS_LINE[status][:-2]]
        for name, value in [*self.default_headers, *headers]:
            if name == b"content-length":
                self.chunked_encoding = False
                self.expected_content_length = int(value)
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
                continue
            lines.append(b"%b: %b" % (name, value))
        if self.chunked_encoding:
            lines.append(b"transfer-encoding: chunked")
        if not self.keep_alive:
            lines.append(b"connection: close")
        lines.append(b"\r\n")
        head = b"\r\n".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("a response header holds a line break")
        self._head = head

    def _body(self, body: bytes, *, more: bool) -> None:
        if not self.response_started or self.response_complete:
            raise RuntimeError("a piece of body where none may be")
        out, self._head = self._head, b""
        if self.scope["method"] != "HEAD":
            if self.chunked_encoding:
                out += (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
            else:
                self.expected_content_length -= len(body)
                out += body
                if self.expected_content_length < 0 or (not more and self.expected_content_length):
                    raise RuntimeError("the body is not as long as its content-length")
        if out:
            self.transport.write(out)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()
