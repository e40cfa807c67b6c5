"""The queue of one worker, put together: store, pace, runner."""

import os
from collections.abc import Awaitable, Callable

from farthing.brain.batch.base import Served
from farthing.brain.batch.pace import Pace, time_of_work
from farthing.brain.batch.runner import Runner
from farthing.config import Config
from farthing.core.batch import Leased
from farthing.core.clock import Clock
from farthing.core.errors import StoreUnavailable
from farthing.core.exchange import Exchange
from farthing.core.ledger import LedgerRow
from farthing.edge.gateway import Gateway
from farthing.edge.items import serve_item
from farthing.models.batch import BatchDesk
from farthing.models.batch.anthropic import AnthropicBatches
from farthing.models.batch.base import Provider
from farthing.models.batch.door import Door, Fetch
from farthing.models.batch.openai import OpenAIBatches
from farthing.stores.sqlite import Book, JobStore, ParkedStore

_COUNT_S = 5.0
_PROVIDERS = {"openai": OpenAIBatches, "anthropic": AnthropicBatches}


class Queue:
    """Listens to every settled request, so that background work knows how interactive ones fare.

    One worker (`drives`) runs what all of them take in, so that one pace holds for all; what others queued it sees within half a second. The
    interactive calls that it measures are those that came to it, a fair sample; how many are in flight it knows of all workers.
    """

    def __init__(self, book: Book, config: Config, clock: Clock, fetch: Fetch, *, drives: bool) -> None:
        def providers(config: Config) -> dict[str, Provider]:
            doors = {name: Door(name, row, fetch=fetch, clock=clock, environ=os.environ) for name, row in config.services.items() if row.batch}
            return {name: _PROVIDERS[config.services[name].dialect](door) for name, door in doors.items()}

        self.jobs = JobStore(book)
        self.desk = BatchDesk(ParkedStore(book), config, clock, providers, drives=drives)
        self.pace = Pace(most=config.batch.at_once, room=config.batch.room, monotonic=clock.monotonic)
        self._clock, self._drives, self._counted_s = clock, drives, float("-inf")
        self._runner: Runner | None = None

    def settled(self, exchange: Exchange, row: LedgerRow) -> None:
        """Fulfils `brain.ports.Listener`."""
        del row
        if exchange.inbound.lane == "interactive" and exchange.error_code is None and exchange.model_s and exchange.attempts:
            self.pace.interactive_ended(time_of_work(exchange.model_s, exchange.usage.output_tokens if exchange.usage else None))

    def start(self, gateway: Gateway, config: Callable[[], Config]) -> None:
        """Begin to work off what is queued, where that is this worker's to do."""
        if not self._drives:
            return

        def serve(leased: Leased) -> Awaitable[Served]:
            return serve_item(gateway, leased)

        self._runner = Runner(
            jobs=self.jobs,
            serve=serve,
            config=config,
            clock=self._clock,
            pace=self.pace,
            interactive=gateway.metrics.in_flight_everywhere,
            going=lambda: not gateway.house.stopping,
            parked=lambda: self.desk.pending,
            on_round=lambda: self._tell(gateway),
        )
        gateway.wake_runner = self._runner.wake
        self._runner.start()
        self.desk.start()

    def _tell(self, gateway: Gateway) -> None:
        """The gauges; how much waits is looked up now and then only, and by one worker."""
        running = 0 if self._runner is None else self._runner.running
        waiting = None
        if self._clock.monotonic() - self._counted_s >= _COUNT_S:
            self._counted_s = self._clock.monotonic()
            try:
                waiting = self.jobs.depth().queued
            except StoreUnavailable:
                return
        gateway.metrics.background(running, waiting, self.pace.limits())

    async def close(self, within_s: float) -> None:
        """What runs may end within so many seconds; the rest goes back."""
        await self.desk.close()
        if self._runner is not None:
            await self._runner.close(within_s)
