"""The `anthropic` SDK: events, headers, betas and error classes."""

import asyncio

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic

from tests.fakes.gateway import Gateway
from tests.fakes.upstream import FakeUpstream

MODELS = ["claude-haiku-4-5", "gpt-4o-mini"]
HELLO = [{"role": "user", "content": "hello there"}]


@pytest.mark.parametrize("model", MODELS)
def test_count_and_order_of_raw_events(anthropic_client: Anthropic, model: str) -> None:
    events = list(anthropic_client.messages.create(model=model, max_tokens=50, messages=HELLO, stream=True))
    kinds = [event.type for event in events if event.type != "ping"]
    assert kinds == ["message_start", "content_block_start", *["content_block_delta"] * 3, "content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize("model", MODELS)
def test_text_stream(anthropic_client: Anthropic, model: str) -> None:
    with anthropic_client.messages.stream(model=model, max_tokens=50, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "echo: hello there"
        assert stream.get_final_message().usage.output_tokens == 3


@pytest.mark.parametrize("model", MODELS)
def test_beta_path_is_served(anthropic_client: Anthropic, upstream: FakeUpstream, model: str) -> None:
    done = anthropic_client.beta.messages.create(model=model, max_tokens=50, messages=HELLO, betas=["context-1m-2025-08-07"])
    assert done.content[0].text == "echo: hello there"
    assert len(upstream.calls()) == 1


def test_version_and_beta_headers_pass(anthropic_client: Anthropic, upstream: FakeUpstream) -> None:
    anthropic_client.beta.messages.create(
        model=MODELS[0], max_tokens=50, messages=HELLO, betas=["context-1m-2025-08-07", "future-2031-01-01"], extra_body={"future_knob": {"on": True}}
    )
    call = upstream.calls()[-1]
    assert call.header("anthropic-version") == anthropic_client.default_headers["anthropic-version"]
    assert call.header("anthropic-beta") == "context-1m-2025-08-07,future-2031-01-01"
    assert call.fields["future_knob"] == {"on": True}


def test_system_blocks_with_cache_control_are_kept(anthropic_client: Anthropic, upstream: FakeUpstream) -> None:
    system = [{"type": "text", "text": "You are terse.", "cache_control": {"type": "ephemeral"}}]
    anthropic_client.messages.create(model=MODELS[0], max_tokens=50, messages=HELLO, system=system)
    assert upstream.calls()[-1].fields["system"] == system


ERRORS = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    413: anthropic.APIStatusError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    529: anthropic.APIStatusError,
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("status", ERRORS)
def test_upstream_errors_arrive_as_their_class(anthropic_client: Anthropic, model: str, status: int) -> None:
    with pytest.raises(ERRORS[status]) as caught:
        anthropic_client.messages.create(model=model, max_tokens=50, messages=[{"role": "user", "content": f"fail:{status}"}])
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "error"
    assert f"scripted {status}" in caught.value.body["error"]["message"]


def test_unknown_model_is_not_found(anthropic_client: Anthropic, upstream: FakeUpstream) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        anthropic_client.messages.create(model="nonesuch-1", max_tokens=50, messages=HELLO)
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["error"]["type"] == "not_found_error"
    assert "nonesuch-1" in body["error"]["message"]
    assert upstream.calls() == []


def test_parallel_async_calls_keep_apart(gateway: Gateway) -> None:
    async def main() -> list[str]:
        async with AsyncAnthropic(base_url=gateway.base_url, api_key="unused", max_retries=0, timeout=15) as client:

            async def ask(number: int) -> str:
                messages = [{"role": "user", "content": f"number {number}"}]
                model = MODELS[number % 2]
                if number % 3:
                    done = await client.messages.create(model=model, max_tokens=50, messages=messages)
                    return done.content[0].text
                async with client.messages.stream(model=model, max_tokens=50, messages=messages) as stream:
                    return "".join([text async for text in stream.text_stream])

            return await asyncio.gather(*(ask(number) for number in range(60)))

    assert asyncio.run(main()) == [f"echo: number {number}" for number in range(60)]


def test_models(anthropic_client: Anthropic) -> None:
    listed = {model.id: model for model in anthropic_client.models.list()}
    assert {"farthing/auto", "gpt-4o"} <= listed.keys()
    model = anthropic_client.models.retrieve("claude-haiku-4-5")
    assert (model.id, model.type, model.display_name) == ("claude-haiku-4-5", "model", "claude-haiku-4-5")
    assert model.created_at.year == listed["gpt-4o"].created_at.year == 1970  # what Anthropic says of a date that is not known


def test_what_is_not_there_is_said_in_its_own_words(anthropic_client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        anthropic_client.messages.count_tokens(model="claude-haiku-4-5", messages=HELLO)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == "not_found_error"
