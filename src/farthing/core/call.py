"""One call to one model service: what we send, and how its reply comes back."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Protocol

import msgspec

from farthing.core.request import Dialect


class Call(msgspec.Struct, frozen=True):
    """A body in the service's own dialect, ready to send."""

    service: str
    model: str
    dialect: Dialect
    body: bytes
    stream: bool
    deadline_s: float  # monotonic: nothing of this call lives longer
    request_id: str
    headers: tuple[tuple[str, str], ...] = ()  # extra request headers to forward
    item: int | None = None  # of a batch: the call may take its time


class Reply(Protocol):
    """A reply whose head has arrived with status 200. Iterate it once, close it always.

    Whole answers give their body in one or more pieces; streams give raw server-sent-event bytes as they come, cut anywhere.
    Raises the `Upstream` branch of the error tree while iterating. `close()` drops the connection unless the body
    was read to its end, and returns at once; so does cancelling a task that waits for a piece.
    """

    content_type: str
    service_request_id: str | None
    attempts: int  # tries it took, failed ones included
    queue_s: float  # waited for a free connection
    price_factor: Decimal | None  # of the model's price, where it came cheaper: 0.5 out of a provider's batch

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def read(self) -> bytes:
        """The whole body; bounded by the service's `max_answer_bytes`."""
        ...

    def close(self) -> None: ...
