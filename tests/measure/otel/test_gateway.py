"""The whole gateway tells a receiver: by the time it has stopped, everything has been sent."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import chat, get, post
from tests.fakes.otlp import FakeReceiver, attributes
from tests.fakes.upstream import FakeUpstream
from tests.measure.otel.samples import SPAN, TRACE, TRACEPARENT

SERVER = 2


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with FakeReceiver() as running:
        yield running


def told(receiver: FakeReceiver) -> str:
    return f'[telemetry]\nendpoint = "{receiver.base_url}"\nservice_name = "under-test"\n'


async def _ask(port: int, count: int) -> None:
    for number in range(count):
        answer = await post(port, "/v1/chat/completions", chat(f"words:4 number {number // 2}", temperature=0), {"traceparent": TRACEPARENT})
        assert answer.status == 200


def test_a_drain_sends_all_of_it(receiver: FakeReceiver, upstream: FakeUpstream) -> None:
    with Gateway(upstream_config(upstream.base_url, told(receiver)), env=UPSTREAM_ENV, workers=2) as gateway:
        asyncio.run(_ask(gateway.port, 20))
        assert gateway.stop() == 0
        rows = {row["request_id"]: row for row in gateway.rows()}
    requests = [span for span in receiver.spans() if span.kind == SERVER]
    assert {attributes(span.attributes)["farthing.request.id"] for span in requests} == rows.keys()
    assert len(receiver.spans()) == 20 + sum(row["num_llm_calls"] for row in rows.values())
    assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in requests} == {(TRACE, SPAN)}
    for span in requests:
        row, found = rows[attributes(span.attributes)["farthing.request.id"]], attributes(span.attributes)
        assert found["farthing.cache"] == row["cache"]
        assert found["farthing.cost_usd"] == row["cost_picousd"] / 1e12
        assert (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6 == pytest.approx(row["latency_total_ms"], abs=0.01)
    assert receiver.resource()["service.name"] == "under-test"


def test_calls_lie_within_their_request(receiver: FakeReceiver, upstream: FakeUpstream) -> None:
    with Gateway(upstream_config(upstream.base_url, told(receiver)), env=UPSTREAM_ENV) as gateway:
        asyncio.run(_ask(gateway.port, 4))
        gateway.stop()
    spans = {span.span_id: span for span in receiver.spans()}
    calls = [span for span in spans.values() if span.kind != SERVER]
    assert calls
    for call in calls:
        request = spans[call.parent_span_id]
        assert request.start_time_unix_nano <= call.start_time_unix_nano
        assert call.end_time_unix_nano <= request.end_time_unix_nano + 1_000_000


def test_without_a_receiver_the_gateway_serves_and_counts_what_it_dropped(upstream: FakeUpstream) -> None:
    lost = '[telemetry]\nendpoint = "http://127.0.0.1:9"\nmetrics_interval_s = 0.05\n'
    with Gateway(upstream_config(upstream.base_url, lost), env=UPSTREAM_ENV) as gateway:
        asyncio.run(_ask(gateway.port, 10))
        assert b"farthing_telemetry_dropped_total" in asyncio.run(get(gateway.port, "/metrics")).body
        assert gateway.stop() == 0
        assert len(gateway.rows()) == 10


def test_a_receiver_that_is_no_address_stops_the_start(upstream: FakeUpstream) -> None:
    gateway = Gateway(upstream_config(upstream.base_url, '[telemetry]\nendpoint = "collector:4317"\n'), env=UPSTREAM_ENV)
    with pytest.raises(RuntimeError, match=r"telemetry\.endpoint"), gateway:
        pass
