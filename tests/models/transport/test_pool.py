"""Connections: kept, shared out, queued for, noticed when stale, and let go."""

import asyncio

import pytest

from farthing.core.errors import UpstreamBusy, UpstreamTimeout, UpstreamUnreachable
from farthing.models.transport import Origin, Pool
from tests.models.transport.rig import Gate, post, serving, settle
from tests.reliability import fault_scripts as play
from tests.reliability.fault_scripts import ANSWER, Talk


async def tell_connection(talk: Talk) -> None:
    await talk.reply(b"%d" % talk.connection)


async def once_per_connection(talk: Talk) -> None:
    """Keeps quiet about closing: the second request on a connection finds it dead."""
    if talk.turn > 1:
        talk.writer.close()
    else:
        await tell_connection(talk)


def test_one_connection_serves_requests_in_a_row() -> None:
    async def run() -> None:
        async with serving(tell_connection) as rig:
            assert [await rig.get() for _ in range(20)] == [b"1"] * 20
            assert (rig.server.accepted, rig.pool.connections) == (1, 1)

    asyncio.run(run())


def test_the_connection_used_last_is_used_next() -> None:
    async def run() -> None:
        async with serving(tell_connection) as rig:
            await asyncio.gather(rig.get(), rig.get(), rig.get())
            assert rig.server.accepted == 3
            assert len({await rig.get() for _ in range(10)}) == 1

    asyncio.run(run())


def test_no_more_connections_than_allowed_and_the_rest_wait_in_order() -> None:
    async def run() -> None:
        gate = Gate(tell_connection)
        async with serving(gate, max_connections=2) as rig:
            order: list[int] = []

            async def ask(number: int) -> float:
                reply = await rig.ask()
                order.append(number)
                return reply.queue_s

            asking = [asyncio.ensure_future(ask(number)) for number in range(6)]
            await gate.wait_for(2)
            await settle()
            assert (gate.arrived, rig.pool.connections) == (2, 2)
            for _ in range(6):
                gate.open()
                await settle()
            queues = await asyncio.gather(*asking)
            assert order == sorted(order)
            assert queues[:2] == [0.0, 0.0]
            assert all(queue_s > 0 for queue_s in queues[2:])
            assert rig.server.accepted == 2

    asyncio.run(run())


def test_the_nearest_deadline_goes_first_and_background_calls_last() -> None:
    async def run() -> None:
        gate = Gate(tell_connection)
        async with serving(gate, max_connections=1) as rig:
            order: list[str] = []

            async def ask(name: str, **options: float) -> None:
                await rig.get(**options)
                order.append(name)

            asking = [asyncio.ensure_future(ask("first"))]
            await gate.wait_for(1)
            for name, options in (("patient", {"patient": True, "deadline_s": 8}), ("late", {"deadline_s": 60}), ("soon", {"deadline_s": 9})):
                asking.append(asyncio.ensure_future(ask(name, **options)))
            await settle()
            for _ in asking:
                gate.open()
                await settle()
            await asyncio.gather(*asking)
            assert order == ["first", "soon", "late", "patient"]

    asyncio.run(run())


def test_a_wait_ends_at_the_deadline_and_costs_no_slot() -> None:
    async def run() -> None:
        gate = Gate(tell_connection)
        async with serving(gate, max_connections=1) as rig:
            first = asyncio.ensure_future(rig.get())
            await gate.wait_for(1)
            with pytest.raises(UpstreamBusy, match="max_connections"):
                await rig.ask(deadline_s=0.01)
            gate.open(2)
            assert await first == b"1"
            assert await rig.get() == b"1"

    asyncio.run(run())


def test_a_cancelled_wait_passes_its_turn_on() -> None:
    async def run() -> None:
        gate = Gate(tell_connection)
        async with serving(gate, max_connections=1) as rig:
            first, second, third = (asyncio.ensure_future(rig.get()) for _ in range(3))
            await gate.wait_for(1)
            second.cancel()
            gate.open(2)
            assert [await first, await third] == [b"1", b"1"]
            assert second.cancelled()

    asyncio.run(run())


