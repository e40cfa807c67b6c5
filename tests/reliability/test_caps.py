"""Caps of an endpoint, end to end: an absolute limit ends an answer gracefully, and one call too many is a typed error."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, sse_events, upstream_config
from tests.fakes.http_client import Answer, chat, post
from tests.fakes.upstream import FakeUpstream

CAPS = """
[endpoints.calls.caps]
max_calls_per_run = 2

[endpoints.fast.caps]
target_latency_s = 0.05
absolute_latency_s = 0.6

[endpoints.short.caps]
target_tokens = 10
absolute_tokens = 40

[endpoints.thrifty.caps]
max_usd = 0.000001
"""


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url, CAPS), env=UPSTREAM_ENV) as running:
        yield running


def ask(gateway: Gateway, endpoint: str, body: dict[str, object], run: str = "") -> Answer:
    headers = {"x-farthing-endpoint": endpoint} | ({"x-farthing-run": run} if run else {})
    return asyncio.run(post(gateway.port, "/v1/chat/completions", body, headers))


def test_one_call_too_many_names_its_cap(gateway: Gateway, upstream: FakeUpstream) -> None:
    upstream.forget()
    answers = [ask(gateway, "calls", chat(f"call {number}"), run="run-1") for number in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].code == "cap_reached"
    assert "max_calls_per_run" in answers[2].fields["error"]["message"]
    assert answers[2].headers["x-should-retry"] == "false"
    assert ask(gateway, "calls", chat("other run"), run="run-2").status == 200
    assert len(upstream.calls()) == 3


def test_a_stream_past_its_time_is_closed_truthfully(gateway: Gateway, upstream: FakeUpstream) -> None:
    upstream.forget()
    answer = ask(gateway, "fast", chat("slow:40 words:500", stream=True, stream_options={"include_usage": True}))
    events = [data for _, data in sse_events(answer.body)]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert finishes == ["length"]
    row = gateway.rows(endpoint="fast")[-1]
    assert (row["outcome"], row["finish"]) == ("truncated", "length")
    assert "latency" in row["truncated"]
    assert row["usage_estimated"]
    call = upstream.calls()[0]
    upstream.wait(lambda: call.hung_up_at is not None)


def test_a_whole_answer_past_its_time_is_typed(gateway: Gateway) -> None:
    answer = ask(gateway, "fast", chat("hold:20000 x"))
    assert answer.status in (200, 429, 503, 504)
    if answer.status == 200:
        assert answer.fields["choices"][0]["finish_reason"] == "length"
    else:
        assert "latency" in answer.fields["error"]["message"]


def test_a_crossed_target_is_recorded(gateway: Gateway) -> None:
    assert ask(gateway, "fast", chat("hold:200 patience")).status == 200
    row = gateway.rows(endpoint="fast")[-1]
    assert row["outcome"] == "ok"
    assert "target" in row["decisions"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tokens_end_gracefully(gateway: Gateway, stream: bool) -> None:
    answer = ask(gateway, "short", chat("words:300", stream=stream))
    assert answer.status == 200
    if stream:
        text = answer.body.decode()
        assert '"finish_reason":"length"' in text.replace('": ', '":')
        assert text.rstrip().endswith("[DONE]")
    else:
        assert answer.fields["choices"][0]["finish_reason"] == "length"
    row = gateway.rows(endpoint="short")[-1]
    assert row["outcome"] in ("truncated", "ok")
    assert row["tokens_out"] <= 60


def test_a_dear_quote_is_refused(gateway: Gateway, upstream: FakeUpstream) -> None:
    upstream.forget()
    answer = ask(gateway, "thrifty", chat("dear", max_tokens=1000))
    assert answer.status == 429
    assert answer.code == "cap_reached"
    assert "max_usd" in answer.fields["error"]["message"]
    assert upstream.calls() == []
