"""Our own refusals, as the SDKs raise them: class, code, param, and how often they try again."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.upstream import FakeUpstream

HELLO = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def keyed(upstream: FakeUpstream) -> Iterator[Gateway]:
    """A gateway that knows virtual keys, so that nobody gets in without one."""
    with Gateway(upstream_config(upstream.base_url, "[limits]\nbody_bytes = 65536\njson_depth = 16"), env=UPSTREAM_ENV) as gateway:
        gateway.new_key("--tenant", "first")
        yield gateway


class Counted:
    """A client with the SDK's own retries, that counts what goes over the wire."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self.answers: list[int] = []
        hooks = {"response": [lambda answer: self.answers.append(answer.status_code)]}
        self.openai = OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, timeout=10, http_client=openai.DefaultHttpxClient(event_hooks=hooks))

    def __enter__(self) -> "Counted":
        return self

    def __exit__(self, *_: object) -> None:
        self.openai.close()

    def hello(self, **more: object) -> object:
        return self.openai.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **more)


def test_wrong_key(keyed: Gateway) -> None:
    with Counted(keyed, "fk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.hello()
        assert caught.value.code == "invalid_api_key"
        assert client.answers == [401]
    with Anthropic(base_url=keyed.base_url, api_key="wrong", timeout=10) as client, pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=HELLO)


def test_right_key_in_either_header(keyed: Gateway) -> None:
    key = keyed.new_key("--tenant", "acme")
    with Counted(keyed, key) as client:
        client.hello()
    with Anthropic(base_url=keyed.base_url, api_key=key, timeout=10) as client:
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=HELLO)
    assert [row["tenant"] for row in keyed.rows(tenant="acme")] == ["acme", "acme"]


def test_unknown_model_suggests(openai_client: OpenAI, upstream: FakeUpstream) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.chat.completions.create(model="gtp-nonesuch", messages=HELLO)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert upstream.calls() == []


def test_forbidden_model(keyed: Gateway) -> None:
    with Counted(keyed, keyed.new_key("--tenant", "narrow", "--models", "gpt-4o")) as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.hello()
        assert "gpt-4o-mini" in caught.value.message
        assert client.answers == [403]


def test_spent_budget_is_not_retried(keyed: Gateway) -> None:
    key = keyed.new_key("--tenant", "poor", "--daily-usd", "0.00000001")
    with Counted(keyed, key) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            client.hello()
        assert (caught.value.code, caught.value.type) == ("budget_exceeded", "insufficient_quota")
        assert client.answers == [429]
    rows = keyed.rows(tenant="poor")
    assert [(row["outcome"], row["error_code"], row["status"]) for row in rows] == [("refused", "budget_exceeded", 429)]


def test_rate_limit_tells_when(keyed: Gateway) -> None:
    key = keyed.new_key("--tenant", "hasty", "--rpm", "2")
    with OpenAI(base_url=f"{keyed.base_url}/v1", api_key=key, max_retries=0, timeout=10) as client:
        raw = client.chat.completions.with_raw_response
        first = raw.create(model="gpt-4o-mini", messages=HELLO)
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        raw.create(model="gpt-4o-mini", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as caught:
            raw.create(model="gpt-4o-mini", messages=HELLO)
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_upstream_failure_is_retried_by_the_sdk(keyed: Gateway) -> None:
    with Counted(keyed, keyed.new_key("--tenant", "patient")) as client:
        done = client.openai.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "failonce:500 please"}])
        assert done.choices[0].message.content == "echo: failonce:500 please"
        assert client.answers[-1] == 200


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"messages": "hello"}, None, "messages"),
        ({"messages": []}, None, "messages"),
        ({"messages": HELLO, "temperature": "hot"}, None, "temperature"),
        ({"messages": HELLO, "max_tokens": -1}, None, "max_tokens"),
        ({"messages": HELLO, "max_completion_tokens": -1_000_000_000}, None, "max_completion_tokens"),
        ({"messages": HELLO, "max_tokens": 10**30}, None, "max_tokens"),
        ({"messages": HELLO, "n": -5}, None, "n"),
        ({"messages": HELLO, "stream": "yes"}, None, "stream"),
        ({"messages": [{"role": "user", "content": "x"}], "metadata": {"a": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}, "json_too_deep", None),
        ({"messages": [{"role": "user", "content": "x" * 70_000}]}, "request_too_large", None),
    ],
)
def test_bad_fields(keyed: Gateway, upstream: FakeUpstream, fields: dict[str, object], code: str | None, param: str | None) -> None:
    upstream.forget()
    with Counted(keyed, keyed.new_key("--tenant", "clumsy")) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.openai.post("/chat/completions", body={"model": "gpt-4o-mini", **fields}, cast_to=object)
        assert len(client.answers) == 1
    assert caught.value.status_code in (400, 413)
    assert code is None or caught.value.code == code
    assert param is None or caught.value.param == param
    assert upstream.calls() == []


def test_what_cannot_be_translated_is_refused(openai_client: OpenAI, upstream: FakeUpstream) -> None:
    for fields in ({"n": 2}, {"logprobs": True}, {"audio": {"voice": "alloy", "format": "mp3"}, "modalities": ["text", "audio"]}):
        with pytest.raises(openai.BadRequestError) as caught:
            openai_client.chat.completions.create(model="claude-haiku-4-5", messages=HELLO, **fields)
        assert caught.value.code == "unsupported_feature"
    assert upstream.calls() == []