def test_a_turn_given_to_a_task_that_is_cancelled_right_then_is_not_lost() -> None:
    rest = Gate(lambda talk: talk.send(b"}"))

    async def in_two_parts(talk: Talk) -> None:
        await talk.head(b"content-length: 2")
        await talk.send(b"{")
        await rest(talk)

    async def run() -> None:
        async with serving(in_two_parts, max_connections=1) as rig:
            loop = asyncio.get_running_loop()
            first, second = await rig.ask(), asyncio.ensure_future(rig.get())
            await settle()
            # Runs after the pool has given the connection to `second`, and before `second` knows.
            first.watch(lambda _: loop.call_soon(second.cancel))
            rest.open(3)
            assert await first.read() == b"{}"
            await asyncio.gather(second, return_exceptions=True)
            assert second.cancelled()
            assert rig.server.requests == 1
            assert await rig.get() == b"{}"

    asyncio.run(run())


def test_a_connection_that_breaks_gives_its_slot_to_the_next_in_line() -> None:
    async def run() -> None:
        gate = Gate(play.reset_before_head)
        async with serving(gate, max_connections=1) as rig:
            asking = [asyncio.ensure_future(rig.get()) for _ in range(3)]
            await gate.wait_for(1)
            gate.open(3)
            errors = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(error) for error in errors] == [UpstreamUnreachable] * 3
            assert rig.server.accepted == 3

    asyncio.run(run())


def test_a_stale_connection_is_replaced_without_a_word() -> None:
    async def run() -> None:
        async with serving(once_per_connection) as rig:
            assert [await rig.get() for _ in range(3)] == [b"1", b"2", b"3"]
            assert rig.server.requests == 5

    asyncio.run(run())


def test_a_stale_connection_is_replaced_when_no_other_is_allowed() -> None:
    async def run() -> None:
        async with serving(once_per_connection, max_connections=1) as rig:
            assert [await rig.get() for _ in range(3)] == [b"1", b"2", b"3"]

    asyncio.run(run())


def test_a_request_is_sent_anew_only_once() -> None:
    async def dead_after_first(talk: Talk) -> None:
        await (tell_connection(talk) if (talk.connection, talk.turn) == (1, 1) else play.close_before_head(talk))

    async def run() -> None:
        async with serving(dead_after_first) as rig:
            await rig.get()
            with pytest.raises(UpstreamUnreachable):
                await rig.ask()
            assert rig.server.requests == 3

    asyncio.run(run())


def test_a_fresh_connection_that_dies_is_not_replaced_silently() -> None:
    async def run() -> None:
        async with serving(play.close_before_head) as rig:
            with pytest.raises(UpstreamUnreachable, match="without an answer"):
                await rig.ask()
            assert rig.server.requests == 1

    asyncio.run(run())


def test_a_reused_connection_that_dies_within_a_head_is_not_replaced() -> None:
    async def half(talk: Talk) -> None:
        await (tell_connection(talk) if talk.turn == 1 else play.close_within_head(talk))

    async def run() -> None:
        async with serving(half) as rig:
            await rig.get()
            with pytest.raises(Exception, match="within the head"):
                await rig.ask()
            assert rig.server.requests == 2

    asyncio.run(run())


def test_an_idle_connection_that_the_service_closes_is_noticed() -> None:
    async def answer_and_leave(talk: Talk) -> None:
        await tell_connection(talk)
        talk.writer.close()

    async def run() -> None:
        async with serving(answer_and_leave) as rig:
            assert await rig.get() == b"1"
            await rig.server.quiet()
            await settle()
            assert rig.pool.connections == 0
            assert await rig.get() == b"2"
            assert rig.server.requests == 2

    asyncio.run(run())


def test_a_connection_marked_for_closing_is_not_kept() -> None:
    async def last_one(talk: Talk) -> None:
        await talk.reply(b"%d" % talk.connection, b"connection: close")

    async def run() -> None:
        async with serving(last_one) as rig:
            assert [await rig.get() for _ in range(3)] == [b"1", b"2", b"3"]
            assert rig.server.requests == 3

    asyncio.run(run())


