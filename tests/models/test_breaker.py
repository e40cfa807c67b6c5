"""The breaker: opens after failures in a row, rests, lets one probe through."""

import asyncio

import pytest

from farthing.config import Resilience
from farthing.core.clock import FrozenClock
from farthing.core.errors import RecordedAnswerMissing, Upstream, UpstreamBroken, UpstreamBusy, UpstreamResting, UpstreamTimeout, UpstreamUnreachable
from farthing.models.breaker import Breaker, RetryBudget, is_failure
from farthing.models.guard import PATIENCE_S, Guard
from tests.models.backend import FakeBackend, Pauses, call, refused, unreachable

REST_S = 5.0


class Rig:
    """A guard with a breaker that opens after three failures."""

    def __init__(self, *outcomes: Upstream | asyncio.Future[None] | None, attempts: int = 1) -> None:
        self.clock = FrozenClock()
        self.backend = FakeBackend(*outcomes)
        self.pauses = Pauses(self.clock)
        settings = Resilience(attempts=attempts, breaker_failures=3, breaker_rest_s=REST_S, retry_ratio=1.0)
        self.guard = Guard("s", self.backend, settings, clock=self.clock, sleep=self.pauses, draw=lambda: 1.0)

    def outcome(self, deadline_s: float = 30.0) -> type[Upstream] | None:
        return asyncio.run(self.outcome_now(deadline_s))

    async def outcome_now(self, deadline_s: float = 30.0) -> type[Upstream] | None:
        try:
            await self.guard.send(call(self.clock, deadline_s=deadline_s))
        except Upstream as error:
            return type(error)
        return None


def opened(*later: Upstream | asyncio.Future[None] | None) -> Rig:
    rig = Rig(unreachable())
    for _ in range(3):
        rig.outcome()
    rig.backend.outcomes = list(later) or [None]
    rig.backend.calls = 0
    return rig


def test_it_opens_after_so_many_failures_and_then_asks_nobody() -> None:
    rig = opened()
    assert rig.outcome() is UpstreamResting
    assert rig.backend.calls == 0
    assert not rig.guard.breaker.would_admit


def test_its_error_says_when_to_come_back() -> None:
    rig = opened()
    rig.clock.advance(2.0)
    with pytest.raises(UpstreamResting, match=r"Service 's' failed 3 times in a row and rests for 3\.0 s more") as caught:
        rig.guard.breaker.admit()
    assert caught.value.retry_after_s == pytest.approx(REST_S - 2.0)


def test_an_answer_between_failures_starts_the_count_again() -> None:
    rig = Rig(unreachable(), unreachable(), None, unreachable(), unreachable(), None)
    assert [rig.outcome() is None for _ in range(6)] == [False, False, True, False, False, True]
    assert rig.guard.breaker.closed


def test_after_its_rest_one_probe_decides_well() -> None:
    rig = opened(None)
    rig.clock.advance(REST_S)
    assert rig.guard.breaker.would_admit
    assert rig.outcome() is None
    assert rig.guard.breaker.closed


def test_after_its_rest_one_probe_decides_ill() -> None:
    rig = opened(unreachable())
    rig.clock.advance(REST_S)
    assert rig.outcome() is not UpstreamResting
    assert rig.outcome() is UpstreamResting
    rig.clock.advance(REST_S - 0.1)
    assert rig.outcome() is UpstreamResting
    assert rig.backend.calls == 1
    rig.clock.advance(0.1)
    rig.outcome()
    assert rig.backend.calls == 2


def test_only_one_probe_at_a_time() -> None:
    async def many() -> tuple[list[type[Upstream] | None], int]:
        gate = asyncio.get_running_loop().create_future()
        rig.backend.outcomes = [gate]
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, gate.set_result, None)
        return list(await asyncio.gather(*(rig.outcome_now() for _ in range(5)))), rig.backend.calls

    rig = opened()
    rig.clock.advance(REST_S)
    outcomes, calls = asyncio.run(many())
    assert (outcomes.count(None), outcomes.count(UpstreamResting), calls) == (1, 4, 1)


def test_a_cancelled_probe_gives_way_to_another() -> None:
    async def cancel() -> None:
        rig.backend.outcomes = [asyncio.get_running_loop().create_future()]
        probe = asyncio.ensure_future(rig.outcome_now())
        await asyncio.sleep(0)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)

    rig = opened()
    rig.clock.advance(REST_S)
    asyncio.run(cancel())
    rig.backend.outcomes = [None]
    assert rig.outcome() is None


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_a_refused_request_is_no_failure_and_a_refused_probe_closes(status: int) -> None:
    rig = Rig(refused(status))
    for _ in range(20):
        rig.outcome()
    assert rig.guard.breaker.closed
    resting = opened(refused(status))
    resting.clock.advance(REST_S)
    resting.outcome()
    assert resting.guard.breaker.closed


@pytest.mark.parametrize("error", [refused(500), refused(529), unreachable(), UpstreamBroken("x"), UpstreamTimeout("x")])
def test_what_counts_as_a_failure(error: Upstream) -> None:
    assert is_failure(error)


@pytest.mark.parametrize("error", [refused(429), refused(404), UpstreamBusy("x"), RecordedAnswerMissing("x"), UpstreamResting("x")])
def test_what_does_not(error: Upstream) -> None:
    assert not is_failure(error)


def test_a_callers_short_deadline_says_nothing_about_the_service() -> None:
    rig = Rig(UpstreamTimeout("deadline"))
    for _ in range(10):
        rig.outcome(deadline_s=0.005)
    assert rig.guard.breaker.closed
    for _ in range(3):
        rig.outcome(deadline_s=PATIENCE_S + 60)
    assert not rig.guard.breaker.closed


def test_no_retry_and_no_pause_once_the_breaker_has_opened() -> None:
    rig = Rig(None, attempts=5)
    for _ in range(20):
        rig.outcome()
    rig.backend.outcomes, rig.backend.calls = [unreachable()], 0
    rig.outcome()
    assert (rig.backend.calls, len(rig.pauses.taken)) == (3, 2)


def test_no_retry_when_others_opened_the_breaker_during_the_pause() -> None:
    rig = Rig(unreachable(), attempts=2)
    rig.pauses.meanwhile = lambda: [rig.guard.breaker.failed(False) for _ in range(3)]
    assert rig.outcome() is UpstreamUnreachable
    assert (rig.backend.calls, len(rig.pauses.taken)) == (1, 1)


def test_a_late_failure_does_not_prolong_the_rest() -> None:
    clock = FrozenClock()
    breaker = Breaker("s", failures=1, rest_s=REST_S, clock=clock)
    breaker.failed(False)
    clock.advance(4.0)
    breaker.failed(False)
    clock.advance(1.0)
    assert breaker.would_admit


def test_a_clock_that_jumps_changes_nothing() -> None:
    rig = opened()
    rig.clock.jump(86400.0)
    assert rig.outcome() is UpstreamResting


def test_the_first_retry_is_lent_and_paid_back() -> None:
    budget = RetryBudget(0.2)
    granted = 0
    for _ in range(1000):
        budget.pay_in()
        granted += budget.take()
    assert 199 <= granted <= 200
