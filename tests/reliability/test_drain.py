"""R8: SIGTERM cuts no stream, refuses newcomers at once, and ends within the grace time."""

import asyncio
import json
import time

import pytest

from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import Gateway, poll, sse_events
from tests.fakes.http_client import Connection, chat
from tests.fakes.upstream import FakeUpstream
from tests.reliability.conftest import StartGateway

WORDS = 40
GRACE_S = 20.0


def _refused(gateway: Gateway) -> bool:
    try:
        gateway.get("/healthz")
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


async def _stream(gateway: Gateway, number: int, started: asyncio.Semaphore) -> bytes:
    async with Connection(gateway.port) as connection:
        model = "claude-haiku-4-5" if number % 3 == 0 else "gpt-4o-mini"
        path = "/v1/messages" if number % 2 else "/v1/chat/completions"
        body = chat(f"slow:50 words:{WORDS} {number}", stream=True, model=model, max_tokens=200)
        await connection.send("POST", path, _json(body))
        status, headers = await connection.head()
        assert status == 200
        received = b""
        async for piece in connection.pieces(headers):
            if not received:
                started.release()
            received += piece
        return received


def _json(fields: object) -> bytes:
    return json.dumps(fields).encode()


async def _drain(gateway: Gateway, count: int) -> tuple[int, float, float]:
    """Streams cut, seconds until newcomers were refused, seconds until the process had gone."""
    started = asyncio.Semaphore(0)
    streams = [asyncio.create_task(_stream(gateway, number, started)) for number in range(count)]
    for _ in range(count):
        await asyncio.wait_for(started.acquire(), 30)
    assert gateway.process is not None
    begun = time.monotonic()
    gateway.process.terminate()
    refused_s = await asyncio.to_thread(poll, lambda: _refused(gateway), 5.0, "refusal of new connections")
    results = await asyncio.gather(*streams, return_exceptions=True)
    code = await asyncio.to_thread(gateway.process.wait, GRACE_S + 5)
    assert code == 0, gateway.log
    return sum(not _whole(result) for result in results), refused_s, time.monotonic() - begun


def _whole(result: bytes | BaseException) -> bool:
    if isinstance(result, BaseException):
        return False
    text = "".join(data for _, data in sse_events(result))
    return all(f"word{number}" in text for number in range(WORDS)) and ("[DONE]" in text or "message_stop" in text)


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_cuts_no_stream(start_gateway: StartGateway, upstream: FakeUpstream, workers: int) -> None:
    count = rounds(50)
    gateway = start_gateway(f"[server]\ngrace_s = {GRACE_S}", workers=workers)
    cut, refused_s, exit_s = asyncio.run(_drain(gateway, count))
    figure(
        "R8 drain", f"{cut} of {count} streams cut, newcomers refused after {refused_s * 1000:.0f} ms, exit after {exit_s:.1f} s ({workers} workers)"
    )
    assert cut == 0
    assert exit_s < GRACE_S
    rows = gateway.rows()
    assert [row["outcome"] for row in rows] == ["ok"] * count
    assert len(upstream.calls()) == count


def test_the_grace_time_ends(start_gateway: StartGateway) -> None:
    gateway = start_gateway("[server]\ngrace_s = 0.5")

    async def main() -> tuple[bytes, float]:
        started = asyncio.Semaphore(0)
        async with Connection(gateway.port) as connection:
            await connection.send("POST", "/v1/chat/completions", _json(chat("slow:100 words:600", stream=True)))
            _, headers = await connection.head()
            received = b""
            begun = 0.0
            try:
                async for piece in connection.pieces(headers):
                    if not received:
                        begun = time.monotonic()
                        gateway.process.terminate()
                    received += piece
            except ConnectionError:
                started.release()
            code = await asyncio.to_thread(gateway.process.wait, 10)
            assert code == 0
            return received, time.monotonic() - begun

    _, seconds = asyncio.run(main())
    figure("R8 grace", f"exit {seconds - 0.5:.2f} s after a grace time of 0.5 s that one stream outlived")
    rows = gateway.rows()
    assert len(rows) == 1
    assert rows[0]["outcome"] in ("interrupted", "truncated", "client_closed")
