"""The listener and its thread. See the room's docstring for what it guarantees."""

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from farthing import __version__
from farthing.config import Config
from farthing.core.clock import Clock
from farthing.core.exchange import Exchange
from farthing.core.ledger import LedgerRow
from farthing.measure.names import OTHER, SIGNALS
from farthing.measure.otel import headers_from
from farthing.measure.otel.instruments import Instruments
from farthing.measure.otel.settled import Settled, seal
from farthing.measure.otel.spans import Address, Tracer
from farthing.measure.prometheus import known_endpoints, known_models

log = logging.getLogger("farthing.telemetry")

QUEUE = 4096  # requests that wait to be sent
_BATCH = 256  # requests in one message
_EXPORT_S = 5.0  # longest wait for the receiver
_GAVE_UP = "due to timeout, max retries or shutdown"
_LAST_TRY_S = 0.5  # at the end, for a receiver that did not take the last message either
_PORTS = {"http": 80, "https": 443}

OnDropped = Callable[[str, int], None]  # signal, how many


class _Reason(logging.Handler):
    """Keeps what the exporters last complained of: they say it at every try, we say it once."""

    last = "unknown"

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().rstrip(".")
        if not message.endswith(_GAVE_UP):  # it follows what the trouble was
            self.last = message


class Telemetry:
    """One for each worker, from `start` to `close`. `settled` is called by the event loop alone."""

    def __init__(self, config: Config, environ: Mapping[str, str], *, worker: int, clock: Clock, on_dropped: OnDropped) -> None:
        wanted = config.telemetry
        base, headers = (wanted.endpoint or "").rstrip("/"), headers_from(wanted, environ)
        resource = Resource.create(
            {
                "service.name": wanted.service_name,
                "service.version": __version__,
                "service.instance.id": f"{socket.gethostname()}-{os.getpid()}-{worker}",
            }
        )
        self._traces = OTLPSpanExporter(f"{base}/v1/traces", headers=headers, timeout=_EXPORT_S)
        self._metrics = OTLPMetricExporter(f"{base}/v1/metrics", headers=headers, timeout=_EXPORT_S)
        self._tracer = Tracer(resource, __version__, share=wanted.traces, content=wanted.content)
        self._instruments = Instruments(resource, __version__, endpoint=self._endpoint, model=self._model)
        self._reason = _hear_exporters()
        self._base = base
        self._failing: dict[str, bool] = dict.fromkeys(map(str, SIGNALS), False)
        self._interval_s = wanted.metrics_interval_s
        self._clock = clock
        self._on_dropped = on_dropped
        self._queue: deque[Settled] = deque()
        self._overflow = 0  # ever; written by the event loop
        self._overflow_told = 0  # of these; written by the thread
        self._in_hand = 0  # requests of the message under way
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="farthing-telemetry", daemon=True)
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Take endpoints, models and services from another configuration."""
        self._endpoints, self._models = known_endpoints(config), known_models(config)
        self._tracer.addresses = self._instruments.addresses = dict(_addresses(config))

    def start(self) -> None:
        self._thread.start()

    def settled(self, exchange: Exchange, row: LedgerRow) -> None:
        """Hand over one request, or drop it when too many wait."""
        if len(self._queue) >= QUEUE:
            self._overflow += 1
            return
        self._queue.append(seal(exchange, row))
        if len(self._queue) == _BATCH:
            self._wake.set()

    def close(self, within_s: float) -> None:
        """Send what waits, for at most so long; the rest is dropped. Call it in a thread of its own."""
        self._stopping = True
        self._wake.set()
        if any(self._failing.values()):
            within_s = min(within_s, _LAST_TRY_S)
        self._thread.join(max(0.0, within_s))
        if self._thread.is_alive():
            if left := len(self._queue) + self._in_hand:
                log.warning("telemetry: the receiver did not take everything in time; %d requests are dropped", left)
                self._on_dropped("traces", left)
            self._traces.shutdown()  # no further try: it wakes a thread that waits for the next one
            self._metrics.shutdown()  # pyright: ignore[reportUnknownMemberType]

    def _endpoint(self, name: str) -> str:
        return name if name in self._endpoints else OTHER

    def _model(self, name: str) -> str:
        return name if name in self._models else OTHER

    def _run(self) -> None:
        due_s = self._clock.monotonic() + self._interval_s
        while not self._stopping:
            self._wake.wait(min(1.0, self._interval_s))
            self._wake.clear()
            self._send_spans()
            if self._clock.monotonic() >= due_s:
                due_s = self._clock.monotonic() + self._interval_s
                self._send_sums()
        self._send_spans()
        self._send_sums()

    def _send_spans(self) -> None:
        """All that waits, a batch at a time."""
        while self._queue:
            self._in_hand = min(_BATCH, len(self._queue))
            batch = [self._queue.popleft() for _ in range(self._in_hand)]
            spans = [span for settled in batch for span in self._told(settled)]
            if spans:
                self._note("traces", self._traces.export(spans) is SpanExportResult.SUCCESS, len(spans))
            self._in_hand = 0
        if overflow := self._overflow - self._overflow_told:
            self._overflow_told += overflow
            log.warning("telemetry: %d requests came faster than the receiver took them, and are dropped", overflow)
            self._on_dropped("traces", overflow)

    def _told(self, settled: Settled) -> list[ReadableSpan]:
        """Its spans. Counted on the way, so that metrics hold what traces may lose."""
        self._instruments.count(settled)
        return self._tracer.spans(settled)

    def _send_sums(self) -> None:
        sums = self._instruments.data()
        if sums is not None:
            self._note("metrics", self._metrics.export(sums) is MetricExportResult.SUCCESS, 1)  # pyright: ignore[reportUnknownMemberType]

    def _note(self, signal: str, taken: bool, count: int) -> None:
        """Count what was not taken; say so when that begins, and when it ends."""
        if not taken:
            self._on_dropped(signal, count)
            if not self._failing[signal]:
                log.warning(
                    "telemetry: %s does not take %s: %s. They are dropped, and counted, until it does.", self._base, signal, self._reason.last
                )
        elif self._failing[signal]:
            log.info("telemetry: %s takes %s again", self._base, signal)
        self._failing[signal] = not taken


def _hear_exporters() -> _Reason:
    heard = _Reason()
    exporters = logging.getLogger("opentelemetry.exporter")
    exporters.handlers[:], exporters.propagate = [heard], False
    return heard


def _addresses(config: Config) -> Iterator[tuple[str, Address]]:
    for name, service in config.services.items():
        url = urlsplit(service.base_url)
        if url.hostname:
            yield name, (url.hostname, url.port or _PORTS.get(url.scheme, 443))
