"""Requests to a provider's batch routes, beside those that its models are called by."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec

from farthing.config import Service
from farthing.core.clock import Clock
from farthing.core.errors import UpstreamBroken, UpstreamRefused
from farthing.core.web import WebReply, WebRequest
from farthing.models.requests import ANTHROPIC_VERSION, Address, auth_lines, key_of

_TIMEOUT_S = 300.0
_MOST_BYTES = 268_435_456

_Shape = TypeVar("_Shape")
Fetch = Callable[[WebRequest], Awaitable[WebReply]]


class Door:
    """To one row of `[services]`."""

    def __init__(self, name: str, service: Service, *, fetch: Fetch, clock: Clock, environ: Mapping[str, str]) -> None:
        self._name, self._fetch, self._clock = name, fetch, clock
        self._address = Address(name, service)
        version = [ANTHROPIC_VERSION] if service.dialect == "anthropic" else []
        self._head = (*auth_lines(service, key_of(service, environ)), *version)
        self._query = f"?{service.query.lstrip('?')}" if service.query else ""

    async def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        """The answer's body. Raises the `Upstream` branch."""
        address = self._address
        join = "&" if "?" in path else "?"
        target = f"{address.path}{path}{self._query.replace('?', join, 1)}"
        headers = (*self._head, ("content-type", kind)) if body else self._head
        asked = WebRequest(
            method, address.tls, address.host, address.port, target, body, headers, self._clock.monotonic() + _TIMEOUT_S, _MOST_BYTES, private_ok=True
        )
        reply = await self._fetch(asked)
        if not 200 <= reply.status < 300:
            text = reply.body[:300].decode("utf-8", "replace")
            message = f"Service '{self._name}' refused {method} {path.partition('?')[0]} with {reply.status}: {text}"
            raise UpstreamRefused(message, status=reply.status, body=reply.body, content_type=reply.content_type)
        return reply.body


def read(body: bytes, shape: type[_Shape]) -> _Shape:
    """Raises `UpstreamBroken`."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UpstreamBroken(f"A provider's word about a batch cannot be read: {error}.") from error
