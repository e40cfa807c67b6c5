"""Opening connections: names to addresses, addresses to sockets, TLS.

Guarantees: addresses are kept for 60 s and longer while the resolver fails; families alternate, the address that last worked comes
first, and each gets its share of the time, so a dead IPv6 route costs half the connect timeout once.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest

import msgspec

from farthing.core.errors import ConfigError, UpstreamTimeout, UpstreamUnreachable

ADDRESS_TTL_S = 60.0

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Origin(msgspec.Struct, frozen=True):
    """Where a service lives. `name` is for messages."""

    name: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_timeout_s: float = 5.0

    @property
    def where(self) -> str:
        return f"Service '{self.name}' ({self.host}:{self.port})"


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Verifies names and certificates, against `ca_file` or the system's authorities."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file '{ca_file}' cannot be used: {error}. Name a PEM file with the authority's certificate.") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


async def resolve_system(host: str, port: int) -> Sequence[str]:
    """The system's resolver; families alternate."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))
    first = [ip for family, ip in addresses if family == addresses[0][0]]
    second = [ip for family, ip in addresses if family != addresses[0][0]]
    return [ip for ip in chain.from_iterable(zip_longest(first, second)) if ip is not None]


class Dialer:
    """Opens connections to one origin."""

    def __init__(self, origin: Origin, resolve: Resolve = resolve_system, *, ttl_s: float = ADDRESS_TTL_S) -> None:
        self._origin = origin
        self._ttl_s = ttl_s
        self._resolve = resolve
        self._addresses: list[str] = []
        self._resolved_at = float("-inf")

    async def connect(self, factory: ProtocolFactory, deadline_s: float) -> asyncio.BaseProtocol:
        """An open connection, TLS done. Raises UpstreamUnreachable, or UpstreamTimeout when the caller's deadline came first."""
        origin, loop = self._origin, asyncio.get_running_loop()
        until = min(deadline_s, loop.time() + origin.connect_timeout_s)
        try:
            async with asyncio.timeout_at(until):
                return await self._try_each(factory, until)
        except TimeoutError:
            if until == deadline_s:
                raise UpstreamTimeout(f"{origin.where} had not accepted a connection when the request's deadline passed.") from None
            message = f"{origin.where} accepted no connection within {origin.connect_timeout_s:g} s (`connect_timeout_s` of the service)."
            raise UpstreamUnreachable(message) from None
        except ssl.SSLCertVerificationError as error:
            message = f"{origin.where} shows a certificate that cannot be trusted: {error.verify_message}. Set `ca_file` of the service."
            raise UpstreamUnreachable(message) from error
        except OSError as error:
            raise UpstreamUnreachable(f"{origin.where} cannot be reached: {error.strerror or error}.") from error

    async def _try_each(self, factory: ProtocolFactory, until: float) -> asyncio.BaseProtocol:
        loop, addresses = asyncio.get_running_loop(), await self._lookup()
        failure = OSError("its name has no address")
        for position, address in enumerate(addresses):
            share_s = (until - loop.time()) / (len(addresses) - position)
            try:
                async with asyncio.timeout(share_s):
                    opened = await self._open(factory, address)
            except ssl.SSLCertVerificationError:
                raise
            except OSError as error:
                failure = error
            else:
                if position:
                    self._addresses = [address, *(other for other in addresses if other != address)]
                return opened
        raise failure

    async def _open(self, factory: ProtocolFactory, address: str) -> asyncio.BaseProtocol:
        origin = self._origin
        server_hostname = origin.host if origin.tls is not None else None
        _, protocol = await asyncio.get_running_loop().create_connection(
            factory, address, origin.port, ssl=origin.tls, server_hostname=server_hostname
        )
        return protocol

    async def _lookup(self) -> list[str]:
        now = asyncio.get_running_loop().time()
        if now - self._resolved_at < self._ttl_s:
            return self._addresses
        try:
            ipaddress.ip_address(self._origin.host)
            found: Sequence[str] = [self._origin.host]
        except ValueError:
            try:
                found = await self._resolve(self._origin.host, self._origin.port)
            except OSError:
                if not self._addresses:
                    raise
                found = self._addresses
        known = self._addresses[:1]
        self._addresses = sorted(found, key=lambda address: address not in known)
        self._resolved_at = now
        return self._addresses
