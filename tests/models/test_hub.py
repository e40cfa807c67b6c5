"""Every service behind one door: plug-ins, health, warming, reload, closing."""

import asyncio
from collections.abc import Mapping

import pytest

from farthing.config import Config, Resilience, Service
from farthing.core.call import Call
from farthing.core.clock import FrozenClock
from farthing.core.engine import Load
from farthing.core.errors import ConfigError, Upstream, UpstreamBroken, UpstreamCrowded, UpstreamResting, UpstreamUnreachable
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.models.base import Backend
from farthing.models.hub import Hub
from tests.models.backend import FakeBackend, unreachable
from tests.models.transport.rig import Gate, settle
from tests.reliability import fault_scripts as play
from tests.reliability.fault_scripts import ANSWER, Script, Talk
from tests.reliability.fault_server import Fault, FaultServer

RECORDED = Service(dialect="recorded", recordings=("x.jsonl",))


def test_a_service_with_too_many_waiting_is_not_asked() -> None:
    loads = {"s": Load(running=4.0, waiting=8.0)}
    service = Service(base_url="http://x/v1", metrics_url="http://x/metrics", max_waiting=8)
    hub = Hub(_config({"s": service}), clock=FrozenClock(), backends={"s": FakeBackend(None)}, environ={}, load=loads.get)
    target = Target("s", "m", "cheap")
    assert hub.crowd(target) == 2.0
    assert not hub.healthy(target)
    with pytest.raises(UpstreamCrowded, match=r"services\.s\.max_waiting") as refused:
        asyncio.run(ask(hub))
    assert refused.value.retry_after_s is not None
    loads["s"] = Load(running=0.0, waiting=7.0)
    assert hub.healthy(target)
    assert hub.crowd(target) == 7.0
    loads.clear()
    assert (hub.healthy(target), hub.crowd(target)) == (True, 0.0)


def serving(script: Script) -> FaultServer:
    return FaultServer(Fault(None, None, script))


def make(
    services: Mapping[str, Service], backends: Mapping[str, Backend] | None = None, environ: Mapping[str, str] | None = None, **resilience: float
) -> Hub:
    return Hub(_config(services, **resilience), clock=FrozenClock(), backends=backends, environ=environ or {})


def _config(services: Mapping[str, Service], **resilience: float) -> Config:
    return Config(services=dict(services), resilience=Resilience(attempts=1, **resilience))


async def ask(hub: Hub, service: str = "s") -> bytes:
    reply = await hub.send(Call(service, "m", Dialect.CHAT, b"{}", False, FrozenClock().monotonic() + 5, "req_1"))
    try:
        return await reply.read()
    finally:
        reply.close()


async def tell_connection(talk: Talk) -> None:
    await talk.reply(b"%d" % talk.connection)


def test_a_plugged_in_backend_serves_its_name() -> None:
    backend = FakeBackend(None)
    hub = make({"s": RECORDED}, {"s": backend})
    assert asyncio.run(ask(hub)) == b"{}"
    assert hub.dialects("s") == {Dialect.CHAT}
    asyncio.run(hub.close())
    assert backend.closed


def test_a_recorded_service_without_backend_is_a_mistake_in_the_config() -> None:
    with pytest.raises(ConfigError, match=r"services\.s is recorded"):
        make({"s": RECORDED})


def test_an_unknown_service_is_unreachable_speaks_nothing_and_is_not_healthy() -> None:
    hub = make({})
    with pytest.raises(UpstreamUnreachable, match="no service 'nope'"):
        asyncio.run(ask(hub, "nope"))
    assert hub.dialects("nope") == frozenset()
    assert not hub.healthy(Target("nope", "m"))


def test_health_is_per_service() -> None:
    hub = make({"s": RECORDED, "t": RECORDED}, {"s": FakeBackend(unreachable()), "t": FakeBackend(None)}, breaker_failures=1)
    with pytest.raises(UpstreamUnreachable):
        asyncio.run(ask(hub))
    with pytest.raises(UpstreamResting):
        asyncio.run(ask(hub))
    assert (hub.healthy(Target("s", "m")), hub.healthy(Target("t", "m"))) == (False, True)


