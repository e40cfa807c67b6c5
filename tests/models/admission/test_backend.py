"""A service with so many places: no more requests reach it at once, and a place is free again when its answer has ended, well or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from farthing.config import Config, Local, Resilience, Server, Service
from farthing.core.call import Call
from farthing.core.clock import SystemClock
from farthing.core.engine import Crowd
from farthing.core.errors import UpstreamBroken, UpstreamBusy, UpstreamCrowded, UpstreamRefused, UpstreamUnreachable
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.models.admission import Places, places_of
from farthing.models.hub import Hub
from tests.models.transport.rig import Gate, settle
from tests.reliability import fault_scripts as play
from tests.reliability.fault_scripts import ANSWER, Script
from tests.reliability.fault_server import Fault, FaultServer

TARGET = Target("s", "m")


@asynccontextmanager
async def hub_before(script: Script, **row: object) -> AsyncIterator[tuple[Hub, FaultServer]]:
    async with FaultServer(Fault(None, None, script)) as server:
        config = Config(services={"s": Service(base_url=server.base_url, **row)}, resilience=Resilience(attempts=1))
        hub = Hub(config, clock=SystemClock(), environ={})
        yield hub, server
        await hub.close()


def call(*, stream: bool = False, deadline_s: float = 20.0, item: int | None = None) -> Call:
    body = b'{"stream":true}' if stream else b"{}"
    return Call("s", "m", Dialect.CHAT, body, stream, SystemClock.monotonic() + deadline_s, "req_1", item=item)


async def ask(hub: Hub, **options: float) -> tuple[bytes, float]:
    reply = await hub.send(call(stream=bool(options.get("stream")), deadline_s=options.get("deadline_s", 20.0)))
    try:
        return await reply.read(), reply.queue_s
    finally:
        reply.close()


def test_no_more_than_so_many_reach_the_service_and_the_others_come_after() -> None:
    async def run() -> None:
        gate = Gate(play.good)
        async with hub_before(gate, at_once=2) as (hub, server):
            asking = [asyncio.ensure_future(ask(hub)) for _ in range(5)]
            await gate.wait_for(2)
            await settle()
            assert (server.requests, hub.crowds()) == (2, {"s": Crowd(2, 3, 2)})
            assert hub.crowd(TARGET) == 1.5
            gate.open(5)
            answers = await asyncio.gather(*asking)
            assert [body for body, _ in answers] == [ANSWER] * 5
            assert sum(queue_s > 0 for _, queue_s in answers) >= 3
            assert hub.crowds() == {"s": Crowd(0, 0, 2)}

    asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("script", [play.good, play.close_within_body, play.close_before_head, play.refusal(b"503 Service Unavailable")])
def test_a_place_is_given_back_however_a_call_ends(script: Script, stream: bool) -> None:
    async def run() -> None:
        async with hub_before(script, at_once=1) as (hub, _):
            for _ in range(3):
                with suppress(UpstreamBroken, UpstreamRefused, UpstreamUnreachable):
                    await ask(hub, stream=stream)
                assert hub.crowds() == {"s": Crowd(0, 0, 1)}

    asyncio.run(run())


def test_a_caller_that_hangs_up_gives_its_place_to_the_next() -> None:
    async def run() -> None:
        gate = Gate(play.good)
        async with hub_before(gate, at_once=1) as (hub, server):
            running, waiting = asyncio.ensure_future(ask(hub)), asyncio.ensure_future(ask(hub))
            await gate.wait_for(1)
            running.cancel()
            await gate.wait_for(2)
            assert server.requests == 2
            waiting.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
            assert hub.crowds() == {"s": Crowd(0, 0, 1)}
            gate.open(2)

    asyncio.run(run())


def test_a_stream_that_is_left_gives_its_place_back() -> None:
    async def run() -> None:
        async with hub_before(play.hang_within_body, at_once=1) as (hub, _):
            reply = await hub.send(call(stream=True))
            assert hub.crowds()["s"].in_flight == 1
            reply.close()
            assert hub.crowds()["s"].in_flight == 0

    asyncio.run(run())


def test_a_deadline_in_the_line_is_busy_and_no_fault_of_the_service() -> None:
    async def run() -> None:
        async with hub_before(play.hang_within_body, at_once=1) as (hub, _):
            reply = await hub.send(call(stream=True))
            with pytest.raises(UpstreamBusy, match="at_once"):
                await ask(hub, deadline_s=0.05)
            assert hub.healthy(TARGET)
            reply.close()

    asyncio.run(run())


def test_who_waits_here_counts_for_max_waiting() -> None:
    async def run() -> None:
        gate = Gate(play.good)
        async with hub_before(gate, at_once=1, max_waiting=2) as (hub, _):
            asking = [asyncio.ensure_future(ask(hub)) for _ in range(3)]
            await gate.wait_for(1)
            await settle()
            assert not hub.healthy(TARGET)
            with pytest.raises(UpstreamCrowded, match="2 requests waiting or more"):
                await hub.send(call())
            gate.open(3)
            await asyncio.gather(*asking)
            assert hub.healthy(TARGET)

    asyncio.run(run())


def test_a_measured_service_that_answers_503_gets_less() -> None:
    async def run() -> None:
        async with hub_before(play.refusal(b"503 Service Unavailable"), at_once="measured") as (hub, _):
            with pytest.raises(UpstreamRefused):
                await ask(hub)
            assert hub.crowds() == {"s": Crowd(0, 0, 6)}

    asyncio.run(run())


def test_a_reload_keeps_the_room_of_what_did_not_change() -> None:
    async def run() -> None:
        async with FaultServer(Fault(None, None, play.good)) as server:

            def config(**row: object) -> Config:
                return Config(services={"s": Service(base_url=server.base_url, **row)})

            hub = Hub(config(at_once=3), clock=SystemClock(), environ={})
            assert hub.crowds() == {"s": Crowd(0, 0, 3)}
            await ask(hub)
            for row, accepted, crowds in (({"at_once": 3}, 1, {"s": Crowd(0, 0, 3)}), ({"at_once": 2}, 2, {"s": Crowd(0, 0, 2)}), ({}, 3, {})):
                await hub.reload(config(**row))
                await ask(hub)
                assert (server.accepted, hub.crowds()) == (accepted, crowds)
            await hub.close()

    asyncio.run(run())


def test_whose_places_are_counted() -> None:
    engine, hosted, near = {"small": Local(model="x.gguf", port=8081, slots=8)}, Service(base_url="https://x/v1"), Service(local="small")
    assert places_of(hosted, engine, 1) is None
    assert places_of(near, engine, 1) == Places(8, measured=True)
    assert places_of(near, engine, 3) == Places(3, measured=True)
    assert places_of(Service(local="small", at_once="unbounded"), engine, 1) is None
    assert places_of(Service(local="small", at_once=12), engine, 1) == Places(12, measured=False)
    assert places_of(Service(base_url="http://x/v1", at_once="measured"), engine, 1) == Places(None, measured=True)
    config = Config(services={"s": Service(base_url="http://x/v1", local="small")}, local=engine, server=Server(workers=2))
    assert Hub(config, clock=SystemClock(), environ={}).crowds() == {"s": Crowd(0, 0, 4)}
