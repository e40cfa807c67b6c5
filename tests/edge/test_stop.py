"""When the grace time is over: who is still being answered is told, inside the answer where it has begun."""

import asyncio
from typing import Any

from farthing.core.clock import FrozenClock
from farthing.edge.app import App
from farthing.edge.gateway import Gateway
from tests.brain.test_flow import body
from tests.brain.world import CHUNKS, World
from tests.edge.test_app import Keys


class Metrics:
    def in_flight(self, _count: int) -> None: ...


def stopped(path: str, sent: bytes, *, after: int) -> list[Any]:
    """What the client gets when its request is cancelled before upstream piece number `after`."""
    world, metrics, found = World([CHUNKS]), Metrics(), list[Any]()

    async def nothing(*_: object) -> None: ...

    async def send(message: Any) -> None:
        found.append(message)

    async def receive() -> Any:
        if found or world.models.calls:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": sent, "more_body": False}

    async def main() -> None:
        gateway: Any = Gateway(house=world.house, keys=Keys(), metrics=metrics, clock=FrozenClock(), reload=nothing, ready=lambda: None)  # type: ignore[arg-type]
        head = [(b"authorization", b"Bearer app")]
        task = asyncio.ensure_future(App(gateway)({"type": "http", "method": "POST", "path": path, "headers": head}, receive, send))
        pieces = iter(range(99))
        world.models.on_piece = lambda: task.cancel() if next(pieces) == after else None
        await asyncio.wait([task])

    asyncio.run(main())
    assert [row.outcome for row in world.book.rows] == ["interrupted"]
    return found


def test_a_stream_that_is_cut_at_the_end_of_the_grace_time_ends_in_an_error() -> None:
    for path, sent in (("/v1/chat/completions", body(stream=True)), ("/v1/ask", b'{"user_id":"u","text":"What is a farthing?","stream":true}')):
        found = stopped(path, sent, after=2)
        assert found[0]["status"] == 200
        assert b'"error"' in found[-1]["body"]
        assert b"stopping" in found[-1]["body"]
        assert not found[-1].get("more_body")


def test_an_answer_that_has_not_begun_is_a_503() -> None:
    for path, sent in (("/v1/chat/completions", body(stream=True)), ("/v1/ask", b'{"user_id":"u","text":"What is a farthing?","stream":true}')):
        assert stopped(path, sent, after=0)[0]["status"] == 503
