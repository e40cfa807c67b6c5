"""A fake service of its own for every module, and gateways on demand."""

from collections.abc import Callable, Iterator

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.upstream import FakeUpstream

StartGateway = Callable[..., Gateway]

# One request that writes ten tokens costs exactly one cent, whatever it reads.
CENT_PRICES = """
[models."gpt-4o-mini"]
input_usd_per_mtok = 0
output_usd_per_mtok = 1000
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        yield server


@pytest.fixture
def start_gateway(upstream: FakeUpstream) -> Iterator[StartGateway]:
    """`start_gateway(extra_toml, workers=2)`; stopped when the test ends."""
    upstream.forget()
    running: list[Gateway] = []

    def start(extra: str = "", **options: object) -> Gateway:
        gateway = Gateway(upstream_config(upstream.base_url, extra), env=UPSTREAM_ENV, **options)
        running.append(gateway)
        gateway.start()
        return gateway

    yield start
    for gateway in running:
        gateway.__exit__()
