"""Places are given back however calls end, who hangs up leaves the line, and a deadline ends the wait."""

import asyncio

import pytest

from farthing.core.engine import Crowd
from farthing.core.errors import UpstreamBusy, UpstreamUnreachable
from farthing.models.admission.places import Places
from farthing.models.admission.room import Room, Seat
from tests.models.transport.rig import settle

LONG_S = 1000.0


class Clock:
    """Of the loop, and then some: moved on by hand."""

    def __init__(self) -> None:
        self.more_s = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.more_s


def room_of(limit: int, clock: Clock | None = None, *, measured: bool = False) -> Room:
    return Room("service 's'", Places(limit, measured=measured), clock or Clock())


async def enter(room: Room, *, wait_s: float = LONG_S, patient: bool = False) -> Seat:
    return await room.enter((), asyncio.get_running_loop().time() + wait_s, patient=patient)


def asking(room: Room, **options: float) -> asyncio.Task[Seat]:
    return asyncio.ensure_future(enter(room, wait_s=options.get("wait_s", LONG_S), patient=bool(options.get("patient"))))


def test_places_are_taken_and_given_back_once() -> None:
    async def run() -> None:
        clock = Clock()
        room = room_of(2, clock)
        first, second = await enter(room), await enter(room)
        third, fourth = asking(room), asking(room)
        await settle()
        assert room.crowd == Crowd(2, 2, 2)
        clock.more_s = 3.0
        first.leave()
        first.leave()
        assert (await third).waited_s == pytest.approx(3.0, abs=0.5)
        assert room.crowd == Crowd(2, 1, 2)
        assert not fourth.done()
        for seat in (second, third.result()):
            seat.leave()
        (await fourth).leave()
        assert room.crowd == Crowd(0, 0, 2)

    asyncio.run(run())


def test_people_go_before_batches() -> None:
    async def run() -> None:
        room = room_of(1)
        seat = await enter(room)
        patient = asking(room, patient=True)
        await settle()
        other = asking(room)
        await settle()
        seat.leave()
        await settle()
        assert (patient.done(), other.done()) == (False, True)
        other.result().leave()
        (await patient).leave()

    asyncio.run(run())


def test_who_hangs_up_leaves_the_line_and_gives_back_what_it_had_just_got() -> None:
    async def run() -> None:
        room = room_of(1)
        seat = await enter(room)
        waiting, next_one, last = asking(room), asking(room), asking(room)
        await settle()
        waiting.cancel()
        await settle()
        assert room.crowd == Crowd(1, 2, 1)
        seat.leave()  # the place is the second one's now, which hangs up before it knows
        next_one.cancel()
        await settle()
        assert next_one.cancelled()
        assert room.crowd == Crowd(1, 0, 1)
        (await last).leave()
        assert room.crowd == Crowd(0, 0, 1)

    asyncio.run(run())


def test_a_newcomer_does_not_wait_behind_one_who_has_gone() -> None:
    async def run() -> None:
        room = room_of(1)
        seat = await enter(room)
        waiting = asking(room)
        await settle()
        waiting.cancel()
        seat.leave()
        (await enter(room)).leave()

    asyncio.run(run())


def test_a_deadline_ends_the_wait() -> None:
    async def run() -> None:
        room = room_of(1)
        seat = await enter(room)
        with pytest.raises(UpstreamBusy, match=r"its 1 places stayed taken until the request's deadline. Raise `at_once`"):
            await enter(room, wait_s=0.0)
        assert room.crowd == Crowd(1, 0, 1)
        seat.leave()

    asyncio.run(run())


def test_a_room_that_is_closed_sends_everyone_away() -> None:
    async def run() -> None:
        room = room_of(1)
        await enter(room)
        waiting = asking(room)
        await settle()
        room.close()
        with pytest.raises(UpstreamUnreachable, match="no longer in use"):
            await waiting
        with pytest.raises(UpstreamUnreachable, match="no longer in use"):
            await enter(room)

    asyncio.run(run())


def test_an_engine_that_refuses_for_its_load_gets_less() -> None:
    async def run() -> None:
        room = room_of(8, measured=True)
        assert room.limit == 8
        room.refused()
        assert room.limit == 6
        fixed = room_of(8)
        fixed.refused()
        assert fixed.limit == 8

    asyncio.run(run())


def test_a_measured_limit_moves_under_load_alone() -> None:
    """An engine that computes one call after the other, whatever it is given."""

    async def run() -> None:
        clock = Clock()
        room = room_of(8, clock, measured=True)
        seats: list[Seat] = []
        waiting = [asking(room) for _ in range(20)]
        lowest = 8
        for _ in range(6000):
            await asyncio.sleep(0)
            seats += [task.result() for task in waiting if task.done()]
            waiting = [task for task in waiting if not task.done()]
            waiting += [asking(room) for _ in range(20 - len(waiting))]
            clock.more_s += 1.0
            if seats:
                seats.pop(0).leave(1.0)
            lowest = min(lowest, room.limit)
        assert lowest <= 3
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(run())
