"""The routes of our own: /v1/ask and /llm-inference, from the outside."""

import asyncio
import json
from decimal import Decimal

import pytest

from tests.fakes.gateway import Gateway, sse_events
from tests.fakes.http_client import Answer, post
from tests.fakes.upstream import FakeUpstream

ASK_FIELDS = {"answer", "request_id", "model", "tier", "cache", "usage", "cost_usd", "sources", "truncated"}


def send(gateway: Gateway, path: str, fields: dict[str, object]) -> Answer:
    return asyncio.run(post(gateway.port, path, fields))


def test_ask_answers_with_its_account(gateway: Gateway, upstream: FakeUpstream) -> None:
    metadata = {"language": "en", "endpoint": "faq", "flags": ["no_cache"], "something": "new"}
    answer = send(gateway, "/v1/ask", {"user_id": "u-17", "text": "what is your refund policy", "task_type": "faq_qna", "metadata": metadata})
    assert answer.status == 200
    fields = answer.fields
    assert fields.keys() >= ASK_FIELDS
    assert fields["answer"] == "echo: what is your refund policy"
    assert (fields["tier"], fields["model"], fields["truncated"], fields["sources"]) == ("cheap", "gpt-4o-mini", False, [])
    assert fields["usage"]["output_tokens"] == 6
    row = gateway.rows(request_id=fields["request_id"])[0]
    assert (row["endpoint"], row["task_type"], row["model_tier"], row["outcome"]) == ("faq", "faq_qna", "cheap", "ok")
    assert row["user_hash"] not in (None, "u-17")
    assert Decimal(str(fields["cost_usd"])) == Decimal(row["cost_picousd"]) / 10**12
    assert len(upstream.calls()) == 1


def test_ask_streams_and_ends_with_the_same_account(gateway: Gateway) -> None:
    answer = send(gateway, "/v1/ask", {"user_id": "u", "text": "tell me slowly", "stream": True, "metadata": {"flags": ["no_cache"]}})
    events = [json.loads(data) for _, data in sse_events(answer.body)]
    assert "".join(event["delta"] for event in events[:-1]) == "echo: tell me slowly"
    assert events[-1].keys() >= ASK_FIELDS
    assert events[-1]["answer"] == "echo: tell me slowly"


def test_a_stream_that_breaks_says_so(gateway: Gateway) -> None:
    answer = send(gateway, "/v1/ask", {"user_id": "u", "text": "words:9 cut:5", "stream": True})
    events = [json.loads(data) for _, data in sse_events(answer.body)]
    assert events[0] == {"delta": "word0"}
    assert events[-1]["error"]["type"] == "upstream_error"
    assert gateway.rows()[-1]["outcome"] == "upstream_error"


def test_a_stream_that_fails_at_once_is_a_plain_error(gateway: Gateway) -> None:
    answer = send(gateway, "/v1/ask", {"user_id": "u", "text": "fail:400", "stream": True})
    assert (answer.status, answer.fields["error"]["code"]) == (400, "upstream_refused")


@pytest.mark.parametrize(
    ("path", "fields"), [("/v1/ask", {"user_id": "u", "text": "what it cost"}), ("/llm-inference", {"model_tier": "cheap", "prompt": "x"})]
)
def test_headers_tell_the_same(gateway: Gateway, path: str, fields: dict[str, object]) -> None:
    answer = asyncio.run(post(gateway.port, path, fields, {"x-farthing-endpoint": "help"}))
    assert Decimal(answer.headers["x-farthing-cost-usd"]) == Decimal(str(answer.fields["cost_usd"])) > 0
    told = {name: answer.headers[f"x-farthing-{name}"] for name in ("tier", "cache")}
    assert told == {name: answer.fields[name] for name in told}
    assert answer.headers["x-request-id"] == answer.fields["request_id"]
    assert gateway.rows(request_id=answer.fields["request_id"])[0]["endpoint"] == "help"


def test_second_ask_comes_from_memory(gateway: Gateway, upstream: FakeUpstream) -> None:
    question = {"user_id": "u", "text": "asked twice"}
    caches = [send(gateway, "/v1/ask", question).fields["cache"] for _ in range(2)]
    assert caches == ["miss", "exact"]
    assert len(upstream.calls()) == 1


@pytest.mark.parametrize(("tier", "model"), [("cheap", "gpt-4o-mini"), ("expensive", "gpt-4o")])
def test_inference_over_the_tiers(gateway: Gateway, upstream: FakeUpstream, tier: str, model: str) -> None:
    answer = send(gateway, "/llm-inference", {"model_tier": tier, "prompt": "words:9", "max_tokens": 4, "temperature": 0.5})
    assert answer.status == 200
    assert answer.fields["text"].split() == ["word0", "word1", "word2", "word3"]
    assert (answer.fields["tier"], answer.fields["model"], answer.fields["finish_reason"]) == (tier, model, "length")
    assert upstream.calls()[-1].fields["temperature"] == 0.5


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/ask", {"text": "no user"}),
        ("/v1/ask", {"user_id": "u"}),
        ("/v1/ask", {"user_id": 7, "text": "x"}),
        ("/v1/ask", {"user_id": "u", "text": "x", "nonesuch": 1}),
        ("/llm-inference", {"model_tier": "middling", "prompt": "x"}),
        ("/llm-inference", {"model_tier": "cheap"}),
        ("/llm-inference", {"model_tier": "cheap", "prompt": "x", "max_tokens": "many"}),
    ],
)
def test_bad_bodies(gateway: Gateway, upstream: FakeUpstream, path: str, fields: dict[str, object]) -> None:
    answer = send(gateway, path, fields)
    assert answer.status == 400
    assert answer.fields["error"]["type"] == "invalid_request_error"
    assert upstream.calls() == []
