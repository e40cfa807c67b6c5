"""What a receiver is told: spans, sums, and nothing that nobody asked for."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from farthing.core.clock import FrozenClock
from farthing.core.exchange import Exchange
from farthing.core.ledger import LedgerRow
from farthing.core.usage import Usage
from farthing.measure.otel.telemetry import QUEUE, Telemetry
from tests.fakes.otlp import METRICS, TRACES, FakeReceiver, attributes
from tests.measure.otel.samples import ANSWERED, RECEIVED_AT, SPAN, TRACE, TRACEPARENT, config, exchange, row

NANOS = 1_000_000_000
CLIENT, SERVER, ERROR = 3, 2, 2  # as opentelemetry-proto numbers them


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with FakeReceiver() as running:
        yield running


class Told:
    """A listener under test, and what it dropped."""

    def __init__(self, endpoint: str, environ: dict[str, str] | None = None, **changes: Any) -> None:
        self.dropped: Counter[str] = Counter()
        self.telemetry = Telemetry(config(endpoint, **changes), environ or {}, worker=0, clock=FrozenClock(), on_dropped=self._drop)
        self.telemetry.start()

    def _drop(self, signal: str, count: int) -> None:
        self.dropped[signal] += count


def tell(receiver: FakeReceiver, *settled: tuple[Exchange, LedgerRow], **changes: Any) -> Told:
    """Tell of these and stop, which sends everything."""
    told = Told(receiver.base_url, **changes)
    for x, one in settled:
        told.telemetry.settled(x, one)
    told.telemetry.close(10.0)
    return told


def test_one_request_and_its_calls(receiver: FakeReceiver) -> None:
    told = tell(receiver, (exchange(), row()))
    request, failed, answered = receiver.spans()
    assert [span.name for span in (request, failed, answered)] == ["chat farthing/auto", "chat tiny", "chat small"]
    assert [span.kind for span in (request, failed, answered)] == [SERVER, CLIENT, CLIENT]
    assert failed.parent_span_id == answered.parent_span_id == request.span_id
    assert len({span.trace_id for span in (request, failed, answered)}) == 1
    assert request.parent_span_id == b""
    assert not told.dropped


def test_times_are_those_of_the_exchange(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(), row()))
    spans = receiver.spans()
    began = int(RECEIVED_AT * NANOS)
    assert [(span.start_time_unix_nano - began) / NANOS for span in spans] == [0.0, pytest.approx(0.25), pytest.approx(0.8)]
    assert [(span.end_time_unix_nano - span.start_time_unix_nano) / NANOS for span in spans] == [3.0, 0.5, 2.0]


def test_attributes_of_the_call_that_answered(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(seed=7, n=2), row()))
    assert attributes(receiver.spans()[2].attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 200,
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": pytest.approx(0.7),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "gen_ai.usage.reasoning.output_tokens": 3,
        "server.address": "api.openai.com",
        "server.port": 443,
        "farthing.purpose": "answer",
        "farthing.tier": "cheap",
        "farthing.cost_usd": 0.000021,
    }


def test_a_call_that_failed_says_how(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(), row()))
    failed = receiver.spans()[1]
    found = attributes(failed.attributes)
    assert (failed.status.code, found["error.type"]) == (ERROR, "upstream_timeout")
    assert (found["server.address"], found["server.port"]) == ("10.0.0.7", 8000)
    assert "gen_ai.usage.input_tokens" not in found
    assert "gen_ai.response.finish_reasons" not in found


def test_the_request_has_money_and_decisions_and_no_tokens_of_its_own(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(), row()))
    request = receiver.spans()[0]
    found = attributes(request.attributes)
    assert (found["farthing.cost_usd"], found["farthing.baseline_cost_usd"]) == (0.000021, 0.000099)
    assert (found["farthing.saved_usd.route"], found["farthing.saved_usd.check"]) == (0.00008, -0.000002)
    assert (found["farthing.cache"], found["farthing.tier"], found["farthing.model"], found["farthing.outcome"]) == ("miss", "cheap", "small", "ok")
    assert not [name for name in found if name.startswith("gen_ai.usage")]
    assert [event.name for event in request.events] == ["farthing.decision"] * 2
    assert attributes(request.events[1].attributes) == {
        "farthing.lever": "route",
        "farthing.action": "cheap",
        "farthing.reason": "rule 'short': 31 < 128",
        "farthing.saved_usd": 0.000078,
    }


def test_the_callers_trace_goes_on(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(TRACEPARENT), row()))
    request, failed, _ = receiver.spans()
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, SPAN)
    assert failed.trace_id == request.trace_id


def test_a_caller_that_does_not_sample_is_counted_and_not_traced(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(TRACEPARENT[:-1] + "0"), row()))
    assert receiver.spans() == []
    assert [point.count for _, point in receiver.points("farthing.request.duration")] == [1]


def test_a_share_of_traces(receiver: FakeReceiver) -> None:
    tell(receiver, *[(exchange(), row()) for _ in range(400)], traces=0.25)
    requests = [span for span in receiver.spans() if span.kind == SERVER]
    assert 50 < len(requests) < 150
    assert sum(point.count for _, point in receiver.points("farthing.request.duration")) == 400


def test_sums_equal_what_was_settled(receiver: FakeReceiver) -> None:
    tell(receiver, *[(exchange(), row()) for _ in range(600)])
    calls = {labels["gen_ai.request.model"]: (labels, point) for labels, point in receiver.points("gen_ai.client.inference.duration")}
    labels, point = calls["small"]
    assert (point.count, point.sum) == (600, pytest.approx(1200.0))
    assert labels == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "small",
        "server.address": "api.openai.com", "server.port": 443,
    }  # fmt: skip
    assert calls["tiny"][0]["error.type"] == "upstream_timeout"
    for name, tokens in {"input": 100, "output": 10, "cache_read.input": 64, "reasoning.output": 3}.items():
        [(labels, point)] = receiver.points(f"gen_ai.client.inference.usage.{name}_tokens")
        assert (point.as_int, labels["gen_ai.token.modality"]) == (600 * tokens, "text")
    saved = {labels["farthing.lever"]: point.as_double for labels, point in receiver.points("farthing.saved")}
    assert saved == {"route": pytest.approx(0.048), "check": pytest.approx(-0.0012)}
    assert [point.as_double for _, point in receiver.points("farthing.cost")] == [pytest.approx(0.0126)]
    [(_, first)] = receiver.points("gen_ai.client.inference.time_to_first_chunk")
    assert first.sum == pytest.approx(600 * 0.7)


def test_embeddings_are_another_operation(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(stream=False), row(dialect="embeddings", stream=False)))
    assert receiver.spans()[2].name == "embeddings small"
    assert "gen_ai.client.inference.duration" not in receiver.metrics()
    assert {labels["gen_ai.operation.name"] for labels, _ in receiver.points("gen_ai.client.operation.duration")} == {"embeddings"}


def test_estimated_tokens_are_no_usage(receiver: FakeReceiver) -> None:
    x = exchange()
    x.attempts = [msgspec.structs.replace(ANSWERED, usage=Usage(90, 12, estimated=True))]
    tell(receiver, (x, row()))
    assert attributes(receiver.spans()[1].attributes)["farthing.usage_estimated"] is True
    assert "gen_ai.client.inference.usage.input_tokens" not in receiver.metrics()


def test_labels_of_metrics_come_from_the_configuration(receiver: FakeReceiver) -> None:
    x = exchange()
    x.attempts = [msgspec.structs.replace(ANSWERED, target=msgspec.structs.replace(ANSWERED.target, model="gpt-made-up"))]
    tell(receiver, (x, row(endpoint="made-up", requested_model="gpt-made-up")))
    assert b"made-up" not in receiver.messages(METRICS)[-1].body
    assert attributes(receiver.spans()[0].attributes)["farthing.endpoint"] == "made-up"


def test_no_content_unless_asked_for(receiver: FakeReceiver) -> None:
    drawn = row(prompt="user: a secret question", answer="a secret answer")
    tell(receiver, (exchange(), drawn))
    assert not [one for one in receiver.requests if b"secret" in one.body]
    receiver.forget()
    tell(receiver, (exchange(), drawn), content=True)
    found = attributes(receiver.spans()[0].attributes)
    assert msgspec.json.decode(found["gen_ai.input.messages"])[0]["parts"][0]["content"] == "user: a secret question"
    assert msgspec.json.decode(found["gen_ai.output.messages"])[0]["role"] == "assistant"


def test_content_of_requests_that_were_not_drawn_stays_here(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(), row()), content=True)
    assert not [one for one in receiver.requests if b"secret" in one.body]


def test_who_sends(receiver: FakeReceiver) -> None:
    tell(receiver, (exchange(), row()), service_name="gateway-eu", environ={"OTLP": "authorization=Bearer x, x-team = a "}, headers_env="OTLP")
    assert receiver.resource()["service.name"] == "gateway-eu"
    assert {(one.header("authorization"), one.header("x-team")) for one in receiver.requests} == {("Bearer x", "a")}


def test_what_does_not_fit_the_protocol_costs_itself_alone(receiver: FakeReceiver) -> None:
    odd = exchange(seed=2**70)
    told = tell(receiver, (odd, row(requested_model="lone \ud800" + "x" * 9000)), (exchange(), row()))
    assert len(receiver.spans()) == 6
    assert not told.dropped
    assert "gen_ai.request.seed" not in attributes(receiver.spans()[2].attributes)
    assert len(receiver.spans()[0].name) < 200


def test_a_receiver_that_refuses_loses_batches_and_says_how_many(receiver: FakeReceiver) -> None:
    receiver.status = 400
    told = tell(receiver, (exchange(), row()), (exchange(), row()))
    assert told.dropped == {"traces": 6, "metrics": 1}


def test_a_receiver_that_refuses_is_spoken_of_once(receiver: FakeReceiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "farthing.telemetry")
    told = Told(receiver.base_url)
    for status in (400, 400, 400, 200):
        receiver.status, before = status, len(receiver.requests)
        told.telemetry.settled(exchange(), row())
        told.telemetry._wake.set()
        receiver.wait(lambda before=before: len(receiver.requests) > before and receiver.requests[-1].finished)
    told.telemetry.close(10.0)
    said = [record.getMessage() for record in caplog.records]
    assert [text for text in said if "does not take traces" in text and "400" in text] == said[:1]
    assert [text for text in said if "takes traces again" in text] == said[1:]


def test_an_absent_receiver_delays_nobody() -> None:
    told = Told("http://127.0.0.1:9")
    for _ in range(10):
        told.telemetry.settled(exchange(), row())
    told.telemetry.close(0.0)
    assert told.dropped["traces"] >= 10
    told.telemetry._thread.join(2.0)
    assert not told.telemetry._thread.is_alive()


def test_a_slow_receiver_costs_what_does_not_fit_the_queue(receiver: FakeReceiver) -> None:
    receiver.hold = threading.Event()
    told = Told(receiver.base_url)
    told.telemetry.settled(exchange(), row())
    told.telemetry._wake.set()
    receiver.wait(lambda: bool(receiver.requests))
    x, one = exchange(), row()
    for _ in range(QUEUE + 500):
        told.telemetry.settled(x, one)
    receiver.hold.set()
    told.telemetry.close(30.0)
    assert told.dropped["traces"] == 500
    assert len(receiver.spans()) == 3 * (QUEUE + 1)


def test_sums_are_sent_while_it_runs(receiver: FakeReceiver) -> None:
    told = Told(receiver.base_url, metrics_interval_s=0.01)
    told.telemetry.settled(exchange(), row())
    told.telemetry._clock.advance(1.0)  # type: ignore[attr-defined]
    receiver.wait(lambda: any(one.path == METRICS for one in receiver.requests))
    receiver.wait(lambda: any(one.path == TRACES for one in receiver.requests))
    told.telemetry.close(10.0)
