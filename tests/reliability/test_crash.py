"""R1, end to end: kill -9 of the whole gateway under load loses no acknowledged request; orphans are swept as `interrupted`."""

import asyncio
import random

from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import Gateway, poll
from tests.fakes.http_client import Connection, chat
from tests.fakes.upstream import FakeUpstream
from tests.reliability.conftest import StartGateway

CLIENTS = 24


async def _client(gateway: Gateway, number: int, acknowledged: list[str]) -> None:
    """Ask without pause until the connection dies; remember every answer that came whole."""
    try:
        async with Connection(gateway.port) as connection:
            for turn in range(100_000):
                stream = (number + turn) % 3 == 0
                answer = await connection.post("/v1/chat/completions", chat(f"client {number} turn {turn}", stream=stream))
                assert answer.status == 200, answer.body
                acknowledged.append(answer.headers["x-request-id"])
    except (ConnectionError, OSError):
        return


async def _held(gateway: Gateway, text: str) -> None:
    """One request that is surely in flight when the gateway dies."""
    try:
        async with Connection(gateway.port) as connection:
            await connection.post("/v1/chat/completions", chat(text))
    except (ConnectionError, OSError):
        return


async def _load_until_killed(gateway: Gateway, upstream: FakeUpstream, instant: int) -> list[str]:
    acknowledged: list[str] = []
    upstream.forget()
    clients = [asyncio.create_task(_client(gateway, number, acknowledged)) for number in range(CLIENTS)]
    clients.append(asyncio.create_task(_held(gateway, "hold:60000 in flight")))
    await asyncio.to_thread(upstream.wait, lambda: len(upstream.requests) >= instant, 60)
    await asyncio.to_thread(gateway.kill)
    await asyncio.gather(*clients)
    return acknowledged


def test_kill_9_under_load(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    trials = rounds(3)
    draw = random.Random(2)
    gateway = start_gateway()
    answered, orphans, slowest = 0, 0, 0.0
    for _ in range(trials):
        known = {row["request_id"] for row in gateway.rows()}
        acknowledged = asyncio.run(_load_until_killed(gateway, upstream, draw.randint(100, 400)))
        gateway.start()
        slowest = max(slowest, poll(lambda: not gateway.query("select * from intents"), 5.0, "the sweep of orphans"))
        rows = [row for row in gateway.rows() if row["request_id"] not in known]
        outcome = {row["request_id"]: row["outcome"] for row in rows}
        assert len(outcome) == len(rows), "a request was written twice"
        lost = [request_id for request_id in acknowledged if outcome.get(request_id) != "ok"]
        assert lost == []
        interrupted = [row for row in rows if row["outcome"] == "interrupted"]
        assert interrupted
        assert len(rows) <= len(acknowledged) + CLIENTS + 1
        answered += len(acknowledged)
        orphans += len(interrupted)
    figure(
        "R1 kill -9",
        f"0 lost or doubled of {answered} acknowledged in {trials} kills; {orphans} orphans settled {slowest:.2f} s after restart at most",
    )
    assert gateway.query("select * from meters where held != 0") == []
    assert gateway.query("pragma integrity_check") == [{"integrity_check": "ok"}]
