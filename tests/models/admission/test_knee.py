"""The limit goes to where more calls bring nothing, from above and from below, and keeps still where nothing is learned."""

import random
from collections.abc import Callable
from heapq import heappop, heappush

import pytest

from farthing.models.admission.knee import Knee, elasticity


class Engine:
    """A closed loop in its own time: always more calls waiting than are let in. `step_s` is how long a token takes when so many are at work."""

    def __init__(self, knee: Knee, step_s: Callable[[int], float], tokens: Callable[[], float]) -> None:
        self._knee, self._step_s, self._tokens = knee, step_s, tokens
        self._left: list[float] = []  # work left of each call, as the clock of work stands at its end: all go on at the same pace
        self._worked = self.now_s = 0.0

    def run(self, calls: int) -> list[int]:
        """Serve so many; the limit after each."""
        limits: list[int] = []
        for _ in range(calls):
            while len(self._left) < self._knee.limit:
                heappush(self._left, self._worked + self._tokens())
            running = len(self._left)
            until = heappop(self._left)
            self.now_s += (until - self._worked) * self._step_s(running)
            self._worked = until
            self._knee.note(1.0, self.now_s, full=True)
            limits.append(self._knee.limit)
        return limits


def hard(slots: int) -> Callable[[int], float]:
    """As quick with `slots` calls as with one; more of them share."""
    return lambda running: max(1.0, running / slots)


def varied(seed: int) -> Callable[[], float]:
    draw = random.Random(seed)
    return lambda: draw.lognormvariate(0.0, 0.5)


@pytest.mark.parametrize("most", [None, 4, 64])
def test_a_hard_knee_is_found_from_above_and_below(most: int | None) -> None:
    slots = 12
    limits = Engine(Knee(most), hard(slots), varied(1)).run(40_000)
    settled = limits[20_000:]
    least, greatest = (most, most) if most is not None and most < slots else (slots * 0.7, slots * 1.5)
    assert least * 0.7 <= min(settled)
    assert sorted(settled)[len(settled) // 2] <= greatest


def test_where_calls_slow_each_other_the_limit_stays_where_they_are_worth_it() -> None:
    """step = 1 + 0.25 n: Kleinrock's power is greatest at 4 calls; at 16 four fifths of the greatest throughput are reached."""
    limits = Engine(Knee(64), lambda running: 1 + 0.25 * running, varied(2)).run(60_000)
    assert 4 <= sorted(limits[30_000:])[15_000] <= 16


def test_an_engine_that_gains_from_every_call_keeps_all_its_slots() -> None:
    limits = Engine(Knee(8), lambda running: 1 + 0.05 * running, varied(3)).run(20_000)
    assert sorted(limits[10_000:])[5_000] == 8
    lower = sum(limit < 8 for limit in limits[10_000:]) / 10_000
    assert lower < 0.05  # looking costs next to nothing


def test_a_limit_that_nobody_waits_for_stays() -> None:
    knee = Knee(16)
    for at in range(2_000):
        knee.note(1.0, float(at), full=False)
    assert knee.limit == 16


def test_an_engine_that_says_it_is_too_much_gets_less_once_for_all_that_were_at_work() -> None:
    knee = Knee(16)
    for limit in (12, 9, 7, 6, 5, 4, 3, 2, 1, 1):
        at_work = knee.limit
        for _ in range(1 + at_work):
            knee.refused()
            assert knee.limit == limit


def test_what_refusals_took_is_soon_given_back() -> None:
    """An engine that starts anew refuses all for a while."""
    knee = Knee(8)
    for _ in range(200):
        knee.refused()
    assert knee.limit == 1
    limits = Engine(knee, lambda running: 1 + 0.05 * running, varied(4)).run(400)
    assert limits[-1] == 8


def test_elasticity() -> None:
    assert elasticity([8.0], [6.0], 8, 6) == pytest.approx(1.0)
    assert elasticity([8.0, 6.0], [7.0], 8, 6) == pytest.approx(0.0)
