"""Places: what is turned away for want of one is counted, because no row of the ledger will tell."""

import asyncio
from typing import Any

from farthing.config import Server
from farthing.core.clock import FrozenClock
from farthing.edge.app import App
from farthing.edge.gateway import Gateway
from tests.brain.test_flow import body
from tests.brain.world import World
from tests.edge.test_app import Keys, Metrics


def test_a_request_turned_away_is_counted() -> None:
    world = World(server=Server(max_in_flight=1))
    metrics: Any = Metrics()

    async def nothing(*_: object) -> None: ...

    gateway = Gateway(
        house=world.house, keys=Keys(), metrics=metrics, clock=FrozenClock(), reload=nothing, ready=lambda: None, forget_answers=nothing
    )
    gateway.in_flight = 1
    asked = {
        "/v1/chat/completions": body(),
        "/llm-inference": b'{"model_tier":"cheap","prompt":"What is a farthing?"}',
    }
    for path, sent in asked.items():
        found: list[Any] = []

        async def send(message: Any, found: list[Any] = found) -> None:
            found.append(message)

        async def receive(sent: bytes = sent) -> Any:
            return {"type": "http.request", "body": sent, "more_body": False}

        head = [(b"authorization", b"Bearer app")]
        asyncio.run(App(gateway)({"type": "http", "method": "POST", "path": path, "headers": head}, receive, send))
        assert found[0]["status"] == 503
    assert metrics.refusals == ["unavailable", "unavailable"]
    assert world.book.rows == []
