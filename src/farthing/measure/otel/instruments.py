"""Settled requests as OpenTelemetry metrics. Labels come from the configuration, never from a caller; no content, no tenant.

Money is a float here: exact sums are Prometheus' and the ledger's.
"""

from collections.abc import Callable, Mapping

from opentelemetry.metrics import Histogram, Meter
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource

from farthing.core.exchange import Attempt
from farthing.core.money import PICO
from farthing.measure.names import NONE
from farthing.measure.otel import names
from farthing.measure.otel.names import Instrument
from farthing.measure.otel.settled import Settled
from farthing.measure.otel.spans import Address, Value, first_chunk_s

_USD = float(PICO)


class Instruments:
    """Used by one thread. `data()` is what a receiver wants to hear: sums since the start."""

    def __init__(self, resource: Resource, version: str, *, endpoint: Callable[[str], str], model: Callable[[str], str]) -> None:
        self._reader = InMemoryMetricReader()
        provider = MeterProvider([self._reader], resource, AlwaysOffExemplarFilter(), shutdown_on_exit=False)
        meter = provider.get_meter(names.SCOPE, version)
        self._endpoint = endpoint
        self._model = model
        self.addresses: Mapping[str, Address] = {}
        self._inference = _histogram(meter, names.INFERENCE_DURATION)
        self._operation = _histogram(meter, names.OPERATION_DURATION)
        self._first_chunk = _histogram(meter, names.FIRST_CHUNK)
        self._call_input = _histogram(meter, names.CALL_INPUT)
        self._call_output = _histogram(meter, names.CALL_OUTPUT)
        self._requests = _histogram(meter, names.REQUEST_DURATION)
        used = (names.USED_INPUT, names.USED_OUTPUT, names.USED_CACHE_READ, names.USED_CACHE_WRITE, names.USED_REASONING)
        self._used = [meter.create_counter(one.name, one.unit, one.help) for one in used]
        self._cost = meter.create_counter(names.COST.name, names.COST.unit, names.COST.help)
        self._baseline = meter.create_counter(names.BASELINE.name, names.BASELINE.unit, names.BASELINE.help)
        self._saved = meter.create_up_down_counter(names.SAVED.name, names.SAVED.unit, names.SAVED.help)

    def count(self, settled: Settled) -> None:
        """One request and its calls."""
        row = settled.row
        endpoint, tier = self._endpoint(row.endpoint), row.model_tier or NONE
        where: dict[str, Value] = {names.ENDPOINT: endpoint, names.TIER: tier}
        self._requests.record(row.latency_total_ms / 1000, where | {names.CACHE: row.cache, names.OUTCOME: row.outcome})
        if row.cost_picousd is not None:
            self._cost.add(row.cost_picousd / _USD, where)
        if row.baseline_cost_picousd is not None:
            self._baseline.add(row.baseline_cost_picousd / _USD, {names.ENDPOINT: endpoint})
        if settled.account is not None:
            for lever, amount in settled.account.saved.items():
                self._saved.add(amount / _USD, {names.ENDPOINT: endpoint, names.LEVER: lever})
        for attempt in settled.attempts:
            self._count_call(settled, attempt)

    def data(self) -> MetricsData | None:
        """All sums as they stand."""
        return self._reader.get_metrics_data()

    def _count_call(self, settled: Settled, attempt: Attempt) -> None:
        operation = names.OPERATIONS[settled.row.dialect]
        labels: dict[str, Value] = {
            names.OPERATION: operation,
            names.PROVIDER: names.PROVIDERS.get(attempt.target.service, attempt.target.service),
            names.REQUEST_MODEL: self._model(attempt.target.model),
        }
        if address := self.addresses.get(attempt.target.service):
            labels |= {names.SERVER_ADDRESS: address[0], names.SERVER_PORT: address[1]}
        result = labels | {names.ERROR_TYPE: attempt.error_code} if attempt.error_code else labels
        if operation == names.EMBEDDINGS:
            self._operation.record(attempt.latency_s, result)
            return
        self._inference.record(attempt.latency_s, result)
        if (first_s := first_chunk_s(settled, attempt)) is not None:
            self._first_chunk.record(first_s, labels)
        self._count_tokens(settled, attempt, labels)

    def _count_tokens(self, settled: Settled, attempt: Attempt, labels: dict[str, Value]) -> None:
        usage = attempt.usage
        if usage is None or usage.estimated:  # the conventions want the provider's count or none
            return
        self._call_input.record(usage.input_tokens, labels)
        self._call_output.record(usage.output_tokens, labels)
        kinds = labels | {names.MODALITY: "text" if settled.text_only else "unknown"}
        counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens)
        for counter, tokens in zip(self._used, counts, strict=True):
            if tokens is not None:
                counter.add(tokens, kinds)


def _histogram(meter: Meter, one: Instrument) -> Histogram:
    return meter.create_histogram(one.name, one.unit, one.help, explicit_bucket_boundaries_advisory=one.buckets)
