"""A model service that breaks in every way we know of, on loopback.

    async with FaultServer(FAULTS["reset_within_body"]) as server:
        ...  # call server.base_url; trust server.ca_file if it is set; host names are faked by server.resolve

`Fault.whole` and `Fault.stream` say what a caller of the models room gets: an error class, or `None` where the bytes pass through and a
reader of the dialect has to judge them.
"""

import asyncio
import contextlib
import datetime
import random
import re
import socket
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import trustme

from farthing.core.errors import Upstream, UpstreamBroken, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from tests.reliability import fault_scripts as play
from tests.reliability.fault_scripts import ANSWER, CHUNK, DONE, ERROR, MEGABYTE, STOP, Script, Talk

Ground = Literal["plain", "refused", "unresolved", "backlog", "tls", "self_signed", "expired", "wrong_name", "tls_stall"]


@dataclass(frozen=True)
class Fault:
    """One way to break, and what must come of it."""

    whole: type[Upstream] | None
    stream: type[Upstream] | None
    script: Script = play.good
    ground: Ground = "plain"
    status: int | None = None  # of the UpstreamRefused
    retried: bool = False  # safe to send again
    settings: Mapping[str, int | float] = field(default_factory=dict)  # of the service's row

    @property
    def hangs(self) -> bool:
        """Only the deadline ends it."""
        return UpstreamTimeout in (self.whole, self.stream) or self.script is play.refuse_and_hang


def _broken(script: Script, **settings: int | float) -> Fault:
    return Fault(UpstreamBroken, UpstreamBroken, script, settings=settings)


def _late(script: Script) -> Fault:
    return Fault(UpstreamTimeout, UpstreamTimeout, script)


def _passes(script: Script) -> Fault:
    return Fault(None, None, script)


def _refused(line: bytes, *headers: bytes, retried: bool = True) -> Fault:
    return Fault(UpstreamRefused, UpstreamRefused, play.refusal(line, *headers), status=int(line[:3]), retried=retried)


def _unreachable(ground: Ground = "plain", script: Script = play.good) -> Fault:
    return Fault(UpstreamUnreachable, UpstreamUnreachable, script, ground, retried=True)


def _usage(old: bytes, new: bytes) -> Script:
    return play.answer(ANSWER.replace(old, new), CHUNK + STOP.replace(old, new) + DONE)


_OK = b"HTTP/1.1 200 OK\r\n"
_MUCH = random.Random(1).randbytes(5 * MEGABYTE).hex().encode()  # text that does not repeat: a stream that does is ended
_BIG_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"' + _MUCH + b'"}}]}\n\n'
_BIG_ANSWER = ANSWER.replace(b"hello", _MUCH)

