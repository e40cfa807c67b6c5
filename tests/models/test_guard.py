"""Retries, their budget, hedging: a call through a guard around a scripted backend, on a clock that stands still."""

import asyncio

import pytest

from farthing.config import Resilience
from farthing.core.clock import FrozenClock
from farthing.core.errors import Upstream, UpstreamBroken, UpstreamBusy, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from farthing.models.guard import LONGEST_WAIT_S, RETRIED_STATUS, Guard
from tests.fakes.figures import figure
from tests.models.backend import FakeBackend, Pauses, call, refused, unreachable

NEVER_OPENS = 1_000_000


class Rig:
    """A guard and what surrounds it."""

    def __init__(self, *outcomes: Upstream | asyncio.Future[None] | None, **resilience: float | None) -> None:
        self.clock = FrozenClock()
        self.pauses = Pauses(self.clock)
        self.backend = FakeBackend(*outcomes)
        settings = Resilience(**{"attempts": 3, "retry_ratio": 1.0, "breaker_failures": NEVER_OPENS, **resilience})
        self.guard = Guard("s", self.backend, settings, clock=self.clock, sleep=self.pauses, draw=lambda: 1.0)

    def earn(self) -> "Rig":
        """Good requests, which pay for later retries."""
        outcomes, self.backend.outcomes = self.backend.outcomes, [None]
        for _ in range(20):
            self.send()
        self.backend.outcomes, self.backend.calls = outcomes, 0
        return self

    def send(self, **options: float) -> int:
        """Attempts of a call that succeeds."""
        return asyncio.run(self._send(**options))

    async def _send(self, **options: float) -> int:
        return (await self.guard.send(call(self.clock, **options))).attempts

    def fail(self, **options: float) -> Upstream:
        with pytest.raises(Upstream) as caught:
            self.send(**options)
        return caught.value


def test_one_try_where_one_is_enough() -> None:
    rig = Rig(None)
    assert rig.send() == 1
    assert (rig.backend.calls, rig.pauses.taken) == (1, [])


@pytest.mark.parametrize("status", sorted(RETRIED_STATUS))
def test_what_may_pass_is_tried_again(status: int) -> None:
    rig = Rig(refused(status), None)
    assert rig.send() == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 501])
def test_what_will_not_pass_is_not(status: int) -> None:
    rig = Rig(refused(status))
    error = rig.fail()
    assert (error.status, error.attempts, rig.backend.calls) == (status, 1, 1)


@pytest.mark.parametrize("error", [UpstreamBroken("half an answer"), UpstreamTimeout("silence"), UpstreamBusy("all taken")])
def test_nothing_is_sent_twice_once_an_answer_may_have_begun(error: Upstream) -> None:
    rig = Rig(error)
    assert rig.fail() is error
    assert rig.backend.calls == 1


def test_tries_end() -> None:
    rig = Rig(unreachable(), attempts=3).earn()
    assert rig.fail().attempts == 3
    assert rig.backend.calls == 3


def test_pauses_grow_and_are_drawn() -> None:
    rig = Rig(unreachable(), attempts=5).earn()
    rig.fail()
    assert rig.pauses.taken == [0.25, 0.5, 1.0, 2.0]


def test_a_wait_that_the_service_asks_for_is_kept() -> None:
    rig = Rig(refused(429, retry_after_s=3.0), None)
    assert rig.send() == 2
    assert rig.pauses.taken == [3.0]


@pytest.mark.parametrize(("retry_after_s", "deadline_s"), [(3.0, 3.0), (LONGEST_WAIT_S + 1, 600.0)])
def test_a_wait_that_does_not_fit_is_left_to_the_caller(retry_after_s: float, deadline_s: float) -> None:
    rig = Rig(refused(429, retry_after_s=retry_after_s))
    error = rig.fail(deadline_s=deadline_s)
    assert (error.retry_after_s, rig.backend.calls, rig.pauses.taken) == (retry_after_s, 1, [])


def test_a_service_may_forbid_a_retry() -> None:
    error = refused(503)
    error.retry = False
    rig = Rig(error)
    rig.fail()
    assert rig.backend.calls == 1


