"""Works the queue off: reads files, starts items while there is room, decides what becomes of those that fail, ends batches.

One worker of a gateway does that. Other gateways on the same store may do the same beside it; the store sees to it that each item is one's at a time.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress

from farthing.brain.batch.base import Served, next_step
from farthing.brain.batch.ending import end_if_through
from farthing.brain.batch.pace import Pace, time_of_work
from farthing.brain.batch.ports import Jobs, Serve
from farthing.brain.batch.reading import read_batch
from farthing.brain.batch.turns import Turns
from farthing.config import Config
from farthing.core.batch import Answered, Batch, Leased
from farthing.core.clock import Clock
from farthing.core.errors import FarthingError, StoreUnavailable, UpstreamBusy, UpstreamRefused, UpstreamResting, UpstreamTimeout
from farthing.wire.batch_lines import response_of

log = logging.getLogger("farthing.batch")

_LOOK_S = 0.5  # for what other workers queued
_TIDY_S = 600.0
_FULL_STATUS = frozenset({429, 503, 529})


class Runner:
    """`interactive` says how many requests of people are being served now; `going` turns false when the gateway stops; `parked` counts the
    items that wait for a provider's batch: they take no room, but memory."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        serve: Serve,
        config: Callable[[], Config],
        clock: Clock,
        pace: Pace,
        interactive: Callable[[], int],
        going: Callable[[], bool],
        parked: Callable[[], int] = lambda: 0,
        on_round: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_round = on_round
        self._jobs, self._serve, self._config, self._clock = jobs, serve, config, clock
        self._interactive, self._going, self._parked = interactive, going, parked
        self.pace = pace
        self._turns = Turns()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._services: dict[str, str] = {}  # where a batch's items went last
        self._wake = asyncio.Event()
        self._tidied_s = float("-inf")
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run())

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    @property
    def running(self) -> int:
        return len(self._running)

    async def close(self, within_s: float) -> None:
        """Start nothing more; what runs may end within so many seconds, then it goes back to the queue."""
        for task in (self._loop, *self._reading.values()):
            if task is not None:
                task.cancel()
        tasks = list(self._running.values())
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._reading.values(), return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._config().batch.enabled and self._going():
                try:
                    await self._round()
                except StoreUnavailable as error:
                    log.warning("the queue waits: %s", error.message)
                except Exception:  # the wall of the queue: a fault costs a round, never the queue until the next start
                    log.exception("the queue lost a round")
            self._on_round()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()

    async def _round(self) -> None:
        now, keep_s = self._clock.now(), self._config().batch.keep_s
        await self._jobs.tend(now)
        batches = self._jobs.open_batches()
        for batch in batches:
            if batch.status == "validating" and batch.id not in self._reading and await self._jobs.claim(batch.id):
                self._reading[batch.id] = asyncio.create_task(self._read(batch))
            elif batch.status in ("finalizing", "cancelling"):
                await end_if_through(batch, self._jobs, now=now, keep_s=keep_s)
        await self._fill([batch for batch in batches if batch.status == "in_progress" and (batch.resumes_at or 0.0) <= now])
        if self._clock.monotonic() - self._tidied_s >= _TIDY_S:
            self._tidied_s = self._clock.monotonic()
            await self._jobs.tidy(now, keep_s=keep_s)

    async def _read(self, batch: Batch) -> None:
        try:
            await read_batch(batch, self._jobs, self._config(), self._clock.now())
        except StoreUnavailable as error:
            log.warning("batch %s is not read yet: %s", batch.id, error.message)
        finally:
            del self._reading[batch.id]
            self._wake.set()

    async def _fill(self, batches: list[Batch]) -> None:
        """Start what there is room for, batch by batch in turn."""
        for batch in self._turns.order(batches):
            parked = self._parked()
            room = self.pace.room(self._services.get(batch.id), len(self._running) - parked, self._interactive())
            room = min(room, self._config().batch.provider_items - parked)
            if room <= 0:
                continue
            leased = await self._jobs.lease(batch, room)
            if leased:
                self._turns.served(batch)
            for one in leased:
                self._begin(one)

    def _begin(self, leased: Leased) -> None:
        self._running[leased.item] = asyncio.create_task(self._item(leased))
        self.pace.background = len(self._running) - self._parked()

    async def _item(self, leased: Leased) -> None:
        try:
            served = await self._serve(leased)
            self._learn(leased, served)
            await self._follow(leased, served)
        except asyncio.CancelledError:
            with suppress(StoreUnavailable):
                await self._jobs.put_back(leased, not_before=None, attempts=leased.attempts)
            raise
        except StoreUnavailable as error:
            # It stays this worker's until the store can be written: a spooled answer may be on its way.
            log.warning("item %d of %s waits for the store: %s", leased.item, leased.batch.id, error.message)
            await self._put_back_in_time(leased)
        finally:
            del self._running[leased.item]
            self.pace.background = len(self._running) - self._parked()
            self._wake.set()

    async def _put_back_in_time(self, leased: Leased) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            with suppress(StoreUnavailable):
                await self._jobs.put_back(leased, not_before=None, attempts=leased.attempts)
                return

    async def _follow(self, leased: Leased, served: Served) -> None:
        """Do what the outcome asks for."""
        step = next_step(served, leased.attempts, self._config().batch.attempts, random.random())
        now = self._clock.now()
        if step.do == "done":
            return
        error = served.error
        assert error is not None
        if step.do == "fail":
            log.debug("item %s of batch %s failed: %s", leased.custom_id, leased.batch.id, error.message)
            response = response_of(error.status, served.request_id, served.body)
            await self._jobs.answered(Answered(leased.item, leased.epoch, served.request_id, response, ok=False))
        elif step.do == "pause":
            log.info("batch %s waits %.0f s: %s", leased.batch.id, step.wait_s, error.message)
            await self._jobs.pause(leased.batch.id, now + step.wait_s)
            await self._jobs.put_back(leased, not_before=None, attempts=leased.attempts)
        elif step.do == "later":
            await self._jobs.put_back(leased, not_before=now + step.wait_s, attempts=leased.attempts + 1)
        else:
            await self._jobs.put_back(leased, not_before=now + step.wait_s, attempts=leased.attempts)

    def _learn(self, leased: Leased, served: Served) -> None:
        if served.service is None:
            return
        self._services[leased.batch.id] = served.service
        work_s = None if served.latency_s is None or served.error is not None else time_of_work(served.latency_s, served.output_tokens)
        self.pace.background_ended(served.service, work_s, overloaded=_overloaded(served.error))


def _overloaded(error: FarthingError | None) -> bool:
    if isinstance(error, UpstreamRefused):
        return error.status in _FULL_STATUS
    return isinstance(error, UpstreamBusy | UpstreamTimeout | UpstreamResting)
