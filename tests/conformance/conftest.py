"""One fake service and one open gateway for all conformance tests, and real clients that talk to it."""

from collections.abc import Iterator

import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.conformance.speak import Clients
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.upstream import FakeUpstream

ENDPOINTS = """
[endpoints.saver]
profile = "saver"

[endpoints.plain]
profile = "transparent"
"""


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream(UPSTREAM_ENV["FAKE_OPENAI_KEY"]) as server:
        yield server


@pytest.fixture(scope="session")
def shared_gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url, ENDPOINTS), env=UPSTREAM_ENV) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: Gateway, upstream: FakeUpstream) -> Gateway:
    """The shared gateway, with the fake's memory wiped."""
    upstream.forget()
    return shared_gateway


@pytest.fixture(scope="session")
def clients(shared_gateway: Gateway) -> Iterator[Clients]:
    with Clients(shared_gateway.base_url) as made:
        yield made


@pytest.fixture
def openai_client(gateway: Gateway, clients: Clients) -> OpenAI:
    del gateway
    return clients.openai


@pytest.fixture
def anthropic_client(gateway: Gateway, clients: Clients) -> Anthropic:
    del gateway
    return clients.anthropic
