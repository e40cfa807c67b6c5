"""Cached and shared answers, seen through the SDKs: nobody can tell, except by the header and the bill."""

import threading

import pytest
from openai import OpenAI

from tests.conformance.speak import SPEAKERS, UPSTREAMS, Clients, Question
from tests.fakes.gateway import Gateway
from tests.fakes.upstream import FakeUpstream

SAVER = {"x-farthing-endpoint": "saver"}


@pytest.fixture(
    params=[(False, False), (False, True), (True, False), (True, True)], ids=lambda pair: "-".join("stream" if one else "whole" for one in pair)
)
def modes(request: pytest.FixtureRequest) -> tuple[bool, bool]:
    return request.param


@pytest.mark.parametrize("service", UPSTREAMS)
@pytest.mark.parametrize("dialect", SPEAKERS)
def test_second_answer_is_the_first(
    gateway: Gateway, clients: Clients, upstream: FakeUpstream, dialect: str, service: str, modes: tuple[bool, bool]
) -> None:
    text = f"reuse me {dialect} {service} {modes}"
    answers = []
    for stream in modes:
        question = Question(text, UPSTREAMS[service], stream, system="Same.", temperature=0.0, headers=SAVER)
        answers.append(SPEAKERS[dialect](clients, question))
    assert answers[0].text == answers[1].text == f"echo: {text}"
    assert answers[0].finish == answers[1].finish == "stop"
    assert answers[0].model == answers[1].model
    assert len(upstream.calls()) == 1
    rows = gateway.rows()[-2:]
    assert [row["cache"] for row in rows] == ["miss", "exact"]
    assert [row["num_llm_calls"] for row in rows] == [1, 0]
    assert rows[1]["cost_picousd"] == 0
    assert rows[0]["baseline_cost_picousd"] == rows[1]["baseline_cost_picousd"]


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.9},
        {"temperature": None},
        {"user": "u-1", "messages": [{"role": "user", "content": "never reuse"}], "extra_headers": {"cache-control": "no-store"}},
        {"tools": [{"type": "function", "function": {"name": "get_weather"}}], "messages": [{"role": "user", "content": "weather now"}]},
        {"max_tokens": 2, "messages": [{"role": "user", "content": "words:9 cut short"}]},
        {"extra_headers": {"x-farthing-levers": "-cache"}},
    ],
)
def test_what_is_never_reused(openai_client: OpenAI, upstream: FakeUpstream, change: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"never {sorted(change)}"}],
        "temperature": 0,
    } | change
    fields = {name: value for name, value in fields.items() if value is not None}
    for _ in range(2):
        raw = openai_client.chat.completions.with_raw_response.create(**fields)
        assert raw.headers["x-farthing-cache"] in ("miss", "bypass")
    assert len(upstream.calls()) == 2


def test_other_parameters_are_other_entries(openai_client: OpenAI, upstream: FakeUpstream) -> None:
    base: dict[str, object] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "scope"}], "temperature": 0}
    variants = [
        {},
        {"model": "gpt-4o"},
        {"temperature": 0.1},
        {"max_tokens": 50},
        {"seed": 1},
        {"top_p": 0.5},
        {"response_format": {"type": "json_object"}},
    ]
    variants += [{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "scope"}]}, {"future_field": 1}]
    for variant in variants:
        fields = base | variant
        extra = {"extra_body": {"future_field": fields.pop("future_field")}} if "future_field" in fields else {}
        openai_client.chat.completions.create(**fields, **extra)
    assert len(upstream.calls()) == len(variants)


def test_a_hit_costs_nothing_and_says_so(openai_client: OpenAI) -> None:
    fields: dict[str, object] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "bill me once"}], "temperature": 0}
    openai_client.chat.completions.create(**fields)
    hit = openai_client.chat.completions.with_raw_response.create(**fields)
    assert hit.headers["x-farthing-cache"] == "exact"
    assert float(hit.headers["x-farthing-cost-usd"]) == 0
    assert hit.parse().usage.completion_tokens == 4


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", SPEAKERS)
def test_identical_requests_in_flight_share_one_call(gateway: Gateway, clients: Clients, upstream: FakeUpstream, dialect: str, stream: bool) -> None:
    question = Question(f"hold:400 together {dialect} {stream}", "gpt-4o-mini", stream, temperature=0.0, headers=SAVER)
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(SPEAKERS[dialect](clients, question).text)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [f"echo: {question.text}"] * 6
    assert len(upstream.calls()) == 1
    rows = gateway.rows()[-6:]
    assert sorted(row["cache"] for row in rows).count("miss") == 1
    assert {row["cache"] for row in rows} <= {"miss", "coalesced", "exact"}
    assert sum(row["num_llm_calls"] for row in rows) == 1
