"""The `openai` SDK's chat completions: what it parses beyond the text."""

import asyncio
from decimal import Decimal

import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI
from pydantic import BaseModel

from tests.fakes.gateway import Gateway
from tests.fakes.upstream import FakeUpstream

MODEL = "gpt-4o-mini"
HELLO = [{"role": "user", "content": "hello there"}]
GPT_4O_MINI = (Decimal("0.15"), Decimal("0.6"))  # USD per million tokens, in and out


class City(BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("model", [MODEL, "claude-haiku-4-5"])
def test_parse_into_pydantic(openai_client: OpenAI, model: str) -> None:
    done = openai_client.chat.completions.parse(model=model, messages=HELLO, response_format=City, max_tokens=100)
    assert done.choices[0].message.parsed == City(name="Paris", people=7)


@pytest.mark.parametrize("model", [MODEL, "claude-haiku-4-5"])
def test_stream_parse_into_pydantic(openai_client: OpenAI, model: str) -> None:
    with openai_client.chat.completions.stream(model=model, messages=HELLO, response_format=City, max_tokens=100) as stream:
        kinds = {event.type for event in stream}
        done = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert done.choices[0].message.parsed == City(name="Paris", people=7)


def test_logprobs_pass_through(openai_client: OpenAI) -> None:
    done = openai_client.chat.completions.create(model=MODEL, messages=HELLO, logprobs=True)
    logprobs = done.choices[0].logprobs
    assert logprobs is not None
    assert [token.token for token in logprobs.content or ()] == ["echo:", " hello", " there"]
    chunks = list(openai_client.chat.completions.create(model=MODEL, messages=HELLO, logprobs=True, stream=True))
    tokens = [token.token for chunk in chunks for choice in chunk.choices if choice.logprobs for token in choice.logprobs.content or ()]
    assert tokens == ["echo:", " hello", " there"]


def test_usage_chunk_only_for_those_who_ask(openai_client: OpenAI, upstream: FakeUpstream, gateway: Gateway) -> None:
    silent = list(openai_client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    assert all(chunk.choices for chunk in silent)
    assert all(chunk.usage is None for chunk in silent)
    assert upstream.calls()[-1].fields["stream_options"] == {"include_usage": True}
    assert gateway.rows()[-1]["tokens_out"] == 3
    asked = list(openai_client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert asked[-1].usage.total_tokens == 5


def test_streamed_usage_carries_the_cost(openai_client: OpenAI) -> None:
    chunks = list(openai_client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}))
    usage = chunks[-1].usage
    assert usage is not None
    assert Decimal(str(usage.model_extra["cost"])) == (2 * GPT_4O_MINI[0] + 3 * GPT_4O_MINI[1]) / 1_000_000


def test_raw_response_headers(openai_client: OpenAI, gateway: Gateway) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    headers = raw.headers
    assert headers["x-farthing-model"] == f"openai/{MODEL}"
    assert headers["x-farthing-tier"] == "none"
    assert headers["x-farthing-cache"] in ("miss", "bypass")
    assert Decimal(headers["x-farthing-cost-usd"]) == (2 * GPT_4O_MINI[0] + 3 * GPT_4O_MINI[1]) / 1_000_000
    assert headers["x-farthing-decisions"]
    assert gateway.rows(request_id=headers["x-request-id"])[0]["tokens_in"] == 2
    assert raw.parse().choices[0].message.content == "echo: hello there"


def test_request_id_reaches_the_sdk(openai_client: OpenAI, gateway: Gateway) -> None:
    done = openai_client.chat.completions.create(model=MODEL, messages=HELLO)
    assert gateway.rows(request_id=done._request_id)


def test_auto_routes_a_short_question_to_the_cheap_tier(openai_client: OpenAI, upstream: FakeUpstream) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(model="farthing/auto", messages=HELLO)
    assert raw.headers["x-farthing-tier"] == "cheap"
    assert upstream.calls()[-1].fields["model"] == "gpt-4o-mini"


@pytest.mark.parametrize(("tier", "model"), [("cheap", "gpt-4o-mini"), ("expensive", "gpt-4o")])
def test_named_tier(openai_client: OpenAI, upstream: FakeUpstream, tier: str, model: str) -> None:
    openai_client.chat.completions.create(model=f"farthing/{tier}", messages=HELLO)
    assert upstream.calls()[-1].fields["model"] == model


def test_parallel_async_calls_keep_apart(gateway: Gateway) -> None:
    async def main() -> list[str | None]:
        async with AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key="unused", max_retries=0, timeout=15) as client:

            async def whole(number: int) -> str | None:
                done = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": f"number {number}"}])
                return done.choices[0].message.content

            async def streamed(number: int) -> str | None:
                messages = [{"role": "user", "content": f"number {number}"}]
                stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(whole(number) if number % 2 else streamed(number) for number in range(60)))

    assert asyncio.run(main()) == [f"echo: number {number}" for number in range(60)]


def test_embeddings(openai_client: OpenAI, gateway: Gateway) -> None:
    done = openai_client.embeddings.create(model="text-embedding-3-small", input=["a b", "c"])
    assert [row.embedding for row in done.data] == [[3.0, 0.0, 0.5], [1.0, 1.0, 0.5]]
    assert done.usage.prompt_tokens == 3
    plain = openai_client.embeddings.create(model="text-embedding-3-small", input="abc", encoding_format="float")
    assert plain.data[0].embedding == [3.0, 0.0, 0.5]
    row = gateway.rows()[-1]
    assert (row["dialect"], row["tokens_in"], row["outcome"]) == ("embeddings", 1, "ok")


def test_models_list(openai_client: OpenAI) -> None:
    names = {model.id for model in openai_client.models.list()}
    assert {"farthing/auto", "farthing/cheap", "farthing/expensive", "gpt-4o-mini", "gpt-4o"} <= names


@pytest.mark.parametrize(("name", "owner"), [("gpt-4o", "openai"), ("farthing/auto", "farthing"), ("openai/gpt-4o", "openai")])
def test_one_model(openai_client: OpenAI, name: str, owner: str) -> None:
    model = openai_client.models.retrieve(name)
    assert (model.id, model.object, model.owned_by) == (name, "model", owner)


def test_a_model_that_is_not_served(openai_client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        openai_client.models.retrieve("gpt4o")
    assert caught.value.code == "model_not_found"
