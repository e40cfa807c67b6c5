"""One request to a named host: which addresses are asked, and what is taken from them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from farthing.core.clock import SystemClock
from farthing.core.errors import AddressRefused, FarthingError, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from farthing.core.web import WebReply, WebRequest
from farthing.models.fetch import Fetcher, is_public

PRIVATE = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "192.0.0.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::127.0.0.1", "2001:db8::1", "no address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_inside_are_known_whatever_their_notation(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_outside_are_public(address: str) -> None:
    assert is_public(address)


def asked(host: str, port: int = 80, *, private_ok: bool = False, left_s: float = 5.0, max_bytes: int = 1000) -> WebRequest:
    return WebRequest("GET", False, host, port, "/x", b"", (), SystemClock().monotonic() + left_s, max_bytes, private_ok)


def answers(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        return addresses

    return resolve


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254"])
def test_an_address_in_place_of_a_name_is_looked_at(host: str) -> None:
    with pytest.raises(AddressRefused, match="private_hosts"):
        asyncio.run(Fetcher(SystemClock())(asked(host)))


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001", "localhost"])
def test_numbers_that_resolvers_take_for_addresses_lead_nowhere_private(host: str) -> None:
    with pytest.raises((AddressRefused, UpstreamUnreachable)):
        asyncio.run(Fetcher(SystemClock())(asked(host)))


def test_one_private_address_among_public_ones_refuses_them_all(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AddressRefused, match="not a public one") as refused:
        asyncio.run(Fetcher(SystemClock(), answers("1.1.1.1", "10.0.0.7"))(asked("rebind.example")))
    assert "10.0.0.7" not in refused.value.message
    assert "10.0.0.7" in caplog.text


def talk(reply: bytes, use: Callable[[Fetcher, int], Awaitable[WebReply]], *, hang: bool = False) -> tuple[WebReply | FarthingError, list[bytes]]:
    """A loopback server that says `reply` to whatever it hears."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        if hang:
            await reader.read()
        else:
            writer.write(reply)
            await writer.drain()
        writer.close()

    async def main() -> WebReply | FarthingError:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            try:
                return await use(Fetcher(SystemClock(), answers("127.0.0.1")), server.sockets[0].getsockname()[1])
            except FarthingError as error:
                return error

    return asyncio.run(main()), heard


def whole(status: str, body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 " + status.encode() + b"\r\ncontent-length: %d\r\n" % len(body) + lines + b"\r\n" + body


def test_a_name_is_looked_up_once_and_the_socket_goes_to_that_address() -> None:
    looked_up: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        del port
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["1.1.1.1"]

    async def use(_: Fetcher, port: int) -> WebReply:
        return await Fetcher(SystemClock(), resolve)(asked("orders.example", port, private_ok=True))

    reply, heard = talk(whole("200 OK", b'{"a":1}', b"content-type: application/json"), use)
    assert isinstance(reply, WebReply)
    assert (reply.status, reply.body, reply.content_type) == (200, b'{"a":1}', "application/json")
    assert looked_up == ["orders.example"]
    assert b"host: orders.example:" in heard[0]


def test_redirects_are_not_followed() -> None:
    reply, heard = talk(
        whole("302 Found", b"", b"location: http://169.254.169.254/"), lambda fetch, port: fetch(asked("orders.example", port, private_ok=True))
    )
    assert isinstance(reply, UpstreamBroken)
    assert "redirect" in reply.message
    assert len(heard) == 1


def test_too_much_is_not_taken() -> None:
    reply, _ = talk(whole("200 OK", b"x" * 5000), lambda fetch, port: fetch(asked("orders.example", port, private_ok=True)))
    assert isinstance(reply, UpstreamBroken)
    assert "max_kb" in reply.message


def test_packed_answers_are_not_unpacked() -> None:
    reply, _ = talk(whole("200 OK", b"x", b"content-encoding: gzip"), lambda fetch, port: fetch(asked("orders.example", port, private_ok=True)))
    assert isinstance(reply, UpstreamBroken)


def test_a_silent_host_costs_its_time_and_no_more() -> None:
    reply, _ = talk(b"", lambda fetch, port: fetch(asked("orders.example", port, private_ok=True, left_s=0.05)), hang=True)
    assert isinstance(reply, UpstreamTimeout)
