"""Counts every settled exchange, and shows the sums of all workers to Prometheus.

Guarantees: after a request is settled, the counters equal the ledger's sums, to the picodollar, whichever worker is asked. Labels
come from the configuration, never from a caller (`names.py`).
Costs: 5 us a settled request (bench/metrics.py); a scrape 3 ms for 100 rows. Own registry for each app; several can live in one process.
Off: nothing reads it; leave `/metrics` alone.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

from farthing.config import Config
from farthing.core.account import Account, Saver
from farthing.core.engine import Crowd, Gpu, Load
from farthing.core.errors import FarthingError
from farthing.core.exchange import Exchange
from farthing.core.ledger import LedgerRow
from farthing.core.request import Dialect
from farthing.measure import names
from farthing.measure.board import Board
from farthing.measure.exposition import CONTENT_TYPE, render
from farthing.measure.names import NONE, OTHER, Metric

_WHOLE_TIME, _FIRST_TIME, _OWN_TIME = names.WHOLE_TIME, names.FIRST_TIME, names.OWN_TIME
MEMO_ROWS = 4096  # sets of labels as requests bring them; callers can vary some, so the memo is bounded
_DEFAULT_ENDPOINT = "default"

Start = Callable[[Metric, tuple[str, ...]], int]


class _Bound:
    """The cells that requests of one kind count on."""

    __slots__ = (
        "account",
        "baseline",
        "cache",
        "cache_write",
        "cached",
        "cost",
        "error",
        "first_token",
        "input",
        "latency",
        "model_time",
        "output",
        "overhead",
        "reasoning",
        "requests",
        "unaccounted",
        "unpriced",
    )

    def __init__(self, start: Start, account: "_Account", row: LedgerRow, endpoint: str, model: str) -> None:
        tier = row.model_tier or NONE
        self.requests = start(names.REQUESTS, (endpoint, row.dialect, tier, model, row.outcome, str(row.status)))
        self.cost = start(names.COST, (endpoint, tier, model))
        self.baseline = start(names.BASELINE, (endpoint,))
        self.account = account
        self.unaccounted = start(names.UNACCOUNTED, (endpoint,))
        self.unpriced = start(names.UNPRICED, (model,))
        self.error = start(names.ERRORS, (endpoint, row.error_code)) if row.error_code else None
        self.cache = start(names.CACHE, (row.cache,))
        self.input = start(names.TOKENS, (tier, model, "input"))
        self.output = start(names.TOKENS, (tier, model, "output"))
        self.cached = start(names.TOKENS, (tier, model, "cached"))
        self.cache_write = start(names.TOKENS, (tier, model, "cache_write"))
        self.reasoning = start(names.TOKENS, (tier, model, "reasoning"))
        self.latency = start(names.LATENCY, (tier, "yes" if row.stream else "no"))
        self.model_time = start(names.MODEL_TIME, (model,))
        self.first_token = start(names.FIRST_TOKEN, (model,))
        self.overhead = start(names.OVERHEAD, (row.cache,))


class _Account:
    """The cells that savings at one endpoint count on; a lever gets its own when it first saves, or first loses."""

    def __init__(self, start: Start, endpoint: str) -> None:
        self._start = start
        self._endpoint = endpoint
        self._saved: dict[Saver, int] = {}
        self._lost: dict[Saver, int] = {}
        self._extra: dict[str, int] = {}

    def count(self, cells: memoryview, account: Account) -> None:
        """Counters only grow, so gains and losses are counted apart."""
        for lever, amount in account.saved.items():
            if amount > 0:
                cells[self._saved.get(lever) or self._bind(names.SAVED, self._saved, lever)] += amount
            elif amount:
                cells[self._lost.get(lever) or self._bind(names.LOST, self._lost, lever)] -= amount
        for purpose, amount in account.extra.items():
            cells[self._extra.get(purpose) or self._bind_extra(purpose)] += amount

    def _bind(self, metric: Metric, known: dict[Saver, int], lever: Saver) -> int:
        cell = known[lever] = self._start(metric, (self._endpoint, lever))
        return cell

    def _bind_extra(self, purpose: str) -> int:
        cell = self._extra[purpose] = self._start(names.EXTRA, (purpose,))
        return cell


class Metrics:
    """A listener of the brain. One for each worker, all on one board."""

    def __init__(self, config: Config, board: Board | None = None, worker: int = 0) -> None:
        self._board = board or Board()
        self._seat = self._board.seat(worker)
        self._cells = self._seat.cells
        self._bound: dict[tuple[object, ...], _Bound] = {}
        self._accounts: dict[str, _Account] = {}
        self._calls: dict[tuple[str, str, str | None], int] = {}
        self._cells[self._seat.start(names.WORKERS, ())] += 1
        self._in_flight = self._seat.start(names.IN_FLIGHT, ())
        self._commits = self._seat.start(names.COMMITS, ())
        self._rows = self._seat.start(names.ROWS, ())
        self._queue = self._seat.start(names.QUEUE, ())
        self._dropped = {signal: self._seat.start(names.DROPPED, (signal,)) for signal in names.SIGNALS}
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Take endpoints, models and services from another configuration."""
        self._endpoints = known_endpoints(config)
        self._services = frozenset(config.services)
        self._models = known_models(config)
        self._bound.clear()
        self._calls.clear()

    def settled(self, exchange: Exchange, row: LedgerRow) -> None:
        """Count one request."""
        key = (row.endpoint, row.dialect, row.stream, row.model_tier, row.model_name, row.outcome, row.status, row.cache, row.error_code)
        bound = self._bound.get(key) or self._bind(key, row)
        cells = self._cells
        cells[bound.requests] += 1
        cells[bound.cache] += 1
        if row.cost_picousd is not None:
            cells[bound.cost] += row.cost_picousd
        elif row.num_llm_calls:
            cells[bound.unpriced] += 1
        if row.baseline_cost_picousd is not None:
            cells[bound.baseline] += row.baseline_cost_picousd
        if exchange.account is not None:
            bound.account.count(cells, exchange.account)
        elif row.tokens_in is not None or (row.num_llm_calls and row.cost_picousd != 0):
            cells[bound.unaccounted] += 1
        if bound.error is not None:
            cells[bound.error] += 1
        if row.tokens_in:
            cells[bound.input] += row.tokens_in
        if row.tokens_out:
            cells[bound.output] += row.tokens_out
        if row.tokens_cached:
            cells[bound.cached] += row.tokens_cached
        if row.tokens_cache_write:
            cells[bound.cache_write] += row.tokens_cache_write
        if row.tokens_reasoning:
            cells[bound.reasoning] += row.tokens_reasoning
        _observe(cells, _WHOLE_TIME, bound.latency, row.latency_total_ms)
        if row.latency_model_ms is not None:
            _observe(cells, _WHOLE_TIME, bound.model_time, row.latency_model_ms)
        if row.first_token_ms is not None:
            _observe(cells, _FIRST_TIME, bound.first_token, row.first_token_ms)
        if row.overhead_ms is not None:
            _observe(cells, _OWN_TIME, bound.overhead, row.overhead_ms)
        for attempt in exchange.attempts:
            call = (attempt.target.service, attempt.purpose, attempt.error_code)
            cells[self._calls.get(call) or self._bind_call(call)] += 1

    def judged(
        self,
        *,
        endpoint: str,
        tier: str | None,
        cache: str,
        source: str,
        score: float | None,
        reference_score: float | None = None,
        cost_picousd: int | None = None,
        lever: Saver | None = None,
    ) -> None:
        """One verdict on an answer. `source` is who gave it: feedback, judge, shadow, eval."""
        cells, start = self._cells, self._seat.start
        labels = (self._endpoint(endpoint), tier or NONE, cache, source)
        if score is not None:
            cells[start(names.JUDGED, labels)] += 1
            cells[start(names.SCORE, labels)] += round(score * names.MICROS)
            if reference_score is not None:
                cells[start(names.COMPARED, labels)] += 1
                cells[start(names.COMPARED_SCORE, labels)] += round(score * names.MICROS)
                cells[start(names.REFERENCE_SCORE, labels)] += round(reference_score * names.MICROS)
        if cost_picousd:
            cells[start(names.JUDGEMENT_COST, (lever or NONE,))] += cost_picousd

    def unjudged(self, reason: str) -> None:
        """An answer that was drawn to be judged got no verdict."""
        self._cells[self._seat.start(names.UNJUDGED, (reason,))] += 1

    def guarded(self, endpoint: str, lever: str, *, lowered: bool) -> None:
        """The quality guard turned a lever down at an endpoint in this worker, or back up."""
        labels = (self._endpoint(endpoint), lever)
        self._cells[self._seat.start(names.LOWERED, labels)] = int(lowered)
        self._cells[self._seat.start(names.GUARD, (*labels, "lowered" if lowered else "restored"))] += 1

    def dropped(self, signal: str, count: int) -> None:
        """Spans or exports of metrics that OpenTelemetry's receiver did not take. Called by the one thread that sends them."""
        self._cells[self._dropped[signal]] += count

    def refused(self, dialect: Dialect, error: FarthingError) -> None:
        """A request that ended without a ledger row."""
        self._cells[self._seat.start(names.REFUSED, (dialect.value, error.code))] += 1

    def in_flight(self, count: int) -> None:
        """How many requests this worker serves now."""
        self._cells[self._in_flight] = count

    def in_flight_everywhere(self) -> int:
        """How many requests all workers serve now."""
        return self._board.across(self._in_flight)

    def committed(self, operations: int, seconds: float, waiting: int) -> None:
        """One commit of the store, and how many operations wait for the next. Called by the one thread that commits."""
        self._cells[self._queue] = waiting
        self._cells[self._rows] += operations
        _observe(self._cells, _OWN_TIME, self._commits, seconds * 1000)

    def engines(self, loads: Mapping[str, Load | None], gpus: Iterable[Gpu]) -> None:
        """How services and accelerators say they are. Of one that says nothing only that is shown: its other gauges are then zero."""
        for service, load in loads.items():
            said = load or Load()
            self._set(names.ENGINE_UP, (service,), load is not None)
            self._set(names.ENGINE_RUNNING, (service,), said.running)
            self._set(names.ENGINE_WAITING, (service,), said.waiting)
            self._set(names.ENGINE_CACHE, (service,), said.cache_used)
            self._set(names.ENGINE_TOKENS, (service, "input"), said.input_tokens_per_s)
            self._set(names.ENGINE_TOKENS, (service, "output"), said.output_tokens_per_s)
        for gpu in gpus:
            self._set(names.GPU_USED, (gpu.name,), gpu.used)
            self._set(names.GPU_MEMORY, (gpu.name,), gpu.memory_used)

    def rooms(self, crowds: Mapping[str, Crowd]) -> None:
        """Who is at work and who waits at the services that this worker has a waiting room for."""
        for service in self._services & crowds.keys():
            crowd = crowds[service]
            self._set(names.ROOM_RUNNING, (service,), crowd.in_flight)
            self._set(names.ROOM_WAITING, (service,), crowd.waiting)
            self._set(names.ROOM_LIMIT, (service,), crowd.limit)

    def background(self, running: int, waiting: int | None, limits: Mapping[str, float]) -> None:
        """This worker's items, the limit of each service, and (from one worker alone) how many wait in all."""
        self._set(names.BACKGROUND_RUNNING, (), running)
        for service in self._services & limits.keys():
            self._set(names.BACKGROUND_LIMIT, (service,), int(limits[service]))
        if waiting is not None:
            self._set(names.BACKGROUND_WAITING, (), waiting)

    def _set(self, gauge: Metric, labels: tuple[str, ...], value: float | None) -> None:
        self._cells[self._seat.start(gauge, labels)] = round((value or 0.0) * gauge.scale)

    def render(self) -> tuple[bytes, str]:
        """Prometheus' text and its content type, over all workers."""
        return render(self._board.totals()), CONTENT_TYPE

    def _bind(self, key: tuple[object, ...], row: LedgerRow) -> _Bound:
        if len(self._bound) >= MEMO_ROWS:
            self._bound.clear()
        endpoint = self._endpoint(row.endpoint)
        model = NONE if row.model_name is None else row.model_name if row.model_name in self._models else OTHER
        account = self._accounts.setdefault(endpoint, _Account(self._seat.start, endpoint))
        bound = self._bound[key] = _Bound(self._seat.start, account, row, endpoint, model)
        return bound

    def _endpoint(self, name: str) -> str:
        return name if name in self._endpoints else OTHER

    def _bind_call(self, call: tuple[str, str, str | None]) -> int:
        service, purpose, error_code = call
        named = service if service in self._services else OTHER
        cell = self._calls[call] = self._seat.start(names.CALLS, (named, purpose, error_code or "ok"))
        return cell


def _observe(cells: memoryview, buckets: tuple[int, ...], start: int, milliseconds: float) -> None:
    micros = int(milliseconds * 1000)
    cells[start + bisect_left(buckets, micros)] += 1
    cells[start + len(buckets) + 1] += micros


def known_endpoints(config: Config) -> frozenset[str]:
    """Endpoints that may be labels."""
    return frozenset((_DEFAULT_ENDPOINT, *config.endpoints))


def known_models(config: Config) -> frozenset[str]:
    """Models that may be labels."""
    return frozenset(_models_of(config))


def _models_of(config: Config) -> Iterable[str]:
    """Names that the configuration itself gives to models, with and without their service."""
    given = [*config.models, *config.tiers.cheap, *config.tiers.expensive, *([config.tiers.baseline] if config.tiers.baseline else [])]
    given += [pattern for service in config.services.values() for pattern in service.models if not any(char in pattern for char in "*?[")]
    for name in given:
        yield name
        service, _, model = name.partition("/")
        if service in config.services:
            yield model
