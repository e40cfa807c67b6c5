"""R5: upstream faults stay upstream. Every fault, whole and streaming, on both event loops: a typed outcome in time, and nothing left behind."""

import asyncio
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import uvloop

from farthing.config import Config, Resilience, Service
from farthing.core.call import Call
from farthing.core.clock import SystemClock
from farthing.core.errors import Upstream, UpstreamRefused
from farthing.core.request import Dialect
from farthing.models.hub import Hub
from tests.fakes.figures import figure
from tests.reliability.fault_server import FAULTS, Fault, FaultServer

DEADLINE_S = 1.0  # of a call that hangs: its end is the deadline
LATE_S = 8.0  # a call that goes on until then did not heed its deadline, however busy the machine
ROOM_S = 30.0  # of every other call: the fault ends it, not the clock
AT_ONCE = 6
MODES = {"whole": False, "stream": True}
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass(frozen=True)
class Outcome:
    """What a caller saw of one fault."""

    error: Upstream | None
    body: bytes
    took_s: float
    requests: int
    connections_left: int


@dataclass(frozen=True)
class Run:
    """All faults on one kind of loop."""

    outcomes: dict[tuple[str, str], Outcome]
    sockets_left: int
    tasks_left: int


async def _no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


async def _ask(hub: Hub, stream: bool, deadline_s: float) -> tuple[Upstream | None, bytes]:
    body = b'{"model":"m","stream":true}' if stream else b'{"model":"m"}'
    got = b""
    try:
        reply = await hub.send(Call("s", "m", Dialect.CHAT, body, stream, SystemClock.monotonic() + deadline_s, "req_1"))
        try:
            if stream:
                async for piece in reply:
                    got += piece
            else:
                got = await reply.read()
        finally:
            reply.close()
    except Upstream as error:
        return error, got
    return None, got


async def _suffer(fault: Fault, stream: bool) -> Outcome:
    async with FaultServer(fault) as server:
        service = Service(base_url=server.base_url, ca_file=server.ca_file, **fault.settings)
        config = Config(services={"s": service}, resilience=Resilience(attempts=2))
        hub = Hub(config, clock=SystemClock(), environ={}, sleep=_no_pause, resolve=server.resolve)
        started_s = SystemClock.monotonic()
        deadline_s, latest_s = (DEADLINE_S, LATE_S) if fault.hangs else (2 * ROOM_S, ROOM_S)
        error, body = await asyncio.wait_for(_ask(hub, stream, deadline_s), latest_s)
        took_s = SystemClock.monotonic() - started_s
        await hub.close()
        await asyncio.wait_for(server.quiet(), 5)
        return Outcome(error, body, took_s, server.requests, hub.connections)


async def _suffer_all() -> Run:
    gate, before = asyncio.Semaphore(AT_ONCE), _sockets()

    async def one(fault: Fault, stream: bool) -> Outcome:
        async with gate:
            return await _suffer(fault, stream)

    cases = [(name, mode) for name in FAULTS for mode in MODES]
    outcomes = await asyncio.gather(*(one(FAULTS[name], MODES[mode]) for name, mode in cases))
    tasks_left = len(asyncio.all_tasks()) - 1
    return Run(dict(zip(cases, outcomes, strict=True)), _sockets() - before, tasks_left)


def _sockets() -> int:
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return sum(os.path.exists(link) and stat.S_ISSOCK(os.stat(link).st_mode) for link in links)


@pytest.fixture(scope="module", params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        run = runner.run(_suffer_all())
    yield run
    outcomes = run.outcomes
    typed = sum(_as_promised(FAULTS[name], mode, outcome) for (name, mode), outcome in outcomes.items())
    slowest_s = max(outcome.took_s for outcome in outcomes.values())
    cases = f"{request.param}: {len(FAULTS)} x {len(MODES)}: typed {typed}/{len(outcomes)}"
    figure(
        "R5 upstream faults",
        f"{cases}, slowest {slowest_s:.2f} s at a deadline of {DEADLINE_S} s, left: {run.sockets_left} sockets, {run.tasks_left} tasks",
    )


def _as_promised(fault: Fault, mode: str, outcome: Outcome) -> bool:
    expected = fault.stream if MODES[mode] else fault.whole
    return type(outcome.error) is (expected or type(None))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_type_and_ends(run: Run, name: str, mode: str) -> None:
    fault, outcome = FAULTS[name], run.outcomes[name, mode]
    assert _as_promised(fault, mode, outcome), f"{outcome.error!r}, {outcome.body[:80]!r}"
    assert outcome.connections_left == 0
    if outcome.error is not None:
        assert outcome.error.attempts == (2 if fault.retried else 1)
        assert outcome.error.message.startswith("Service 's'")


def test_no_socket_and_no_task_is_left(run: Run) -> None:
    assert (run.sockets_left, run.tasks_left) == (0, 0)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.status is not None])
def test_a_refusal_carries_the_services_own_words(run: Run, name: str) -> None:
    error = run.outcomes[name, "whole"].error
    assert isinstance(error, UpstreamRefused)
    assert error.status == FAULTS[name].status
    assert 0 < len(error.body) <= 65536


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.stream is None])
def test_bytes_that_are_only_odd_pass_through(run: Run, name: str) -> None:
    assert run.outcomes[name, "whole"].body
    assert run.outcomes[name, "stream"].body.startswith(b"data:")


@pytest.mark.parametrize("name", ["reset_within_body", "close_within_body", "hang_within_body"])
def test_what_came_before_a_fault_is_delivered(run: Run, name: str) -> None:
    assert run.outcomes[name, "stream"].body.startswith(b"data:")


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.ground == "plain"])
def test_a_service_is_asked_as_often_as_promised(run: Run, name: str) -> None:
    assert run.outcomes[name, "stream"].requests == (2 if FAULTS[name].retried else 1)
