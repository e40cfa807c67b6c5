"""S8: a client that hangs up stops its upstream call, and leaves exactly one ledger row."""

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from tests.fakes.figures import figure
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll, upstream_config
from tests.fakes.http_client import Connection, chat
from tests.fakes.loopback import Received
from tests.fakes.upstream import FakeUpstream

LONG = "slow:50 words:2000"
SEEN: list[float] = []


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url, "[endpoints.saver]\nprofile = 'saver'"), env=UPSTREAM_ENV) as running:
        yield running
    figure("S8 hang-up", f"{len(SEEN)} abandoned calls, upstream stopped after {max(SEEN) * 1000:.0f} ms at most")


def _rows(gateway: Gateway, text_of_run: str) -> list[dict[str, object]]:
    return gateway.rows(run_id=text_of_run)


async def _leave(
    gateway: Gateway, upstream: FakeUpstream, path: str, body: dict[str, object], run: str, *, after_first_piece: bool
) -> tuple[Received, float]:
    """Hang up, and the upstream's view of it."""
    upstream.forget()
    connection = Connection(gateway.port)
    async with connection:
        await connection.send("POST", path, json.dumps(body).encode(), {"x-farthing-run": run, "x-farthing-endpoint": "saver"})
        if after_first_piece:
            _, headers = await connection.head()
            await anext(aiter(connection.pieces(headers)))
        await asyncio.to_thread(upstream.wait, lambda: bool(upstream.calls()))
        left = time.monotonic()
    call = upstream.calls()[0]
    await asyncio.to_thread(upstream.wait, lambda: call.hung_up_at is not None)
    assert call.hung_up_at is not None
    return call, max(0.0, call.hung_up_at - left)


def _settled_once(gateway: Gateway, run: str) -> None:
    poll(lambda: bool(_rows(gateway, run)), 5.0, "the ledger row")
    poll(lambda: not gateway.query("select * from intents"), 5.0, "the end of the intent")
    assert [row["outcome"] for row in _rows(gateway, run)] == ["client_closed"]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
def test_in_the_middle_of_a_stream(gateway: Gateway, upstream: FakeUpstream, path: str, model: str) -> None:
    run = f"mid {path} {model}"
    body: dict[str, object] = {"model": model, "stream": True}
    body |= {"input": LONG} if path == "/v1/responses" else {"messages": [{"role": "user", "content": LONG}], "max_tokens": 4000}
    call, seconds = asyncio.run(_leave(gateway, upstream, path, body, run, after_first_piece=True))
    SEEN.append(seconds)
    assert not call.finished
    _settled_once(gateway, run)
    row = _rows(gateway, run)[0]
    assert row["tokens_in"] is not None
    assert row["cost_picousd"]
    assert row["usage_estimated"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_before_the_first_byte(gateway: Gateway, upstream: FakeUpstream, stream: bool) -> None:
    run = f"before {stream}"
    call, seconds = asyncio.run(_leave(gateway, upstream, "/v1/chat/completions", chat("hold:20000 x", stream=stream), run, after_first_piece=False))
    SEEN.append(seconds)
    assert not call.finished
    _settled_once(gateway, run)


def test_the_one_who_asked_first_may_leave(gateway: Gateway, upstream: FakeUpstream) -> None:
    """Of two that share a call the first hangs up: the second gets its whole answer from the one call."""

    async def main() -> tuple[int, dict[str, str], bytes]:
        upstream.forget()
        body = json.dumps(chat("slow:30 words:40 shared", stream=True, temperature=0)).encode()
        async with Connection(gateway.port) as follower:
            async with Connection(gateway.port) as leader:
                await leader.send("POST", "/v1/chat/completions", body, {"x-farthing-run": "leader"})
                _, headers = await leader.head()
                await anext(aiter(leader.pieces(headers)))
                await follower.send("POST", "/v1/chat/completions", body, {"x-farthing-run": "follower"})
                status, found = await follower.head()
            received = b"".join([piece async for piece in follower.pieces(found)])
            return status, found, received

    status, headers, received = asyncio.run(main())
    assert (status, headers["x-farthing-cache"]) == (200, "coalesced")
    assert b"word39" in received
    assert received.endswith(b"data: [DONE]\n\n")
    assert len(upstream.calls()) == 1
    poll(lambda: len(_rows(gateway, "leader")) == 1, 5.0, "the leader's row")
    assert [row["outcome"] for row in _rows(gateway, "leader")] == ["client_closed"]
    assert [row["outcome"] for row in _rows(gateway, "follower")] == ["ok"]


def test_all_who_share_a_call_leave(gateway: Gateway, upstream: FakeUpstream) -> None:
    async def main() -> None:
        upstream.forget()
        body = json.dumps(chat("slow:50 words:2000 all leave", stream=True, temperature=0)).encode()
        async with Connection(gateway.port) as first, Connection(gateway.port) as second:
            for connection, run in ((first, "all first"), (second, "all second")):
                await connection.send("POST", "/v1/chat/completions", body, {"x-farthing-run": run})
                _, headers = await connection.head()
                await anext(aiter(connection.pieces(headers)))
        call = upstream.calls()[0]
        await asyncio.to_thread(upstream.wait, lambda: call.hung_up_at is not None)
        assert not call.finished

    asyncio.run(main())
    assert len(upstream.calls()) == 1
    for run in ("all first", "all second"):
        poll(lambda run=run: len(_rows(gateway, run)) == 1, 5.0, f"the row of {run}")
        assert [row["outcome"] for row in _rows(gateway, run)] == ["client_closed"]


def test_nothing_is_left_open(gateway: Gateway, upstream: FakeUpstream) -> None:
    """After all that: no intent, no held budget, and the next request is served."""
    assert gateway.query("select * from intents") == []
    assert gateway.query("select * from meters where held != 0") == []
    assert asyncio.run(_one(gateway)) == 200
    upstream.wait(lambda: upstream.open_connections <= 16)


async def _one(gateway: Gateway) -> int:
    async with Connection(gateway.port) as connection:
        return (await connection.post("/v1/chat/completions", chat("still here"))).status
