"""What a connection does about bodies that come at once, clients that wait to be asked, and clients that stall."""

import asyncio
from typing import Any

from farthing.edge.replies import send_json
from tests.edge.connection import connect, settled

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"


async def _answer_at_once(_scope: Any, _receive: Any, send: Any) -> None:
    await send_json(send, 401, {})


async def _read_then_answer(_scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send_json(send, 200, {})


def test_a_hang_up_is_heard_behind_a_large_body_that_came_at_once() -> None:
    """Reading is held back above 64 KiB; who takes the body must let it go on, or the end of the connection is never read."""

    async def main() -> None:
        asked = asyncio.Event()

        async def hold(_scope: Any, receive: Any, _send: Any) -> None:
            message = await receive()
            assert (len(message["body"]), message["more_body"]) == (100_000, False)
            asked.set()
            await asyncio.Event().wait()

        protocol, transport = connect(hold)
        protocol.data_received(HEAD % 100_000 + b"\r\n" + b"x" * 100_000)
        assert not transport.reading
        await asked.wait()
        assert transport.reading

    asyncio.run(main())


def test_a_client_that_was_refused_before_it_was_asked_to_continue_may_not_go_on_here() -> None:
    """It will not send the body now, so what it sends next on this connection could be read as that body."""

    async def main() -> None:
        protocol, transport = connect(_answer_at_once)
        protocol.data_received(HEAD % 10 + b"Expect: 100-continue\r\n\r\n")
        await settled()
        assert transport.written.startswith(b"HTTP/1.1 401")
        assert b"100 Continue" not in transport.written
        assert b"connection: close" in transport.written
        assert transport.closed

    asyncio.run(main())


def test_a_client_that_was_asked_to_continue_keeps_its_connection() -> None:
    async def main() -> None:
        protocol, transport = connect(_read_then_answer)
        protocol.data_received(HEAD % 2 + b"Expect: 100-continue\r\n\r\n")
        await settled()
        assert transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
        protocol.data_received(b"{}")
        await settled()
        assert b"HTTP/1.1 200" in transport.written
        assert not transport.closed

    asyncio.run(main())


def test_a_body_that_stops_coming_is_closed_and_one_that_comes_slowly_is_not() -> None:
    async def main() -> None:
        protocol, transport = connect(_read_then_answer)
        start_s = protocol.loop.time()
        protocol.data_received(HEAD % 10 + b"\r\n" + b"1")
        protocol.close_if_slow(start_s + 5.0, 10.0)
        assert not transport.is_closing()
        protocol.close_if_slow(start_s + 11.0, 10.0)
        assert transport.is_closing()

    asyncio.run(main())


def test_a_request_that_is_whole_may_take_as_long_as_it_takes() -> None:
    async def main() -> None:
        never = asyncio.Event()

        async def hold(_scope: Any, receive: Any, _send: Any) -> None:
            await receive()
            await never.wait()

        protocol, transport = connect(hold)
        protocol.data_received(HEAD % 10 + b"\r\n" + b"1234567890")
        await settled()
        protocol.close_if_slow(protocol.loop.time() + 1000.0, 10.0)
        assert not transport.is_closing()

    asyncio.run(main())


def test_a_client_that_stops_reading_is_let_go() -> None:
    """What it was sent stays unread, so closing would wait for ever; and its request holds a place, a budget and an upstream call."""

    async def main() -> None:
        protocol, transport = connect(_read_then_answer)
        protocol.pause_writing()
        now_s = protocol.loop.time()
        protocol.close_if_slow(now_s + 30.0, 10.0)
        assert not transport.aborted
        protocol.resume_writing()
        protocol.pause_writing()
        protocol.close_if_slow(now_s + 61.0, 200.0)
        assert transport.aborted

    asyncio.run(main())
