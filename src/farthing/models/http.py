"""A service that speaks HTTP, as a backend: one try per call, typed outcomes.

Guarantees: a reply has status 2xx, no content encoding, and JSON where a whole answer was asked for or an event stream where a stream was;
anything else is an error of the `Upstream` branch. Redirects are not followed. An error body is kept up to 64 KiB.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Self

from farthing.config import Service
from farthing.core.call import Call
from farthing.core.clock import Clock
from farthing.core.errors import Upstream, UpstreamBroken, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from farthing.core.request import Dialect
from farthing.models.requests import Address, Requests, key_of
from farthing.models.services import dialects_of
from farthing.models.transport import Dialer, Origin, Pool, RawReply
from farthing.models.transport.dial import Resolve, resolve_system, tls_context

ERROR_BODY_BYTES = 64 * 1024
_EXCERPT_CHARS = 300
_WARM_S = 5.0
_USUAL_WHOLE = frozenset({b"application/json", b"application/json; charset=utf-8"})
_USUAL_STREAM = frozenset({b"text/event-stream", b"text/event-stream; charset=utf-8"})
_ERROR_OBJECT = re.compile(rb'\s*\{\s*"error"\s*:\s*["{]')


class HttpReply:
    """A `core.call.Reply` over a raw one."""

    price_factor: Decimal | None = None
    __slots__ = ("attempts", "content_type", "queue_s", "raw", "service_request_id")

    def __init__(self, raw: RawReply, content_type: str) -> None:
        self.raw = raw
        self.content_type = content_type
        request_id = raw.headers.get(b"x-request-id") or raw.headers.get(b"request-id")
        self.service_request_id = request_id.decode("latin-1") if request_id is not None else None
        self.attempts = 1
        self.queue_s = raw.queue_s

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return self.raw.next()  # the coroutine itself: no second frame for every piece

    async def read(self) -> bytes:
        """The whole body. An error object under status 200 is an error."""
        body = await self.raw.read()
        if _ERROR_OBJECT.match(body):
            raise UpstreamBroken(f"{self.raw.where} answered 200 with an error: {_excerpt(body)}")
        return body

    def close(self) -> None:
        self.raw.close()

    def watch(self, on_end: Callable[[Upstream | None], None]) -> None:
        """Call back when the body has ended, well (`None`) or not."""
        self.raw.watch(on_end)


class HttpBackend:
    """One service from its row."""

    def __init__(self, name: str, service: Service, *, clock: Clock, environ: Mapping[str, str], resolve: Resolve = resolve_system) -> None:
        address = Address(name, service)
        self.name = name
        self.service = service
        self.key = key_of(service, environ)
        self.clock = clock
        self._requests = Requests(service, address, self.key)
        tls: ssl.SSLContext | None = tls_context(service.ca_file) if address.tls else None
        origin = Origin(name, address.host, address.port, tls, service.connect_timeout_s)
        self._pool = Pool(origin, max_connections=service.max_connections, dialer=Dialer(origin, resolve))
        self.where = origin.where

    @property
    def connections(self) -> int:
        """Open or being opened."""
        return self._pool.connections

    def dialects(self) -> frozenset[Dialect]:
        return dialects_of(self.service)

    async def warm(self) -> None:
        await self._pool.warm(asyncio.get_running_loop().time() + _WARM_S)

    def serves(self, service: Service, key: str | None, places: object = None) -> bool:
        """Whether it was made for exactly this row, key, and number of calls at work (`None`: any number)."""
        return service == self.service and key == self.key and places is None

    def drain(self) -> None:
        """Let replies in flight end, keep nothing else open."""
        self._pool.drain()

    async def close(self) -> None:
        await self._pool.close()

    async def send(self, call: Call) -> HttpReply:
        """One try (a stale connection aside). Raises the `Upstream` branch."""
        service = self.service
        if self.key is None and service.api_key_env:
            raise _keyless(self.name, service.api_key_env)
        left_s = call.deadline_s - self.clock.monotonic()
        if left_s <= 0:
            raise UpstreamTimeout(f"{self.where} was not called: the request's deadline had passed.")
        path, headers = self._requests.head(call)
        raw = await self._pool.request(
            b"POST",
            path,
            headers,
            call.body,
            deadline_s=asyncio.get_running_loop().time() + left_s,
            first_byte_timeout_s=service.first_byte_timeout_s,
            idle_timeout_s=service.idle_timeout_s,
            max_answer_bytes=service.max_answer_bytes,
            patient=call.item is not None,
        )
        content_type = raw.headers.get(b"content-type", b"")
        if raw.status != 200 or _encoding(raw) or not _fits(content_type, call.stream):
            raise await self._refusal(raw, content_type.decode("latin-1"), call.stream)
        return HttpReply(raw, content_type.decode("latin-1"))

    async def _refusal(self, raw: RawReply, content_type: str, stream: bool) -> Upstream:
        """Why this reply is no answer. Closes it."""
        if encoding := _encoding(raw):
            raw.close()
            return UpstreamBroken(f"{self.where} encoded its answer as '{encoding[:40]}', which was not asked for.")
        if 300 <= raw.status < 400:
            raw.close()
            return UpstreamBroken(f"{self.where} answered with a redirect ({raw.status}), which is never followed. Mend `base_url` of the service.")
        body = self._without_key(await _error_body(raw))
        if raw.status >= 400:
            return self._refused(raw, body, content_type)
        wanted = "an event stream" if stream else "JSON"
        got = f"status {raw.status} and content type '{content_type[:80]}' where {wanted} was asked for"
        return UpstreamBroken(f"{self.where} answered with {got}: {_excerpt(body)}")

    def _refused(self, raw: RawReply, body: bytes, content_type: str) -> UpstreamRefused:
        error = UpstreamRefused(
            f"{self.where} answered {raw.status}: {_excerpt(body)}",
            status=raw.status,
            body=body,
            content_type=content_type or "application/octet-stream",
            retry_after_s=retry_after_s(raw.headers, self.clock.now()),
        )
        if raw.headers.get(b"x-should-retry") == b"false":
            error.retry = False
        return error

    def _without_key(self, body: bytes) -> bytes:
        """An echoed key must not reach a caller or a log."""
        return body.replace(self.key.encode("latin-1", "replace"), b"[key]") if self.key else body


def retry_after_s(headers: Mapping[bytes, bytes], now: float) -> float | None:
    """Seconds that the service asks us to wait; `None` when it does not say, or not in a way that can be read."""
    millis, plain = headers.get(b"retry-after-ms"), headers.get(b"retry-after")
    seconds = _number(millis)
    if seconds is not None:
        return seconds / 1000
    if plain is None or (seconds := _number(plain)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(plain.decode("latin-1")).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None


def _encoding(raw: RawReply) -> str | None:
    """The content or transfer encoding, if there is one that changes the bytes."""
    content = raw.headers.get(b"content-encoding", b"identity").strip().lower()
    transfer = raw.headers.get(b"transfer-encoding", b"chunked").strip().lower()
    if content in (b"identity", b"") and transfer == b"chunked":
        return None
    return (content if transfer == b"chunked" else transfer).decode("latin-1")


def _fits(content_type: bytes, stream: bool) -> bool:
    if content_type in (_USUAL_STREAM if stream else _USUAL_WHOLE):
        return True
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == b"text/event-stream" if stream else kind == b"application/json" or kind.endswith(b"+json")


async def _error_body(raw: RawReply) -> bytes:
    """As much of it as comes, up to the limit; a fault while reading does not hide the status."""
    body = b""
    try:
        async for piece in raw:
            body += piece
            if len(body) >= ERROR_BODY_BYTES:
                break
    except Upstream:
        pass
    finally:
        raw.close()
    return body[:ERROR_BODY_BYTES]


def _excerpt(body: bytes) -> str:
    text = " ".join(body[: 4 * _EXCERPT_CHARS].decode("utf-8", "replace").split())
    return text[:_EXCERPT_CHARS] or "no body"


def _keyless(name: str, variable: str) -> UpstreamUnreachable:
    error = UpstreamUnreachable(f"Service '{name}' has no key: set {variable} in the gateway's environment, or remove services.{name}.api_key_env.")
    error.retry = False
    return error
