"""What is turned away for want of a place, or because the store cannot write, is counted: no row of the ledger will tell."""

import asyncio
from typing import Any

from farthing.config import Server
from farthing.core.clock import FrozenClock
from farthing.core.errors import StoreUnavailable
from farthing.edge.app import App
from farthing.edge.gateway import Gateway
from tests.brain.test_flow import body
from tests.brain.world import World
from tests.edge.test_app import Keys, Metrics

ASKED = {
    "/v1/chat/completions": body(),
    "/llm-inference": b'{"model_tier":"cheap","prompt":"What is a farthing?"}',
}


class Seated(Metrics):
    """Counts refusals, and lets requests take their places."""

    def in_flight(self, count: int) -> None:
        del count


def _gateway(world: World, metrics: Any) -> Gateway:
    async def nothing(*_: object) -> None: ...

    return Gateway(house=world.house, keys=Keys(), metrics=metrics, clock=FrozenClock(), reload=nothing, ready=lambda: None)


def _status(gateway: Gateway, path: str, sent: bytes) -> int:
    found: list[Any] = []

    async def send(message: Any) -> None:
        found.append(message)

    once = iter([{"type": "http.request", "body": sent, "more_body": False}])

    async def receive() -> Any:
        return next(once, None) or await asyncio.Event().wait()

    head = [(b"authorization", b"Bearer app")]
    asyncio.run(App(gateway)({"type": "http", "method": "POST", "path": path, "headers": head}, receive, send))
    return found[0]["status"]


def test_a_request_turned_away_is_counted() -> None:
    world, metrics = World(server=Server(max_in_flight=1)), Metrics()
    gateway = _gateway(world, metrics)
    gateway.in_flight = 1
    assert [_status(gateway, path, sent) for path, sent in ASKED.items()] == [503, 503]
    assert metrics.refusals == ["unavailable", "unavailable"]
    assert world.book.rows == []


def test_a_request_that_the_store_could_not_book_is_counted() -> None:
    world, metrics = World(), Seated()

    async def full(*_: object) -> Any:
        raise StoreUnavailable("The disk is full.")

    world.book.reserve = world.book.settle = world.book.record = full  # type: ignore[method-assign]
    assert [_status(_gateway(world, metrics), path, sent) for path, sent in ASKED.items()] == [503, 503]
    assert metrics.refusals == ["store_unavailable", "store_unavailable"]