FAULTS: dict[str, Fault] = {
    "refused": _unreachable("refused"),
    "dns_failure": _unreachable("unresolved"),
    "connect_hang": Fault(UpstreamTimeout, UpstreamTimeout, ground="backlog"),
    "tls_self_signed": _unreachable("self_signed"),
    "tls_expired": _unreachable("expired"),
    "tls_wrong_name": _unreachable("wrong_name"),
    "tls_handshake_stall": Fault(UpstreamTimeout, UpstreamTimeout, ground="tls_stall"),
    "tls_reset_within_body": Fault(UpstreamBroken, UpstreamBroken, play.reset_within_body, "tls"),
    "tls_hang_within_body": Fault(UpstreamTimeout, UpstreamTimeout, play.hang_within_body, "tls"),
    "reset_before_head": _unreachable(script=play.reset_before_head),
    "close_before_head": _unreachable(script=play.close_before_head),
    "reset_within_head": _broken(play.reset_within_head),
    "close_within_head": _broken(play.close_within_head),
    "reset_within_body": _broken(play.reset_within_body),
    "close_within_body": _broken(play.close_within_body),
    "close_within_chunk": _broken(play.close_within_chunk),
    "hang_before_head": _late(play.hang_before_head),
    "hang_within_head": _late(play.hang_within_head),
    "hang_after_head": _late(play.hang_after_head),
    "hang_within_body": _late(play.hang_within_body),
    "one_byte_at_a_time": _late(play.drip),
    "rate_limited_with_retry_after": _refused(b"429 Too Many Requests", b"retry-after: 0"),
    "rate_limited_for_long": _refused(b"429 Too Many Requests", b"retry-after: 60", retried=False),
    "rate_limited_without_retry_after": _refused(b"429 Too Many Requests"),
    "status_400": _refused(b"400 Bad Request", retried=False),
    "status_401": _refused(b"401 Unauthorized", retried=False),
    "status_500": _refused(b"500 Internal Server Error"),
    "status_502": _refused(b"502 Bad Gateway"),
    "status_503": _refused(b"503 Service Unavailable"),
    "status_529": _refused(b"529 Overloaded"),
    "status_500_and_retry_forbidden": _refused(b"500 Internal Server Error", b"x-should-retry: false", retried=False),
    "status_500_and_hang": Fault(UpstreamRefused, UpstreamRefused, play.refuse_and_hang, status=500),
    "status_500_endless_body": Fault(
        UpstreamRefused, UpstreamRefused, play.flood(b"HTTP/1.1 500 Oh\r\ncontent-type: text/html\r\n\r\n", b"<p>" * 9999), status=500, retried=True
    ),
    "status_204": _broken(play.raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    "status_200_error_object": _broken(play.answer(ERROR, ERROR, kind=b"application/json")),
    "wrong_content_type": _broken(play.answer(b"<html>hi</html>", b"<html>hi</html>", kind=b"text/html")),
    "no_content_type": _broken(play.raw(_OK + b"content-length: 2\r\n\r\n{}")),
    "redirect_301": _broken(play.refusal(b"301 Moved Permanently", b"location: http://127.0.0.1:9/")),
    "redirect_307": _broken(play.refusal(b"307 Temporary Redirect", b"location: http://169.254.169.254/")),
    "gzip_bomb": _broken(play.answer(play.bomb(), play.bomb(), lines=(b"content-encoding: gzip",))),
    "transfer_gzip": _broken(play.raw(_OK + b"content-type: application/json\r\ntransfer-encoding: gzip\r\n\r\n{}")),
    "bad_chunk_size": _broken(play.raw(_OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhi\r\n")),
    "huge_chunk_size": _broken(play.raw(_OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\nhi\r\n")),
    "bad_content_length": _broken(play.raw(_OK + b"content-type: application/json\r\ncontent-length: -2\r\n\r\n{}")),
    "two_content_lengths": _broken(play.raw(_OK + b"content-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}")),
    "length_and_chunked": _broken(play.raw(_OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")),
    "huge_headers": _broken(play.raw(_OK + b"x-big: " + b"h" * 100_000 + b"\r\n\r\n")),
    "endless_header": _broken(play.flood(_OK + b"x-big: ", b"h" * 4096)),
    "endless_interim": _broken(play.flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)),
    "endless_trailers": _broken(
        play.flood(_OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\n:ok\n\n\r\n0\r\n", b"x-t: 1\r\n" * 500)
    ),
    "upgrade": _broken(play.raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n")),
    "not_http": _broken(play.raw(b"220 mail.example ESMTP ready\r\n")),
    "too_large": _broken(play.answer(_BIG_ANSWER, _BIG_EVENT), max_answer_bytes=MEGABYTE),
    "big_event": _passes(play.answer(_BIG_ANSWER, _BIG_EVENT + DONE)),
    "garbage_json": _passes(play.answer(b'{"choices": [', b"data: {nonsense\n\n" + DONE)),
    "bad_utf8": _passes(play.answer(ANSWER.replace(b"hello", b"\xff\xfe"), CHUNK.replace(b"hello", b"\xff\xfe") + STOP + DONE)),
    "negative_usage": _passes(_usage(b'_tokens":3', b'_tokens":-3')),
    "usage_twice": _passes(_usage(b'"usage":', b'"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18},"usage":')),
    "no_done": _passes(play.answer(ANSWER[:-1], CHUNK + STOP)),
    "truncated_events": _passes(play.answer(ANSWER[:80], CHUNK + CHUNK[:40])),
    "end_without_length": _passes(play.end_without_length),
    "interim_responses": _passes(play.interim_then_good),
    "smuggled_second_answer": _passes(play.smuggled_second_answer),
}

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream" *: *true')


class FaultServer:
    """Plays one fault to everyone who calls, for as long as the `async with` lasts."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.requests = 0
        self.accepted = 0  # connections so far
        self.open = 0  # connections that the caller has not let go of
        self.port = 0
        self.ca_file: str | None = None
        self._quiet = asyncio.Event()
        self._cleanup = contextlib.AsyncExitStack()

    @property
    def base_url(self) -> str:
        secure = self.fault.ground in ("tls", "self_signed", "expired", "wrong_name", "tls_stall")
        host = "service.invalid" if self.fault.ground == "unresolved" else "localhost" if secure else "127.0.0.1"
        return f"{'https' if secure else 'http'}://{host}:{self.port}/v1"

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        """Names without a name server."""
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ["127.0.0.1"]

    async def quiet(self) -> None:
        """Until every connection is gone."""
        while self.open:
            self._quiet.clear()
            await self._quiet.wait()

    async def __aenter__(self) -> Self:
        listener = self._cleanup.enter_context(socket.socket(proto=socket.IPPROTO_TCP))  # without it asyncio leaves Nagle's delay on
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        ground = self.fault.ground
        if ground in ("refused", "unresolved"):
            return self
        if ground == "backlog":
            self._fill_backlog(listener)
            return self
        server = await asyncio.start_server(self._serve, sock=listener, ssl=self._tls())
        self._cleanup.push_async_callback(server.wait_closed)
        self._cleanup.callback(server.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cleanup.aclose()

    def _fill_backlog(self, listener: socket.socket) -> None:
        """Nobody accepts, and the queue is full: the next SYN gets no answer."""
        listener.listen(0)
        for _ in range(4):
            filler = self._cleanup.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))

    def _tls(self) -> ssl.SSLContext | None:
        ground = self.fault.ground
        if ground in ("plain", "tls_stall"):
            return None
        authority, day = trustme.CA(), datetime.timedelta(days=1)
        expired = datetime.datetime.now(datetime.UTC) - day if ground == "expired" else None
        names = "elsewhere.example" if ground == "wrong_name" else "localhost"
        certificate = authority.issue_cert(names, not_before=expired and expired - day, not_after=expired)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        folder = self._cleanup.enter_context(tempfile.TemporaryDirectory())
        self.ca_file = None if ground == "self_signed" else str(Path(folder) / "ca.pem")
        if self.ca_file is not None:
            authority.cert_pem.write_to_path(self.ca_file)
        return context

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.accepted += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.transport.abort()
            self.open -= 1
            self._quiet.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault.ground == "tls_stall":
            self.requests += 1
            await Talk(reader, writer, False).hang()
            return
        connection, turn = self.accepted, 0
        while not writer.transport.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length.group(1)) if length else 0)
            self.requests += 1
            turn += 1
            await self.fault.script(Talk(reader, writer, _STREAM.search(body) is not None, connection, turn))
