"""Single flight: one leader, any number of followers."""

import asyncio

import pytest

from farthing.brain.cache import Flights, LeaderLost
from farthing.core.call import Call
from farthing.core.errors import UpstreamBroken
from farthing.core.exchange import Target
from farthing.core.request import Dialect

CALL = Call("openai", "m", Dialect.CHAT, b"{}", True, 1.0, "req_1")
TARGET = Target("openai", "m", "cheap")


async def read(flight: object) -> list[bytes]:
    return [piece async for piece in flight.pieces()]  # type: ignore[attr-defined]


def test_every_follower_reads_every_piece_however_late_it_boards() -> None:
    async def main() -> None:
        flights = Flights()
        flight = flights.lead(b"k")
        early = asyncio.create_task(read(flight))
        await asyncio.sleep(0)
        flight.depart(CALL, TARGET)
        flight.publish(b"a")
        late = asyncio.create_task(read(flight))
        await asyncio.sleep(0)
        flight.publish(b"b")
        flights.end(flight)
        assert await early == await late == [b"a", b"b"]
        assert await flight.departed() == (Dialect.CHAT, True, TARGET)
        assert flights.get(b"k") is None

    asyncio.run(main())


def test_followers_meet_the_leaders_error_where_the_leader_met_it() -> None:
    async def main() -> None:
        flights = Flights()
        flight = flights.lead(b"k")
        flight.depart(CALL, TARGET)
        flight.publish(b"a")
        flights.end(flight, UpstreamBroken("cut"))
        pieces = aiter(flight.pieces())
        assert await anext(pieces) == b"a"
        with pytest.raises(UpstreamBroken):
            await anext(pieces)

    asyncio.run(main())


def test_a_flight_that_never_left_sends_its_followers_on_their_own_way() -> None:
    async def main() -> None:
        flights = Flights()
        flight = flights.lead(b"k")
        flights.end(flight, LeaderLost("gone"))
        with pytest.raises(LeaderLost):
            await flight.departed()

    asyncio.run(main())


def test_the_last_follower_to_leave_ends_a_flight_without_a_leader() -> None:
    flight = Flights().lead(b"k")
    ended = []
    flight.board()
    flight.board()
    flight.on_abandoned = lambda: ended.append(True)
    flight.leave()
    assert not ended
    flight.leave()
    assert ended == [True]


def test_an_old_flight_does_not_take_a_new_one_off_the_board() -> None:
    flights = Flights()
    old = flights.lead(b"k")
    flights.end(old)
    new = flights.lead(b"k")
    flights.end(old)
    assert flights.get(b"k") is new
