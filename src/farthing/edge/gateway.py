"""The running gateway as the edge sees it: the house of the day, keys, seats, and the word that it is stopping."""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from farthing.brain.batch.ports import Shelf
from farthing.brain.flows import Plans
from farthing.brain.flows import Tools as FlowTools
from farthing.brain.house import House
from farthing.core.clock import Clock
from farthing.core.errors import FarthingError, StoreUnavailable, Unavailable
from farthing.core.exchange import Exchange
from farthing.core.forgetting import Drop
from farthing.core.judgement import Judgement, Subject
from farthing.core.request import Dialect
from farthing.dashboard import Gallery
from farthing.edge.keys import Authenticator
from farthing.lab.ingest.thread import LibrarianThread
from farthing.measure.prometheus import Metrics

log = logging.getLogger("farthing.edge")


class Judgements(Protocol):
    """Where verdicts on answers are kept. Raises `StoreUnavailable`."""

    def subject(self, request_id: str) -> Subject | None:
        """The settled request of this id."""
        ...

    async def say(self, judgement: Judgement) -> None: ...


class Memory(Protocol):
    """What the cache holds, in every lane. Raises `StoreUnavailable`."""

    async def forget(self, what: Drop) -> int: ...
    async def dispute(self, request_id: str) -> bool: ...
    def meaning_stats(self) -> dict[str, object]: ...


class Gateway:
    """Replaced in place on reload: requests that are under way keep the house they began in."""

    def __init__(
        self,
        *,
        house: House,
        keys: Authenticator,
        metrics: Metrics,
        clock: Clock,
        reload: Callable[[], Awaitable[None]],
        ready: Callable[[], str | None],
        judgements: Judgements | None = None,
        dashboard: Gallery | None = None,
        flows: Plans | None = None,
        flow_tools: FlowTools | None = None,
        memory: Memory | None = None,
        jobs: Shelf | None = None,
        documents: LibrarianThread | None = None,
    ) -> None:
        self.documents = documents
        self.jobs = jobs  # files, batches and their items
        self.wake_runner: Callable[[], None] = _nothing  # there is something new in the queue
        self.memory = memory
        self.house = house
        self.keys = keys
        self.metrics = metrics
        self.clock = clock
        self.reload = reload  # loads the config again; raises ConfigError and changes nothing
        self.ready = ready  # what is missing, or None
        self.judgements = judgements  # where feedback goes
        self.dashboard = dashboard
        self.flows = flows or Plans({})  # of the configuration in force
        self.flow_tools = flow_tools
        self.in_flight = 0

    def take_seat(self) -> None:
        """A place among the requests being served, until `leave_seat`. Raises `Unavailable` when all are taken."""
        most = self.house.config.server.max_in_flight
        if self.in_flight >= most:
            raise Unavailable(f"All {most} places of this worker are taken (`server.max_in_flight`). Try again shortly.", retry_after_s=1.0)
        self.in_flight += 1
        self.metrics.in_flight(self.in_flight)

    def leave_seat(self) -> None:
        self.in_flight -= 1
        self.metrics.in_flight(self.in_flight)

    def tell_refused(self, error: FarthingError, dialect: Dialect, exchange: Exchange | None) -> None:
        """Log a request that ended in an error, once. Settled ones are in the ledger too."""
        where = "" if exchange is None else f" request {exchange.inbound.request_id}"
        level = logging.WARNING if error.status >= 500 else logging.INFO
        log.log(level, "%s%s: %d %s: %s", dialect.value, where, error.status, error.code, error.message)
        if exchange is None or isinstance(error, StoreUnavailable):
            self.metrics.refused(dialect, error)

    def tell_broken(self, exchange: Exchange) -> None:
        """Log a stream that ended in an error after it had begun; its caller read the error as the last event."""
        inbound = exchange.inbound
        log.warning("%s request %s: stream ended in %s: %s", inbound.dialect.value, inbound.request_id, exchange.error_code, exchange.error_message)


def _nothing() -> None: ...
