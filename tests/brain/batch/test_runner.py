"""The loop of the queue outlives what goes wrong in one of its rounds."""

import asyncio
import logging
from typing import Any, cast

import pytest

from farthing.brain.batch.base import Served
from farthing.brain.batch.pace import Pace
from farthing.brain.batch.ports import Jobs
from farthing.brain.batch.runner import Runner
from farthing.config import Config
from farthing.core.batch import Leased
from farthing.core.clock import FrozenClock


class FaultyJobs:
    """The first round fails in a way that nobody foresaw; the second is told of."""

    def __init__(self) -> None:
        self.rounds = 0
        self.second = asyncio.Event()

    async def tend(self, now: float) -> None:
        del now
        self.rounds += 1
        if self.rounds == 1:
            raise KeyError("nobody thought of this")
        self.second.set()

    def open_batches(self) -> list[Any]:
        return []

    async def tidy(self, now: float, *, keep_s: float) -> None:
        del now, keep_s


async def _serve(leased: Leased) -> Served:
    raise AssertionError(leased)


def test_a_fault_costs_a_round_and_not_the_queue(caplog: pytest.LogCaptureFixture) -> None:
    async def live() -> int:
        jobs, clock = FaultyJobs(), FrozenClock()
        pace = Pace(most=4, room=0.1, monotonic=clock.monotonic)
        runner = Runner(jobs=cast(Jobs, jobs), serve=_serve, config=Config, clock=clock, pace=pace, interactive=lambda: 0, going=lambda: True)
        runner.start()
        while not jobs.rounds:
            await asyncio.sleep(0)
        runner.wake()
        async with asyncio.timeout(10):
            await jobs.second.wait()
        await runner.close(0)
        return jobs.rounds

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(live()) == 2
    assert "the queue lost a round" in caplog.text
