"""The measured limits find the knee of a service, and leave interactive calls alone."""

import random

from farthing.brain.batch.pace import Courtesy, Knee, Pace, time_of_work
from farthing.core.clock import FrozenClock


def service_s(in_flight: float, slots: int) -> float:
    """A service that is as quick with `slots` calls as with one, and makes the rest wait."""
    return max(1.0, in_flight / slots)


def test_the_knee_is_found_from_both_sides() -> None:
    for start in (2.0, 60.0):
        knee = Knee(64, start)
        knee.note(1.0, 1)
        for _ in range(3000):
            knee.note(service_s(knee.limit, 16), int(knee.limit))
        assert 12 <= knee.limit <= 32, start


def test_a_limit_that_is_not_used_stays() -> None:
    knee = Knee(64, 8.0)
    for _ in range(160):
        knee.note(1.0, 1)
    assert knee.limit == 8.0


def test_overload_halves() -> None:
    knee = Knee(64, 32.0)
    knee.failed()
    assert knee.limit == 16
    for _ in range(20):
        knee.failed()
    assert knee.limit == 1


def test_interactive_calls_that_get_slower_push_background_work_back() -> None:
    clock = FrozenClock()
    courtesy = Courtesy(32, 0.1, clock.monotonic)
    for _ in range(64):
        courtesy.note(1.0, 0)
    for _ in range(32 * 20):
        running = max(1, courtesy.now)
        courtesy.note(1 + 0.02 * running, running)  # 2 % slower for each item beside it
    assert 1 <= courtesy.limit <= 3.5  # 0.1 of room, half of it at the median: 2.5 items
    for _ in range(32 * 60):
        courtesy.note(1.0, max(1, courtesy.now))
    assert courtesy.limit == 32


def test_where_one_item_is_too_many_it_runs_in_pauses() -> None:
    clock = FrozenClock()
    courtesy = Courtesy(32, 0.1, clock.monotonic)
    for _ in range(32):
        courtesy.note(1.0, 0)
    for _ in range(32 * 4):
        courtesy.note(2.0, 1)
    assert courtesy.limit < 1
    assert courtesy.now == 0
    clock.advance(1 / courtesy.limit + 0.01 if courtesy.limit > 0.25 else 4.9)
    assert courtesy.now == (1 if courtesy.limit > 0.25 else 0)
    clock.advance(5)
    assert courtesy.now == 32  # nobody is there to be slowed


def test_room_is_what_interactive_calls_leave() -> None:
    clock = FrozenClock()
    pace = Pace(most=32, room=0.1, monotonic=clock.monotonic)
    assert pace.room(None, 0, 0) == 32
    assert pace.room(None, 30, 0) == 2
    pace.background = 8
    pace.background_ended("engine", 1.0, overloaded=False)
    assert pace.room("engine", 0, 0) == 8  # where the knee begins
    assert pace.room("engine", 0, 6) == 2
    assert pace.room("engine", 0, 20) == 0
    pace.background_ended("engine", None, overloaded=True)
    assert pace.limits() == {"engine": 4.0}
    pace.interactive_ended(1.0)
    assert pace.room("other", 0, 0) == 2  # courtesy begins low


def test_long_answers_are_no_slow_ones() -> None:
    assert time_of_work(2.0, 32) == 1.0
    assert time_of_work(2.0, None) == 2.0


def test_a_machine_that_is_busy_by_itself_does_not_starve_background_work() -> None:
    clock, draw = FrozenClock(), random.Random(5)
    courtesy = Courtesy(32, 0.1, clock.monotonic)
    ran = 0
    for _ in range(20_000):
        clock.advance(0.04)
        running = courtesy.now
        ran += running
        noise = draw.expovariate(20) + (draw.random() < 0.05) * draw.random()  # now and then a call takes much longer, whatever runs
        courtesy.note(1 + noise, running)
    assert ran / 20_000 > 4


def test_it_comes_back_after_it_was_pushed_out() -> None:
    clock = FrozenClock()
    courtesy = Courtesy(32, 0.1, clock.monotonic)
    for _ in range(32 * 8):
        courtesy.note(1.0, 0)
    for _ in range(32 * 8):
        courtesy.note(3.0, 1)
    assert courtesy.limit < 1
    for _ in range(32 * 12):
        courtesy.note(1.0, 0)
    assert courtesy.now == 1