def test_the_error_of_the_last_try_is_the_one_raised() -> None:
    rig = Rig(refused(503), unreachable(), refused(502), attempts=3).earn()
    error = rig.fail()
    assert isinstance(error, UpstreamRefused)
    assert error.status == 502


@pytest.mark.parametrize("at_once", [1, 16, 1000])
@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.2, 1.0])
def test_retries_stay_within_their_budget_when_everything_fails(ratio: float, at_once: int) -> None:
    requests = 1000
    rig = Rig(unreachable(), attempts=5, retry_ratio=ratio)

    async def in_batches() -> list[object]:
        errors: list[object] = []
        while len(errors) < requests:
            errors += await asyncio.gather(
                *(rig.guard.send(call(rig.clock)) for _ in range(min(at_once, requests - len(errors)))), return_exceptions=True
            )
        return errors

    errors = asyncio.run(in_batches())
    assert all(isinstance(error, UpstreamUnreachable) for error in errors)
    assert requests <= rig.backend.calls <= (1 + ratio) * requests
    assert ratio == 0 or at_once > 1 or rig.backend.calls > (1 + 0.9 * ratio) * requests
    figure("R6 retry amplification", f"ratio {ratio}, {at_once} at once: {rig.backend.calls} attempts for {requests} requests that all fail")


def test_the_budget_holds_after_a_quiet_past() -> None:
    rig = Rig(None, retry_ratio=0.2, attempts=2)
    for _ in range(1000):
        rig.send()
    rig.backend.outcomes = [unreachable()]
    for _ in range(100):
        rig.fail()
    assert rig.backend.calls - 1000 <= 100 + 20 + 10


def test_the_first_request_of_all_may_be_retried_too() -> None:
    rig = Rig(unreachable(), None, retry_ratio=0.2)
    assert rig.send() == 2


def test_a_slow_whole_call_is_hedged_and_the_loser_stopped() -> None:
    async def slow_then_fast() -> tuple[int, int, int]:
        rig = Rig(asyncio.get_running_loop().create_future(), None, hedge_after_s=0.01)
        reply = await rig.guard.send(call(rig.clock))
        await asyncio.sleep(0)
        return reply.attempts, rig.backend.calls, rig.backend.cancelled

    assert asyncio.run(slow_then_fast()) == (2, 2, 1)


def test_a_loser_that_answers_anyway_is_closed() -> None:
    async def both() -> list[bool]:
        first = asyncio.get_running_loop().create_future()
        rig = Rig(first, first, hedge_after_s=0.01)
        sending = asyncio.ensure_future(rig.guard.send(call(rig.clock)))
        while rig.backend.calls < 2:
            await asyncio.sleep(0)
        first.set_result(None)
        winner = await sending
        await asyncio.sleep(0)
        return [*(reply.closed for reply in rig.backend.replies if reply is not winner), winner.closed]

    assert asyncio.run(both()) == [True, False]


def test_a_hedged_call_that_fails_twice_raises_the_first_error() -> None:
    rig = Rig(refused(400), hedge_after_s=10.0)
    assert rig.fail().status == 400
    assert rig.backend.calls == 1


def test_streams_are_never_hedged() -> None:
    async def stream() -> int:
        gate = asyncio.get_running_loop().create_future()
        rig = Rig(gate, hedge_after_s=0.001)
        sending = asyncio.ensure_future(rig.guard.send(call(rig.clock, stream=True)))
        asyncio.get_running_loop().call_later(0.01, gate.set_result, None)
        await sending
        return rig.backend.calls

    assert asyncio.run(stream()) == 1


def test_a_cancelled_hedge_leaves_no_task() -> None:
    async def cancel() -> tuple[int, int]:
        rig = Rig(*(asyncio.get_running_loop().create_future() for _ in range(2)), hedge_after_s=0.001)
        sending = asyncio.ensure_future(rig.guard.send(call(rig.clock)))
        while rig.backend.calls < 2:
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.sleep(0)
        return rig.backend.cancelled, len(asyncio.all_tasks()) - 1

    cancelled, tasks = asyncio.run(cancel())
    assert (cancelled, tasks) == (2, 0)
