"""What the tests of providers' own batches share: a gateway before one provider that takes them, and how to see that it took one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll

_CONFIG = """
[services.{service}]
base_url = "{base_url}/v1"
api_key_env = "FAKE_OPENAI_KEY"
batch = true
{rows}
[models."{model}"]
input_usd_per_mtok = 1.0
output_usd_per_mtok = 2.0

[batch]
provider_least = 3
provider_gather_s = 0.3
provider_poll_s = 0.2

[tiers]
expensive = ["{service}/{model}"]
"""


class Provider(Protocol):
    """A fake provider with batches."""

    @property
    def base_url(self) -> str: ...
    def orders(self) -> list[dict[str, Any]]: ...


@contextmanager
def gateway_before(provider: Provider, folder: Path, service: str, model: str, rows: str) -> Iterator[Gateway]:
    """`rows`: what else its service says."""
    config = _CONFIG.format(base_url=provider.base_url, service=service, model=model, rows=rows)
    with Gateway(config, env=UPSTREAM_ENV, directory=folder) as running:
        yield running


def taken(provider: Provider, count: int = 1) -> None:
    poll(lambda: len(provider.orders()) >= count, 15, "the provider's batch")
