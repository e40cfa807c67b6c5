"""What a model service must do for us, whatever it is made of.

`http.HttpBackend` does it over HTTP; the recorded backend and third parties fulfil the same protocol. Retries, budget and
breaker stand around a backend (`guard.py`), so a backend tries once and tells the truth.
"""

from typing import Protocol

from farthing.core.call import Call, Reply
from farthing.core.request import Dialect


class Backend(Protocol):
    """One service."""

    async def send(self, call: Call) -> Reply:
        """One try. Raises the `Upstream` branch; nothing of the call outlives `call.deadline_s`.

        `UpstreamUnreachable` promises that no byte of an answer arrived, so that a second try is safe.
        """
        ...

    def dialects(self) -> frozenset[Dialect]:
        """What it speaks natively."""
        ...

    async def warm(self) -> None:
        """Do what the first call would have to wait for. Raises the `Upstream` branch; calls may still work later."""
        ...

    async def close(self) -> None:
        """Let go of everything; calls in flight end with an error."""
        ...