def test_an_answer_nobody_asked_for_reaches_nobody() -> None:
    async def run() -> None:
        async with serving(play.smuggled_second_answer) as rig:
            assert [await rig.get() for _ in range(3)] == [ANSWER] * 3
            assert rig.server.accepted == 3

    asyncio.run(run())


def test_bytes_on_an_idle_connection_close_it() -> None:
    async def answer_then_babble(talk: Talk) -> None:
        await tell_connection(talk)
        await asyncio.sleep(0.01)
        await talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")

    async def run() -> None:
        async with serving(answer_then_babble) as rig:
            assert await rig.get() == b"1"
            await rig.server.quiet()
            assert await rig.get() == b"2"

    asyncio.run(run())


def test_warming_leaves_a_connection_for_the_first_request() -> None:
    async def run() -> None:
        async with serving(tell_connection) as rig:
            await rig.pool.warm(asyncio.get_running_loop().time() + 5)
            assert rig.pool.connections == 1
            await rig.get()
            assert rig.pool.connections == 1

    asyncio.run(run())


def test_draining_lets_a_reply_end_and_closes_the_rest() -> None:
    async def run() -> None:
        gate = Gate(tell_connection)
        async with serving(gate, max_connections=2) as rig:
            first, second = asyncio.ensure_future(rig.get()), asyncio.ensure_future(rig.get())
            await gate.wait_for(2)
            gate.open()
            await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
            rig.pool.drain()
            await settle()
            assert rig.pool.connections == 1
            gate.open()
            assert sorted([await first, await second]) == [b"1", b"2"]
            await settle()
            assert rig.pool.connections == 0

    asyncio.run(run())


def test_closing_ends_replies_waits_and_later_requests_with_an_error() -> None:
    async def run() -> None:
        gate = Gate(tell_connection)
        async with serving(gate, max_connections=1) as rig:
            asking = [asyncio.ensure_future(rig.get()) for _ in range(2)]
            await gate.wait_for(1)
            await rig.pool.close()
            gate.open()
            errors = await asyncio.gather(*asking, return_exceptions=True)
            assert all(isinstance(error, Exception) and "stops" in str(error) for error in errors)
            with pytest.raises(UpstreamUnreachable, match="no longer in use"):
                await rig.ask()

    asyncio.run(run())


def test_a_cancelled_request_hangs_up() -> None:
    async def run() -> None:
        async with serving(play.hang_before_head) as rig:
            asking = asyncio.ensure_future(rig.get())
            while not rig.server.requests:
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await asyncio.wait_for(rig.server.quiet(), 1)
            await settle()
            assert rig.pool.connections == 0

    asyncio.run(run())


def test_timeouts_name_their_setting() -> None:
    async def run() -> None:
        async with serving(play.hang_before_head) as rig:
            with pytest.raises(UpstreamTimeout, match="first_byte_timeout_s"):
                await rig.ask(first_byte_timeout_s=0.01)
        async with serving(play.hang_after_head) as rig:
            reply = await rig.ask(idle_timeout_s=0.01)
            with pytest.raises(UpstreamTimeout, match="idle_timeout_s"):
                await reply.read()
        async with serving(play.hang_before_head) as rig:
            with pytest.raises(UpstreamTimeout, match="deadline"):
                await rig.ask(deadline_s=0.01)

    asyncio.run(run())


def test_a_large_request_arrives_whole() -> None:
    async def run() -> None:
        async with serving(play.good) as rig:
            assert await rig.get(b"x" * (5 << 20)) == ANSWER
            assert await rig.get() == ANSWER
            assert rig.server.accepted == 1

    asyncio.run(run())


def test_an_answer_to_a_request_that_is_still_being_sent_ends_the_connection() -> None:
    async def refuse_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}")
        await asyncio.gather(reader.read(), return_exceptions=True)
        writer.close()

    async def run() -> None:
        listener = await asyncio.start_server(refuse_early, "127.0.0.1", 0)
        pool = Pool(Origin("s", "127.0.0.1", listener.sockets[0].getsockname()[1]), max_connections=2)
        reply = await post(pool, b"x" * (30 << 20))
        assert (reply.status, await reply.read()) == (413, b"{}")
        await settle()
        assert pool.connections == 0
        listener.close()
        await listener.wait_closed()

    asyncio.run(run())
