"""A pool and a scripted service, both on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from farthing.models.transport import Dialer, Origin, Pool, RawReply
from tests.reliability.fault_scripts import Script, Talk
from tests.reliability.fault_server import Fault, FaultServer

DEADLINE_S = 5.0


async def post(
    pool: Pool, body: bytes, *, deadline_s: float = DEADLINE_S, first_byte_timeout_s: float = 5.0, idle_timeout_s: float = 5.0, patient: float = False
) -> RawReply:
    """One request with a deadline from now."""
    return await pool.request(
        b"POST",
        b"/v1/chat/completions",
        b"host: localhost\r\n",
        body,
        deadline_s=asyncio.get_running_loop().time() + deadline_s,
        first_byte_timeout_s=first_byte_timeout_s,
        idle_timeout_s=idle_timeout_s,
        max_answer_bytes=1 << 26,
        patient=bool(patient),
    )


@dataclass(frozen=True)
class Rig:
    """What a test of the pool holds."""

    pool: Pool
    server: FaultServer

    async def ask(self, body: bytes = b"{}", **options: float) -> RawReply:
        return await post(self.pool, body, **options)

    async def get(self, body: bytes = b"{}", **options: float) -> bytes:
        return await (await self.ask(body, **options)).read()


@contextlib.asynccontextmanager
async def serving(script: Script, *, max_connections: int = 8) -> AsyncIterator[Rig]:
    """A rig; afterwards every connection must be gone."""
    async with FaultServer(Fault(None, None, script)) as server:
        origin = Origin("s", "127.0.0.1", server.port)
        pool = Pool(origin, max_connections=max_connections, dialer=Dialer(origin, server.resolve))
        try:
            yield Rig(pool, server)
        finally:
            await pool.close()
            await asyncio.wait_for(server.quiet(), 5)
        assert pool.connections == 0


class Gate:
    """Requests wait here until let through."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._permits = asyncio.Semaphore(0)
        self.arrived = 0
        self._arrival = asyncio.Condition()

    async def __call__(self, talk: Talk) -> None:
        async with self._arrival:
            self.arrived += 1
            self._arrival.notify_all()
        await self._permits.acquire()
        await self._script(talk)

    def open(self, times: int = 1) -> None:
        for _ in range(times):
            self._permits.release()

    async def wait_for(self, arrived: int) -> None:
        async with self._arrival:
            await self._arrival.wait_for(lambda: self.arrived >= arrived)


async def settle(rounds: int = 50) -> None:
    """Let everything that can happen without time passing happen."""
    for _ in range(rounds):
        await asyncio.sleep(0)
