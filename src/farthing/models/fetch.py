"""One HTTP request to a host that the configuration names, from inside the network: so to no other host, whatever its name leads to.

Guarantees: the name is looked up once, and the socket goes to an address that was checked; one private, local, link-local, multicast or reserved
address among them refuses them all, unless private addresses are allowed for that host; no redirect is followed, nothing is decompressed, no proxy
is asked; time and size are bounded.
Costs: a connection of its own for every request, TLS included.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Sequence

from farthing.core.clock import Clock
from farthing.core.errors import AddressRefused, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from farthing.core.web import WebReply, WebRequest
from farthing.models.transport import Dialer, Origin, Pool, RawReply
from farthing.models.transport.dial import Resolve, resolve_system, tls_context

log = logging.getLogger("farthing.flows")

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_REDIRECTS = range(300, 400)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Fetcher:
    """Fulfils `brain.ports.Fetch`."""

    def __init__(self, clock: Clock, resolve: Resolve = resolve_system, ca_file: str | None = None) -> None:
        self._clock = clock
        self._resolve = resolve
        self._ca_file = ca_file

    async def __call__(self, asked: WebRequest) -> WebReply:
        """Raises `AddressRefused`, or another of the `Upstream` branch."""
        left_s = asked.deadline_s - self._clock.monotonic()
        try:
            async with asyncio.timeout(left_s):
                return await self._fetch(asked, asyncio.get_running_loop().time() + left_s)
        except TimeoutError:
            raise UpstreamTimeout(f"{asked.host}:{asked.port} had not answered in time.") from None

    async def _fetch(self, asked: WebRequest, deadline_s: float) -> WebReply:
        addresses = await self._checked(asked)
        tls = tls_context(self._ca_file) if asked.tls else None

        async def pinned(host: str, port: int) -> Sequence[str]:
            del host, port
            return addresses

        origin = Origin(asked.host, asked.host, asked.port, tls, max(0.001, deadline_s - asyncio.get_running_loop().time()))
        pool = Pool(origin, max_connections=1, dialer=Dialer(origin, pinned))
        try:
            raw = await pool.request(
                asked.method.encode(),
                asked.target.encode("ascii"),
                _head(asked),
                asked.body,
                deadline_s=deadline_s,
                first_byte_timeout_s=3600,
                idle_timeout_s=3600,
                max_answer_bytes=asked.max_bytes,
            )
            return await _read(raw, asked)
        finally:
            await pool.close()

    async def _checked(self, asked: WebRequest) -> list[str]:
        """The addresses of the host, all of them fit to be asked."""
        try:
            found: Sequence[str] = [str(ipaddress.ip_address(asked.host.strip("[]")))]
        except ValueError:
            try:
                found = await self._resolve(asked.host, asked.port)
            except (OSError, UnicodeError) as error:
                raise UpstreamUnreachable(f"The name {asked.host} cannot be resolved.") from error
        if not asked.private_ok and (bad := next((address for address in found if not is_public(address)), None)) is not None:
            # Callers read the error, and need not learn how the network inside is laid out.
            log.warning("%s has the address %s, which is not a public one, and was not asked", asked.host, bad)
            text = f"{asked.host} has an address that is not a public one, and was not asked."
            raise AddressRefused(f"{text} If it is meant, name '{asked.host}:{asked.port}' in `private_hosts` of the flow.")
        return list(found)


def is_public(address: str) -> bool:
    """Whether an address leads out of this network, through whatever notation it is hidden in. What cannot be read does not."""
    try:
        found: Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is None and int(found) >> 32 == 0:
            inner = ipaddress.IPv4Address(int(found))  # ::a.b.c.d, long deprecated and still understood
        if inner is not None:
            return is_public(str(inner))
    inside = found.is_private or found.is_loopback or found.is_link_local or found.is_multicast or found.is_reserved or found.is_unspecified
    return found.is_global and not inside


def _head(asked: WebRequest) -> bytes:
    default = 443 if asked.tls else 80
    host = asked.host if asked.port == default else f"{asked.host}:{asked.port}"
    named = {name for name, _ in asked.headers}
    lines = [("host", host), ("user-agent", "farthing"), ("accept-encoding", "identity")]
    if "accept" not in named:
        lines.append(("accept", "application/json, text/plain;q=0.9"))
    if asked.body and "content-type" not in named:
        lines.append(("content-type", "application/json"))
    return "".join(f"{name}: {value}\r\n" for name, value in (*lines, *asked.headers)).encode("latin-1")


async def _read(raw: RawReply, asked: WebRequest) -> WebReply:
    where = f"{asked.host}:{asked.port}"
    if raw.status in _REDIRECTS:
        raw.close()
        raise UpstreamBroken(f"{where} answered with a redirect ({raw.status}), and none is followed. Put the final address into the step's url.")
    encoding = raw.headers.get(b"content-encoding", b"identity")
    if encoding.lower() != b"identity":
        raw.close()
        raise UpstreamBroken(f"{where} sent a packed answer ({encoding.decode('latin-1')[:40]}), and none was asked for.")
    try:
        body = await raw.read()
    except UpstreamBroken:
        if raw.received <= asked.max_bytes:
            raise
        raise UpstreamBroken(f"{where} sent more than {asked.max_bytes:,} bytes. Ask it for less, or raise `max_kb` of the step.") from None
    return WebReply(raw.status, raw.headers.get(b"content-type", b"").decode("latin-1"), body)
