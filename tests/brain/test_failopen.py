"""A lever that breaks costs its saving, never the answer; what guards does not open."""

import asyncio

import pytest

from farthing.brain.flow import journey
from farthing.core.errors import Unavailable
from farthing.core.exchange import Exchange
from farthing.core.request import Principal
from tests.brain.test_flow import body, serve
from tests.brain.world import ANSWER, World


class Broken:
    """Stands where a lever's method was."""

    def __call__(self, *_: object, **__: object) -> None:
        raise ZeroDivisionError("a lever's own fault")


def test_a_broken_cache_serves_from_the_model() -> None:
    world = World()
    world.house.cache.look = Broken()  # type: ignore[assignment, method-assign]
    assert serve(world).body == ANSWER
    assert '"failed_open":true' in world.book.rows[0].decisions
    assert world.book.rows[0].cache == "bypass"


def test_an_answer_that_cannot_be_kept_is_still_given() -> None:
    world = World()
    world.house.cache.entries.put = Broken()  # type: ignore[assignment, method-assign]
    assert serve(world).body == ANSWER
    assert world.book.rows[0].outcome == "ok"
    assert len(world.house.cache.flights) == 0


def test_a_broken_router_asks_the_baseline_or_the_named_model() -> None:
    for model, asked in (("farthing/auto", "big"), ("small", "small")):
        world = World()
        world.house.router.route = Broken()  # type: ignore[assignment, method-assign]
        serve(world, body(model=model))
        assert [call.model for call in world.models.calls] == [asked]


def test_a_key_bound_to_models_fails_closed() -> None:
    world = World()
    world.house.router.route = Broken()  # type: ignore[assignment, method-assign]
    exchange = world.exchange(body(model="farthing/auto"))
    exchange.inbound.principal = Principal("k_1", "acme", allowed_models=("small",))
    with pytest.raises(Unavailable):
        asyncio.run(journey(Exchange(exchange.inbound), world.house, world.caller()))
    assert world.models.calls == []
