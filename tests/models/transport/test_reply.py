"""Bodies: delivered as they come, held back when nobody reads, dropped when nobody wants them."""

import asyncio

import pytest

from farthing.core.errors import Upstream, UpstreamBroken
from farthing.models.transport.reply import HIGH_WATER
from tests.models.transport.rig import Gate, serving, settle
from tests.reliability import fault_scripts as play
from tests.reliability.fault_scripts import ANSWER, CHUNK, DONE, STOP, Talk

PIECE = b"data: " + b"x" * 16_000 + b"\n\n"
ONE_READ = 256 * 1024  # asyncio takes at most this much off a socket at once


async def endless(talk: Talk) -> None:
    await talk.head(b"content-type: text/event-stream", b"transfer-encoding: chunked")
    for _ in range(2000):
        await talk.chunk(PIECE)
    await talk.send(b"0\r\n\r\n")


def test_a_piece_is_handed_out_before_the_next_one_exists() -> None:
    rest = Gate(lambda talk: talk.send(STOP + DONE))

    async def in_two_parts(talk: Talk) -> None:
        await talk.head(b"content-type: text/event-stream", b"content-length: %d" % len(CHUNK + STOP + DONE))
        await talk.send(CHUNK)
        await rest(talk)

    async def run() -> None:
        async with serving(in_two_parts) as rig:
            reply = await rig.ask()
            assert await reply.next() == CHUNK
            rest.open()
            assert [piece async for piece in reply] == [STOP + DONE]

    asyncio.run(run())


def test_a_service_that_writes_faster_than_the_reader_is_held_back() -> None:
    async def run() -> None:
        async with serving(endless) as rig:
            reply = await rig.ask()
            while reply.buffered <= HIGH_WATER:
                await asyncio.sleep(0)
            await settle(500)
            assert reply.buffered <= HIGH_WATER + ONE_READ
            assert sum([len(piece) async for piece in reply]) == 2000 * len(PIECE)
            assert rig.pool.connections == 1

    asyncio.run(run())


def test_a_silence_of_our_own_making_is_not_the_services() -> None:
    async def run() -> None:
        async with serving(endless) as rig:
            reply = await rig.ask(idle_timeout_s=0.02)
            while reply.buffered <= HIGH_WATER:
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)
            assert sum([len(piece) async for piece in reply]) == 2000 * len(PIECE)

    asyncio.run(run())


def test_reading_whole_takes_it_all() -> None:
    async def run() -> None:
        async with serving(endless) as rig:
            assert len(await (await rig.ask()).read()) == 2000 * len(PIECE)

    asyncio.run(run())


@pytest.mark.parametrize("script", [endless, play.hang_within_body])
def test_closing_hangs_up_and_whoever_still_reads_gets_an_error(script: play.Script) -> None:
    async def run() -> None:
        async with serving(script) as rig:
            reply = await rig.ask(b'{"stream":true}')
            await reply.next()
            reply.close()
            await asyncio.wait_for(rig.server.quiet(), 1)
            with pytest.raises(UpstreamBroken, match="closed before its end"):
                await reply.next()

    asyncio.run(run())


def test_a_cancelled_reader_hangs_up() -> None:
    async def run() -> None:
        async with serving(play.hang_after_head) as rig:
            reply = await rig.ask()
            reading = asyncio.ensure_future(reply.read())
            await settle()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await asyncio.wait_for(rig.server.quiet(), 1)

    asyncio.run(run())


def test_closing_after_the_end_keeps_the_connection() -> None:
    async def run() -> None:
        async with serving(play.good) as rig:
            for _ in range(3):
                reply = await rig.ask()
                assert await reply.read() == ANSWER
                reply.close()
            assert rig.server.accepted == 1

    asyncio.run(run())


def test_an_unread_reply_that_has_come_whole_does_not_hold_its_connection() -> None:
    async def run() -> None:
        async with serving(play.good, max_connections=1) as rig:
            first = await rig.ask()
            while not first.ended:
                await asyncio.sleep(0)
            assert await rig.get() == ANSWER
            assert await first.read() == ANSWER

    asyncio.run(run())


def test_the_end_is_told_once_and_to_late_comers_too() -> None:
    async def run() -> None:
        told: list[Upstream | None] = []
        async with serving(play.good) as rig:
            reply = await rig.ask()
            reply.watch(told.append)
            await reply.read()
            assert told == [None]
            reply.watch(told.append)
            assert told == [None, None]
        async with serving(play.close_within_body) as rig:
            broken = await rig.ask()
            broken.watch(told.append)
            with pytest.raises(UpstreamBroken):
                await broken.read()
            assert told[2:] == [broken.error]
        async with serving(play.hang_within_body) as rig:
            unwanted = await rig.ask()
            unwanted.watch(told.append)
            unwanted.close()
            assert len(told) == 3

    asyncio.run(run())


def test_what_came_before_nonsense_in_the_same_packet_is_delivered() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    async def run() -> None:
        async with serving(play.raw(head + b"5\r\n:ok\n\n\r\nnonsense\r\n")) as rig:
            reply = await rig.ask()
            assert await reply.next() == b":ok\n\n"
            with pytest.raises(UpstreamBroken, match=r"does not speak HTTP/1\.1"):
                await reply.next()

    asyncio.run(run())
