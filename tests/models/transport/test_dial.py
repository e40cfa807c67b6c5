"""Names to addresses, addresses to connections."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from farthing.core.errors import ConfigError, UpstreamUnreachable
from farthing.models.transport import Dialer, Origin
from farthing.models.transport.dial import resolve_system, tls_context
from tests.reliability.fault_server import FAULTS, FaultServer

GOOD = FAULTS["interim_responses"]


class Names:
    """A name server that says what it is told to, and counts."""

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        del host, port
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


async def connect(dialer: Dialer) -> str:
    """The address that answered."""
    opened = await dialer.connect(_Remember, asyncio.get_running_loop().time() + 5)
    assert isinstance(opened, _Remember)
    opened.transport.abort()
    return opened.address


class _Remember(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.address = str(transport.get_extra_info("peername")[0])


def test_the_next_address_is_tried_and_the_one_that_worked_comes_first() -> None:
    async def run() -> None:
        async with FaultServer(GOOD) as server:
            names = Names(["::1", "127.0.0.1"])
            dialer = Dialer(Origin("s", "name", server.port), names)
            assert [await connect(dialer) for _ in range(3)] == ["127.0.0.1"] * 3
            assert names.asked == 1

    asyncio.run(run())


def test_an_address_that_hangs_costs_only_its_share() -> None:
    async def run() -> None:
        async with FaultServer(FAULTS["connect_hang"]) as hanging:
            listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.2", hanging.port)
            dialer = Dialer(Origin("s", "name", hanging.port, connect_timeout_s=0.2), Names(["127.0.0.1", "127.0.0.2"]))
            assert await connect(dialer) == "127.0.0.2"
            listener.close()
            await listener.wait_closed()

    asyncio.run(run())


def test_old_addresses_serve_while_the_resolver_fails() -> None:
    async def run() -> None:
        async with FaultServer(GOOD) as server:
            names = Names(["127.0.0.1"], socket.gaierror(socket.EAI_AGAIN, "try again"))
            dialer = Dialer(Origin("s", "name", server.port), names, ttl_s=0)
            assert [await connect(dialer) for _ in range(2)] == ["127.0.0.1"] * 2
            assert names.asked == 2

    asyncio.run(run())


@pytest.mark.parametrize("answer", [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), []])
def test_a_name_without_address_is_unreachable(answer: Sequence[str] | OSError) -> None:
    async def run() -> None:
        with pytest.raises(UpstreamUnreachable, match="cannot be reached"):
            await connect(Dialer(Origin("s", "name", 9), Names(answer)))

    asyncio.run(run())


def test_addresses_need_no_resolver() -> None:
    async def run() -> None:
        async with FaultServer(GOOD) as server:
            names = Names(OSError("never asked"))
            assert await connect(Dialer(Origin("s", "127.0.0.1", server.port), names)) == "127.0.0.1"
            assert names.asked == 0

    asyncio.run(run())


def test_the_systems_resolver_knows_localhost() -> None:
    assert set(asyncio.run(resolve_system("localhost", 80))) & {"127.0.0.1", "::1"}


def test_a_missing_ca_file_is_a_mistake_in_the_config() -> None:
    with pytest.raises(ConfigError, match=r"ca_file '/nonexistent\.pem'"):
        tls_context("/nonexistent.pem")
