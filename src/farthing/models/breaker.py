"""When to leave a service alone, and how many retries it may get.

The breaker opens after so many failures in a row and rests; then one call goes through as a probe, and its outcome decides. A refusal
below 500 is no failure: the service works. The retry budget is a token bucket: requests pay in, retries take out.
Costs: 0.2 us a call.
"""

from farthing.core.clock import Clock
from farthing.core.errors import RecordedAnswerMissing, Upstream, UpstreamBusy, UpstreamRefused, UpstreamResting

_SAVED_RETRIES = 10.0


def is_failure(error: Upstream) -> bool:
    """Whether the error says that the service is unwell. Our own full pool does not."""
    if isinstance(error, UpstreamRefused):
        return error.status >= 500
    return not isinstance(error, UpstreamBusy | UpstreamResting | RecordedAnswerMissing)


class Breaker:
    """Closed, open (resting), or half open (one probe in flight)."""

    def __init__(self, name: str, *, failures: int, rest_s: float, clock: Clock) -> None:
        self._name = name
        self._limit = failures
        self._rest_s = rest_s
        self._clock = clock
        self._in_a_row = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def closed(self) -> bool:
        return self._opened_at is None

    @property
    def would_admit(self) -> bool:
        """Whether a call would go through now."""
        return self._opened_at is None or (not self._probing and self._rest_left_s() <= 0)

    def admit(self) -> bool:
        """Let a call through; True makes it the probe. Raises UpstreamResting."""
        if self._opened_at is None:
            return False
        if self.would_admit:
            self._probing = True
            return True
        left_s = max(self._rest_left_s(), 0.1)
        raise UpstreamResting(
            f"Service '{self._name}' failed {self._in_a_row} times in a row and rests for {left_s:.1f} s more. See the errors before this one.",
            retry_after_s=left_s,
        )

    def answered(self, probe: bool) -> None:
        """A head came that is no failure. The body may still fail."""
        if probe:
            self._opened_at, self._probing, self._in_a_row = None, False, 0

    def succeeded(self) -> None:
        """An answer came to its end."""
        if self._opened_at is None:
            self._in_a_row = 0

    def failed(self, probe: bool) -> None:
        """Counts while closed; while open only the probe's word does."""
        if self._opened_at is None:
            self._in_a_row += 1
            if self._in_a_row >= self._limit:
                self._opened_at = self._clock.monotonic()
        elif probe:
            self._opened_at, self._probing = self._clock.monotonic(), False

    def abandoned(self, probe: bool) -> None:
        """The caller went away before the service said anything."""
        if probe:
            self._probing = False

    def _rest_left_s(self) -> float:
        return self._rest_s - (self._clock.monotonic() - (self._opened_at or 0.0))


class RetryBudget:
    """Retries never exceed `max(1, ratio x requests)`, and a quiet past saves up at most 10 of them."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._tokens = 1.0 if ratio > 0 else 0.0
        self._lent = self._tokens  # the first retry is a loan, which the first requests pay back

    def pay_in(self) -> None:
        """For every request."""
        if self._lent > 0:
            self._lent -= self._ratio
        elif self._tokens < _SAVED_RETRIES:
            self._tokens += self._ratio

    def take(self) -> bool:
        """For every retry; False: there is none left."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
