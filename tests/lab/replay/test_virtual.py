"""Time off a log: order, timeouts, faults."""

import asyncio

import pytest

from farthing.lab.replay.virtual import VirtualLoop


def test_things_happen_in_order_and_at_their_time() -> None:
    loop, seen = VirtualLoop(100.0), list[tuple[str, float]]()

    async def wait(name: str, seconds: float) -> None:
        await loop.until(loop.time() + seconds)
        seen.append((name, loop.time()))

    def arrive(name: str, seconds: float) -> None:
        loop.create_task(wait(name, seconds))

    loop.play([(100.0, lambda: arrive("slow", 5.0)), (101.0, lambda: arrive("quick", 1.0)), (102.0, lambda: arrive("at once", 0.0))])
    assert seen == [("quick", 102.0), ("at once", 102.0), ("slow", 105.0)]


def test_an_arrival_in_the_past_happens_now() -> None:
    loop, seen = VirtualLoop(100.0), list[float]()
    loop.play([(90.0, lambda: seen.append(loop.time())), (80.0, lambda: seen.append(loop.time()))])
    assert seen == [100.0, 100.0]


def test_timeouts_ring_in_the_log_s_time() -> None:
    loop, seen = VirtualLoop(0.0), list[float]()

    async def impatient() -> None:
        try:
            async with asyncio.timeout(2.0):
                await loop.until(50.0)
        except TimeoutError:
            seen.append(loop.time())

    loop.play([(1.0, lambda: loop.create_task(impatient()) and None)])
    assert seen == [3.0]


def test_what_breaks_in_a_task_is_raised() -> None:
    loop = VirtualLoop(0.0)

    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop.play([(0.0, lambda: loop.create_task(broken()) and None), (1.0, lambda: None)])
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_work_for_a_thread_is_done_at_once_and_its_fault_goes_to_whoever_waits() -> None:
    loop, seen = VirtualLoop(0.0), list[object]()

    async def ask() -> None:
        seen.append(await asyncio.get_running_loop().run_in_executor(None, max, 1, 2))
        try:
            await asyncio.get_running_loop().run_in_executor(None, int, "no number")
        except ValueError:
            seen.append(loop.time())

    loop.play([(7.0, lambda: loop.create_task(ask()) and None)])
    assert seen == [2, 7.0]
