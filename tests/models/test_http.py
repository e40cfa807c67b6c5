"""A service over HTTP, one try at a time: what its replies and errors carry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from farthing.config import Service
from farthing.core.call import Call
from farthing.core.clock import FrozenClock
from farthing.core.errors import UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from farthing.core.request import Dialect
from farthing.models.http import HttpBackend, retry_after_s
from tests.reliability import fault_scripts as play
from tests.reliability.fault_scripts import ANSWER, CHUNK, Script, Talk
from tests.reliability.fault_server import Fault, FaultServer

KEY = "sk-canary-0123456789"


@asynccontextmanager
async def backend(script: Script, environ: dict[str, str] | None = None, **row: str | None) -> AsyncIterator[HttpBackend]:
    async with FaultServer(Fault(None, None, script)) as server:
        service = Service(base_url=server.base_url, **row)
        made = HttpBackend("s", service, clock=FrozenClock(), environ=environ or {})
        yield made
        await made.close()


def call(*, stream: bool = False, deadline_s: float = 5.0) -> Call:
    body = b'{"stream":true}' if stream else b"{}"
    return Call("s", "m", Dialect.CHAT, body, stream, FrozenClock().monotonic() + deadline_s, "req_1")


@pytest.mark.parametrize("header", [b"x-request-id: req_upstream", b"request-id: req_upstream"])
def test_a_reply_names_the_services_own_request(header: bytes) -> None:
    async def run() -> None:
        async with backend(lambda talk: talk.reply(ANSWER, header, b"content-encoding: identity")) as service:
            reply = await service.send(call())
            assert await reply.read() == ANSWER
            assert (reply.service_request_id, reply.content_type, reply.attempts, reply.queue_s) == ("req_upstream", "application/json", 1, 0.0)

    asyncio.run(run())


@pytest.mark.parametrize("kind", [b"application/json; charset=UTF-8", b"Application/JSON", b"application/problem+json"])
def test_json_comes_under_several_names(kind: bytes) -> None:
    async def run() -> None:
        async with backend(lambda talk: talk.reply(ANSWER, kind=kind)) as service:
            assert await (await service.send(call())).read() == ANSWER

    asyncio.run(run())


def test_an_answer_may_be_iterated_whole_or_streaming() -> None:
    async def run() -> None:
        async with backend(play.good) as service:
            assert b"".join([piece async for piece in await service.send(call())]) == ANSWER
            assert b"".join([piece async for piece in await service.send(call(stream=True))]).startswith(CHUNK)

    asyncio.run(run())


def test_the_head_that_a_service_sees() -> None:
    seen: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        await Talk(reader, writer, False).reply(ANSWER)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(record, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        row = Service(base_url=f"http://127.0.0.1:{port}/v1", api_key_env="K")
        service = HttpBackend("s", row, clock=FrozenClock(), environ={"K": KEY})
        await (await service.send(call())).read()
        await service.close()
        server.close()
        await server.wait_closed()
        assert seen == [
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %b\r\ncontent-type: application/json\r\n"
            b"accept-encoding: identity\r\nuser-agent: farthing\r\naccept: application/json\r\ncontent-length: 2\r\n\r\n{}" % (port, KEY.encode())
        ]

    asyncio.run(run())


def test_a_key_that_is_not_set_is_named_and_nothing_is_sent() -> None:
    async def run() -> None:
        async with backend(play.good, api_key_env="NO_SUCH_KEY") as service:
            with pytest.raises(UpstreamUnreachable, match="set NO_SUCH_KEY") as caught:
                await service.send(call())
            assert (caught.value.retry, service.connections) == (False, 0)

    asyncio.run(run())


def test_a_deadline_that_has_passed_costs_no_call() -> None:
    async def run() -> None:
        async with backend(play.good) as service:
            with pytest.raises(UpstreamTimeout, match="was not called"):
                await service.send(call(deadline_s=0.0))
            assert service.connections == 0

    asyncio.run(run())


def test_an_echoed_key_reaches_nobody() -> None:
    body = b'{"error":{"message":"wrong key: %b"}}' % KEY.encode()

    async def run() -> None:
        async with backend(play.refusal(b"401 Unauthorized", body=body), {"K": KEY}, api_key_env="K") as service:
            with pytest.raises(UpstreamRefused) as caught:
                await service.send(call())
            assert caught.value.body == b'{"error":{"message":"wrong key: [key]"}}'
            assert KEY not in caught.value.message

    asyncio.run(run())


def test_a_refusal_is_kept_byte_for_byte_with_its_type_and_wait() -> None:
    body = b"<h1>\xff busy</h1>"

    async def run() -> None:
        async with backend(play.refusal(b"429 Slow", b"retry-after: 7", body=body, kind=b"text/html")) as service:
            with pytest.raises(UpstreamRefused) as caught:
                await service.send(call(stream=True))
            error = caught.value
            assert (error.status, error.body, error.content_type, error.retry_after_s) == (429, body, "text/html", 7.0)
            assert service.connections == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"2"}, 2.0),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after-ms": b"1500", b"retry-after": b"9"}, 1.5),
        ({b"retry-after-ms": b"soon", b"retry-after": b"9"}, 9.0),
        ({b"retry-after": b"Tue, 14 Nov 2023 22:13:30 GMT"}, 10.0),
        ({b"retry-after": b"Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"-1"}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"inf"}, None),
        ({b"retry-after": b"\xff"}, None),
        ({b"retry-after": b"Tue, 99 Nov 99999 22:13:30 GMT"}, None),
    ],
)
def test_how_long_to_wait(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert retry_after_s(headers, 1_700_000_000.0) == seconds
