"""Around one backend: retries, their budget, the breaker, and hedging if it was asked for.

Guarantees: no second try once a byte of an answer came, past the deadline, or when the service forbids it; attempts stay within
`1 + retry_ratio` times the requests; a wait that the service asks for (Retry-After) is kept to, or there is no retry.
Costs: no task, no timer, for a call that succeeds at once. Off: `resilience.attempts = 1`, `resilience.retry_ratio = 0`.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from farthing.config import Resilience
from farthing.core.call import Call, Reply
from farthing.core.clock import Clock
from farthing.core.errors import Upstream, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from farthing.models.base import Backend
from farthing.models.breaker import Breaker, RetryBudget, is_failure
from farthing.models.hedge import hedged
from farthing.models.http import HttpReply

RETRIED_STATUS = frozenset({429, 500, 502, 503, 504, 529})
LONGEST_WAIT_S = 10.0  # a longer Retry-After is the caller's to wait for, or another model's chance
PATIENCE_S = 5.0  # a deadline that passed sooner says nothing about the service
_FIRST_PAUSE_S = 0.25
_LAST_PAUSE_S = 4.0

Sleep = Callable[[float], Awaitable[None]]


class Guard:
    """Sends calls through one backend."""

    def __init__(self, name: str, backend: Backend, resilience: Resilience, *, clock: Clock, sleep: Sleep, draw: Callable[[], float]) -> None:
        self.backend = backend
        self.breaker = Breaker(name, failures=resilience.breaker_failures, rest_s=resilience.breaker_rest_s, clock=clock)
        self._budget = RetryBudget(resilience.retry_ratio)
        self._attempts = resilience.attempts
        self._hedge_after_s = resilience.hedge_after_s
        self._clock = clock
        self._sleep = sleep
        self._draw = draw

    def send(self, call: Call) -> Coroutine[Any, Any, Reply]:  # not async: one frame less on every call
        """The reply, after as many tries as it takes and may take. Errors carry `attempts`."""
        self._budget.pay_in()
        if self._hedge_after_s is not None and not call.stream:
            return hedged(lambda: self._retried(call), self._hedge_after_s, self._budget.take)
        return self._retried(call)

    async def _retried(self, call: Call) -> Reply:
        attempt = 1
        probe = self.breaker.admit()
        while True:
            try:
                reply = await self._once(call, probe)
            except Upstream as error:
                error.attempts = attempt
                pause_s = self._pause_s(error, attempt, call)
                if pause_s is None:
                    raise
                await self._sleep(pause_s)
                if not self.breaker.closed:
                    raise
                attempt += 1
            else:
                reply.attempts = attempt
                return reply

    async def _once(self, call: Call, probe: bool) -> Reply:
        """One try, its outcome told to the breaker."""
        started_s = self._clock.monotonic()
        try:
            reply = await self.backend.send(call)
        except Upstream as error:
            if not is_failure(error):
                self.breaker.answered(probe)
                self.breaker.succeeded()
            elif self._too_hasty(error, call, started_s):
                self.breaker.abandoned(probe)
            else:
                self.breaker.failed(probe)
            raise
        except BaseException:
            self.breaker.abandoned(probe)
            raise
        self.breaker.answered(probe)
        if isinstance(reply, HttpReply):
            reply.watch(self._body_ended)
        else:
            self.breaker.succeeded()
        return reply

    def _body_ended(self, error: Upstream | None) -> None:
        if error is None:
            self.breaker.succeeded()
        elif not isinstance(error, UpstreamTimeout):  # an answer cut by the caller's deadline is no fault of the service
            self.breaker.failed(False)

    def _too_hasty(self, error: Upstream, call: Call, started_s: float) -> bool:
        now = self._clock.monotonic()
        return isinstance(error, UpstreamTimeout) and now >= call.deadline_s - 0.01 and now - started_s < PATIENCE_S

    def _pause_s(self, error: Upstream, attempt: int, call: Call) -> float | None:
        """How long to wait before another try; `None`: there is none."""
        if attempt >= self._attempts or not _worth_retrying(error) or not self.breaker.closed:
            return None
        pause_s = error.retry_after_s
        if pause_s is None:
            pause_s = min(_LAST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1)) * (0.5 + 0.5 * self._draw())
        if pause_s > LONGEST_WAIT_S or self._clock.monotonic() + pause_s >= call.deadline_s:
            return None
        return pause_s if self._budget.take() else None


def _worth_retrying(error: Upstream) -> bool:
    if error.retry is False:
        return False
    return isinstance(error, UpstreamUnreachable) or (isinstance(error, UpstreamRefused) and error.status in RETRIED_STATUS)
