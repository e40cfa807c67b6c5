"""One worker: what it opens, keeps in step, reloads and closes."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from farthing.assemble.queue import Queue
from farthing.assemble.recall import Recall
from farthing.brain.cache import CacheLever
from farthing.brain.cache.persist import AnswerSync
from farthing.brain.flows import Plans
from farthing.brain.flows import Tools as FlowTools
from farthing.brain.house import House
from farthing.brain.quality import Desk, Watch
from farthing.brain.route import Sessions
from farthing.brain.shortening import recall
from farthing.config import Config
from farthing.core.clock import Clock
from farthing.core.errors import FarthingError
from farthing.dashboard import Gallery
from farthing.edge.gateway import Gateway
from farthing.lab.ingest.thread import LibrarianThread
from farthing.measure import otel
from farthing.measure.board import Board
from farthing.measure.prometheus import Metrics
from farthing.models.engines import EngineWatch
from farthing.models.engines.gpus import open_gpus
from farthing.models.fetch import Fetcher
from farthing.models.hub import Hub
from farthing.models.tokens import TokenCounter
from farthing.stores.sqlite import AnswerStore, Book, Judgements, Keys, SemanticStore
from farthing.stores.sqlite.lengths import recent_lengths
from farthing.stores.sqlite.rollups import RollupKeeper

if TYPE_CHECKING:
    from farthing.brain.retrieve.lever import Retriever
    from farthing.brain.shots import Shots

from farthing.assemble.house import backends, build_house, judging_tools

log = logging.getLogger("farthing")

Load = Callable[[], Config]
_CACHE_SYNC_S = 0.2
_KEEP_ANSWERS_S = 2.0
_JUDGE_S = 5.0  # for answers that are being judged when the gateway stops
_FLUSH_S = 3.0


class Running:
    """One worker: everything it opened, in the order in which it must be closed."""

    def __init__(self, config: Config, load: Load, *, board: Board, worker: int, clock: Clock) -> None:
        self._config = config
        self._load = load
        self._board = board
        self._worker = worker
        self._clock = clock
        self._chores: list[asyncio.Task[None]] = []
        self._drain_until_s: float | None = None
        self.retriever: Retriever | None = None
        self.documents = LibrarianThread(lambda: self.house.config)
        self.shots: Shots | None = None

    async def open(self) -> Gateway:
        """Raises `ConfigError` when the configuration cannot be served."""
        config, clock = self._config, self._clock
        self.metrics = Metrics(config, self._board, self._worker)
        self.telemetry = otel.begin(config, os.environ, worker=self._worker, clock=clock, on_dropped=self.metrics.dropped)
        self.book = await Book.open(config.store, worker=str(self._worker), clock=clock, on_commit=self.metrics.committed)
        self.keys = await Keys.open(config.store, clock=clock)
        self.answers = AnswerStore(self.book)
        self.rollups = RollupKeeper(self.book)
        fetcher = Fetcher(clock)
        first = self._worker == 0  # one worker shows gauges that are no sums
        self.engines = EngineWatch(config, fetcher, clock, gpus=open_gpus() if first else list, on_look=self.metrics.engines if first else None)
        self.gallery = Gallery(self.book.reader(), self.keys.list, self.engines.loads)
        self.tokens = TokenCounter()
        self.tokens.count("", "gpt-4o")  # opens the vocabulary, so that no request waits for it
        self.queue = Queue(self.book, config, clock, fetcher, drives=self._worker == 0)
        self.hub = Hub(config, clock=clock, backends=backends(config, clock), load=self.engines.load, batches=self.queue.desk)
        self.sync = AnswerSync(self.answers, lambda: self.house.cache, lone=config.server.workers == 1)
        self.judgements = Judgements(self.book)
        self.watch = Watch(config, self.judgements, self.metrics)
        self.watch.refresh()
        self.desk = Desk(models=self.hub, tokens=self.tokens, shelf=self.judgements, ear=self.metrics, watch=self.watch, clock=clock)
        self.recall = Recall(self.sync, self.answers, SemanticStore(self.book), self.judgements, self.hub, clock)
        self.recall.build(config)
        self.house = self._build_house(config, self._build_cache(config))
        self.recall.adopt(self.house)
        self.desk.adopt(judging_tools(self.house))
        if any(endpoint.output.learn_limit or endpoint.output.rule or endpoint.output.tasks for endpoint in config.endpoints.values()):
            recall(self.house, recent_lengths(self.book.reader()))
        self.sync.load()
        self.gateway = Gateway(
            house=self.house,
            keys=self.keys,
            metrics=self.metrics,
            clock=clock,
            reload=self._reload_everywhere,
            ready=self._missing,
            judgements=self.judgements,
            dashboard=self.gallery,
            flows=Plans(config.flows),
            flow_tools=FlowTools(fetcher, os.environ),
            memory=self.recall,
            jobs=self.queue.jobs,
            documents=self.documents,
        )
        self.queue.start(self.gateway, lambda: self.house.config)
        self._chores = [asyncio.create_task(chore) for chore in (self._warm(), self._keep_in_step(), self.engines.run())]
        if self.shots is not None:
            self._chores.append(asyncio.create_task(self.shots.warm()))
        if self._worker == 0:
            self.rollups.start()
        return self.gateway

    def _build_cache(self, config: Config) -> CacheLever:
        return CacheLever(config.cache, fresh=self.sync.fresh, reused=self.sync.reused, catch_up=self.recall.catch_up)

    def _build_house(self, config: Config, cache: CacheLever, sessions: Sessions | None = None) -> House:
        if any(one.collection for one in (*config.endpoints.values(), *config.flows.values())):
            from farthing.lab.ingest.opened import check_collections, open_retriever

            check_collections(config)
            self.retriever = self.retriever or open_retriever(config, self.tokens)
            self.retriever.adopt(config.retrieve)
        return build_house(
            config,
            clock=self._clock,
            book=self.book,
            models=self.hub,
            tokens=self.tokens,
            cache=cache,
            sessions=sessions,
            listeners=(self.metrics, self.desk, self.queue, *(() if self.telemetry is None else (self.telemetry,))),
            watch=self.watch,
            meaning=self.recall.meaning,
            retriever=self.retriever,
            shots=self._open_shots(config),
        )

    def _open_shots(self, config: Config) -> "Shots | None":
        """The examples of the endpoints; the embedder is loaded only where there are some."""
        wanted = {name: one.few_shot for name, one in config.endpoints.items() if one.few_shot.examples or one.few_shot.path or one.few_shot.marked}
        if not wanted:
            return None
        from farthing.brain.shots import Shots, read_examples
        from farthing.models.embed import shipped

        examples = {name: read_examples(f"endpoints.{name}.few_shot", few) for name, few in wanted.items()}
        if self.shots is None:
            self.shots = Shots(shipped(), examples)
        self.shots.adopt(examples)
        return self.shots

    async def reload(self) -> None:
        """Swap in a freshly loaded configuration. Raises `ConfigError` and changes nothing when it is bad."""
        config = self._load()
        old = self.house
        cache = old.cache if config.cache == old.config.cache else self._build_cache(config)
        sessions = old.router.sessions if config.route.sticky_s == old.config.route.sticky_s else None
        flows = Plans(config.flows)
        if config.cache != old.config.cache:
            self.recall.build(config)
        house = self._build_house(config, cache, sessions)
        await self.hub.reload(config, backends(config, self._clock))
        self.queue.desk.adopt(config)
        self.metrics.adopt(config)
        self.engines.adopt(config)
        if self.telemetry is not None:
            self.telemetry.adopt(config)
        self.watch.adopt(config)
        self.desk.adopt(judging_tools(house))
        house.stopping = old.stopping
        house.lengths, house.unruled = old.lengths, old.unruled
        house.summaries = old.summaries
        if config.prompt_cache.ttl_s == old.config.prompt_cache.ttl_s:
            house.prefixes = old.prefixes
        self.house = self.gateway.house = house
        self.gateway.flows = flows
        self.recall.adopt(house)
        if (config.server, config.store, config.telemetry) != (old.config.server, old.config.store, old.config.telemetry):
            log.warning("changes under [server], [store] and [telemetry] need a restart; the rest is in force")

    async def _reload_everywhere(self) -> None:
        """Here first, so that a bad configuration is refused; then in the other workers, by way of the parent."""
        await self.reload()
        if self._config.server.workers > 1:
            os.kill(os.getppid(), signal.SIGHUP)

    def on_hangup_signal(self) -> None:
        """SIGHUP."""
        self._chores.append(asyncio.create_task(self.reload_or_say_why()))

    async def reload_or_say_why(self) -> None:
        """A bad configuration is logged and the old one stays."""
        try:
            await self.reload()
        except FarthingError as error:
            log.error("reload refused, the old configuration stays: %s", error.message)
        else:
            log.info("configuration reloaded")

    def on_drain(self) -> None:
        self.house.stopping = True
        self._drain_until_s = self._clock.monotonic() + self._config.server.grace_s
        self.desk.stop_taking()
        log.info("draining: %d requests to finish", self.gateway.in_flight)

    def _missing(self) -> str | None:
        return "the gateway is stopping" if self.house.stopping else self.book.problem

    async def _warm(self) -> None:
        for name, problem in (await self.hub.warm()).items():
            log.warning("service '%s' is not reachable yet: %s", name, problem)

    async def _keep_in_step(self) -> None:
        """See what other workers learned: revoked keys, new answers, levers that were turned down."""
        while True:
            await asyncio.sleep(_CACHE_SYNC_S)
            self.watch.refresh()
            self.recall.catch_up()
            self.metrics.rooms(self.hub.crowds())

    async def close(self) -> None:
        for chore in self._chores:
            chore.cancel()
        await self.queue.close(0.0 if self._drain_until_s is None else max(0.0, self._drain_until_s - self._clock.monotonic()))
        await self.sync.keep_rest(_KEEP_ANSWERS_S)
        await self.recall.close(_JUDGE_S)
        await self.desk.close(min(_JUDGE_S, _JUDGE_S if self._drain_until_s is None else max(0.0, self._drain_until_s - self._clock.monotonic())))
        await self.hub.close()
        await self.keys.close()
        await self.rollups.close()
        self.gallery.close()
        self.documents.close()
        if self.retriever is not None:
            self.retriever.close()
        await self.book.close()
        if self.telemetry is not None:
            left_s = _FLUSH_S if self._drain_until_s is None else self._drain_until_s - self._clock.monotonic()
            await asyncio.to_thread(self.telemetry.close, min(_FLUSH_S, left_s))