def test_bodies_that_break_open_the_breaker_too() -> None:
    async def run() -> None:
        async with serving(play.close_within_body) as server:
            hub = make({"s": Service(base_url=server.base_url)}, breaker_failures=3)
            for _ in range(3):
                with pytest.raises(UpstreamBroken):
                    await ask(hub)
            assert not hub.healthy(Target("s", "m"))
            await hub.close()

    asyncio.run(run())


def test_warming_connects_ahead_and_reports_who_is_not_there() -> None:
    async def run() -> None:
        async with serving(play.good) as server, FaultServer(Fault(None, None, ground="refused")) as dead:
            services = {"s": Service(base_url=server.base_url), "dead": Service(base_url=dead.base_url), "r": RECORDED}
            hub = make(services, {"r": FakeBackend(None)})
            problems = await hub.warm()
            assert list(problems) == ["dead"]
            assert "cannot be reached" in problems["dead"]
            assert hub.connections == 1
            assert await ask(hub) == ANSWER
            assert server.accepted == 1
            await hub.close()

    asyncio.run(run())


def test_a_reload_keeps_the_connections_of_what_did_not_change() -> None:
    async def run() -> None:
        async with serving(tell_connection) as server:
            same, other = Service(base_url=server.base_url), Service(base_url=server.base_url, max_connections=3)
            hub = make({"s": same})
            assert await ask(hub) == b"1"
            await hub.reload(_config({"s": same, "t": RECORDED}, breaker_failures=2), {"t": FakeBackend(None)})
            assert await ask(hub) == b"1"
            await hub.reload(_config({"s": other}))
            assert await ask(hub) == b"2"
            await settle()
            assert hub.connections == 1
            await hub.close()

    asyncio.run(run())


def test_a_new_key_is_used_after_a_reload() -> None:
    async def run() -> None:
        async with serving(tell_connection) as server:
            service, environ = Service(base_url=server.base_url, api_key_env="K"), {"K": "old"}
            hub = make({"s": service}, environ=environ)
            assert await ask(hub) == b"1"
            environ["K"] = "new"
            await hub.reload(_config({"s": service}))
            assert await ask(hub) == b"2"
            await hub.close()

    asyncio.run(run())


def test_a_call_in_flight_outlives_a_reload_that_removes_its_service() -> None:
    async def run() -> None:
        gate = Gate(play.good)
        async with serving(gate) as server:
            hub = make({"s": Service(base_url=server.base_url)})
            asking = asyncio.ensure_future(ask(hub))
            await gate.wait_for(1)
            await hub.reload(_config({}))
            with pytest.raises(UpstreamUnreachable, match="removed from the configuration"):
                await ask(hub)
            gate.open()
            assert await asking == ANSWER
            await settle()
            assert hub.connections == 0

    asyncio.run(run())


def test_a_reload_closes_plugged_in_backends_that_are_gone_and_no_others() -> None:
    async def run() -> None:
        kept, dropped = FakeBackend(None), FakeBackend(None)
        hub = make({"s": RECORDED, "t": RECORDED}, {"s": kept, "t": dropped})
        await hub.reload(_config({"s": RECORDED}), {"s": kept})
        assert (kept.closed, dropped.closed) == (False, True)

    asyncio.run(run())


def test_a_bad_configuration_changes_nothing() -> None:
    async def run() -> None:
        async with serving(tell_connection) as server:
            hub = make({"s": Service(base_url=server.base_url)})
            assert await ask(hub) == b"1"
            with pytest.raises(ConfigError):
                await hub.reload(_config({"s": Service(base_url=server.base_url), "bad": Service(base_url="nonsense")}))
            assert await ask(hub) == b"1"
            await hub.close()

    asyncio.run(run())


def test_closing_ends_calls_in_flight_on_current_and_retired_services() -> None:
    async def run() -> None:
        async with serving(play.hang_within_body) as old, serving(play.hang_within_body) as new:
            hub = make({"s": Service(base_url=old.base_url)})
            first = asyncio.ensure_future(ask(hub))
            while not old.requests:
                await asyncio.sleep(0)
            await hub.reload(_config({"s": Service(base_url=new.base_url)}))
            second = asyncio.ensure_future(ask(hub))
            while not new.requests:
                await asyncio.sleep(0)
            await hub.close()
            outcomes = await asyncio.gather(first, second, return_exceptions=True)
            assert all(isinstance(outcome, Upstream) and "the gateway closed the connection" in outcome.message for outcome in outcomes)
            assert hub.connections == 0

    asyncio.run(run())
