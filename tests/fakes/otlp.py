"""An OTLP/HTTP receiver on a loopback port that keeps what it was sent, decoded.

    with FakeReceiver() as receiver:
        ... telemetry.endpoint = receiver.base_url
    receiver.spans(), receiver.points("farthing.cost")

`status` is what it answers with; `hold` keeps it from answering until it is set.
"""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fakes.loopback import LoopbackServer, Received, Responder

TRACES, METRICS = "/v1/traces", "/v1/metrics"


class FakeReceiver(LoopbackServer):
    """Takes everything unless told otherwise."""

    def __init__(self) -> None:
        super().__init__(self._handle)
        self.status = 200
        self.hold: threading.Event | None = None

    async def _handle(self, _received: Received, out: Responder) -> None:
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait)
        out.whole(self.status, b"", {"content-type": "application/x-protobuf"})

    def messages(self, path: str) -> list[Received]:
        with self.changed:
            return [received for received in self.requests if received.path == path]

    def spans(self) -> list[Span]:
        """Every span so far, in order."""
        found: list[Span] = []
        for received in self.messages(TRACES):
            for resource in ExportTraceServiceRequest.FromString(received.body).resource_spans:
                found += [span for scope in resource.scope_spans for span in scope.spans]
        return found

    def resource(self) -> dict[str, Any]:
        """Attributes of the sender, as its first spans had them."""
        return attributes(ExportTraceServiceRequest.FromString(self.messages(TRACES)[0].body).resource_spans[0].resource.attributes)

    def metrics(self) -> dict[str, Metric]:
        """The metrics of the last message."""
        message = ExportMetricsServiceRequest.FromString(self.messages(METRICS)[-1].body)
        return {metric.name: metric for resource in message.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics}

    def points(self, name: str) -> Iterator[tuple[dict[str, Any], Any]]:
        """Attributes and point of one metric in the last message."""
        metric = self.metrics()[name]
        held = metric.sum if metric.HasField("sum") else metric.histogram
        return ((attributes(point.attributes), point) for point in held.data_points)


def attributes(pairs: Any) -> dict[str, Any]:
    """Plain values by name."""
    return {pair.key: _plain(pair.value) for pair in list[KeyValue](pairs)}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return [_plain(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, str(kind))
