"""A hosted reranker: asked as they all are, understood in both of their ways, and its faults told."""

import asyncio
import json
from decimal import Decimal

import pytest

from farthing import config
from farthing.core.clock import SystemClock
from farthing.core.errors import ConfigError, UpstreamBroken
from farthing.core.web import WebReply, WebRequest
from farthing.models.rerank import choose_reranker

SERVICES = {
    "cohere": config.Service(base_url="https://api.cohere.example/v2", api_key_env="COHERE_KEY"),
    "played": config.Service(dialect="recorded", recordings=("a.jsonl",)),
}


def ask(reply: WebReply, texts: tuple[str, ...] = ("one", "two", "three")) -> tuple[list[float], WebRequest]:
    asked: list[WebRequest] = []

    async def fetch(request: WebRequest) -> WebReply:
        asked.append(request)
        return reply

    settings = config.Config(services=SERVICES, retrieve=config.Retrieve(rerank="cohere/rerank-v3.5", rerank_usd=0.002))
    reranker = choose_reranker(settings, {"COHERE_KEY": "secret"}, fetch, SystemClock())
    assert reranker is not None
    assert reranker.usd == Decimal("0.002")
    return asyncio.run(reranker.scores("which?", texts)), asked[0]


def test_it_is_asked_at_its_service_and_each_text_has_a_score() -> None:
    body = b'{"results":[{"index":2,"relevance_score":0.9},{"index":0,"relevance_score":0.4}],"id":"x"}'
    scores, asked = ask(WebReply(200, "application/json", body))
    assert scores == [0.4, 0.0, 0.9]
    assert (asked.method, asked.host, asked.target) == ("POST", "api.cohere.example", "/v2/rerank")
    assert asked.headers == (("authorization", "Bearer secret"),)
    assert json.loads(asked.body) == {"model": "rerank-v3.5", "query": "which?", "documents": ["one", "two", "three"], "top_n": 3}


def test_the_list_may_be_called_data() -> None:
    assert ask(WebReply(200, "application/json", b'{"data":[{"index":1,"relevance_score":0.5}]}'))[0] == [0.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (WebReply(429, "application/json", b"{}"), "status 429"),
        (WebReply(200, "text/html", b"<html>"), "no ranking"),
        (WebReply(200, "application/json", b'{"results":[{"index":9,"relevance_score":1}]}'), "text 9 of 3"),
    ],
)
def test_its_faults_are_told(reply: WebReply, said: str) -> None:
    with pytest.raises(UpstreamBroken, match=said):
        ask(reply)


@pytest.mark.parametrize("name", ["absent/model", "cohere", "played/model"])
def test_one_that_is_not_there_is_a_mistake_of_the_configuration(name: str) -> None:
    settings = config.Config(services=SERVICES, retrieve=config.Retrieve(rerank=name))
    with pytest.raises(ConfigError, match="service/model"):
        choose_reranker(settings, {}, lambda _: pytest.fail("nobody is asked"), SystemClock())


def test_none_is_asked_unless_it_is_named() -> None:
    assert choose_reranker(config.Config(), {}, lambda _: pytest.fail("nobody is asked"), SystemClock()) is None
