"""What a caller is told it may name is what the router lets it name."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from farthing.brain.route import Router
from farthing.config import Config, Service, Tiers
from farthing.core.errors import FarthingError, ModelNotFound
from farthing.core.exchange import Signals
from farthing.core.request import Principal
from farthing.edge import catalog as route
from farthing.models.catalog import Catalog
from tests.brain.requests import make_inbound

CONFIG = Config(
    services={
        "openai": Service(base_url="http://x/v1", models=("gpt-4o", "gpt-4o-mini")),
        "local": Service(base_url="http://y/v1", models=("qwen*",)),
    },
    tiers=Tiers(cheap=("openai/gpt-4o-mini",), expensive=("openai/gpt-4o",)),
)
SIGNALS = Signals("qa", 0.1, "low", False, "en", 5, 5)
NAMES = [
    "farthing/auto",
    "farthing/cheap",
    "farthing/expensive",
    "gpt-4o",
    "gpt-4o-mini",
    "openai/gpt-4o",
    "qwen3",
    "local/qwen3",
    "nonesuch",
    "farthing/x",
]
PATTERNS = [None, ("*",), ("gpt-4o-mini",), ("openai/*",), ("farthing/auto",), ("farthing/*",), ("qwen*", "farthing/cheap"), ()]


def get(path: str, allowed: tuple[str, ...] | None = None) -> dict[str, Any]:
    gateway: Any = SimpleNamespace(house=SimpleNamespace(catalog=Catalog(CONFIG)))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    handler = route.handle if path == "/v1/models" else route.one
    asyncio.run(handler(gateway, Principal("k", "acme", allowed_models=allowed), {"path": path}, receive, send))
    return json.loads(sent[1]["body"])


def may_be_sent(name: str, allowed: tuple[str, ...] | None) -> bool:
    try:
        Router(CONFIG, Catalog(CONFIG)).route(make_inbound(model=name, allowed=allowed), SIGNALS, now=0.0, healthy=lambda _: True)
    except FarthingError:
        return False
    return True


@pytest.mark.parametrize("allowed", PATTERNS)
def test_one_model_is_there_when_a_request_for_it_would_be_taken(allowed: tuple[str, ...] | None) -> None:
    for name in NAMES:
        if may_be_sent(name, allowed):
            assert get(f"/v1/models/{name}", allowed)["id"] == name
        else:
            with pytest.raises(ModelNotFound):
                get(f"/v1/models/{name}", allowed)


@pytest.mark.parametrize("allowed", PATTERNS)
def test_all_that_is_listed_may_be_named(allowed: tuple[str, ...] | None) -> None:
    listed = get("/v1/models", allowed)
    names = [model["id"] for model in listed["data"]]
    assert names == [name for name in Catalog(CONFIG).names() if may_be_sent(name, allowed)]
    assert (listed["first_id"], listed["last_id"]) == ((names[0], names[-1]) if names else (None, None))


def test_owners() -> None:
    owners = {model["id"]: model["owned_by"] for model in get("/v1/models")["data"]}
    assert owners == dict.fromkeys(("farthing/auto", "farthing/cheap", "farthing/expensive"), "farthing") | dict.fromkeys(
        ("gpt-4o", "gpt-4o-mini"), "openai"
    )
