"""What the brain needs from the world. Models, stores and measure fulfil these; tests bring fakes."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from farthing.core.batch import Answered
from farthing.core.call import Call, Reply
from farthing.core.exchange import Exchange, Target, TierName
from farthing.core.ledger import Hold, Intent, LedgerRow, Refusal, Release, Reserved
from farthing.core.request import Dialect
from farthing.core.usage import Rate
from farthing.core.web import WebReply, WebRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]


class Book(Protocol):
    """The durable account. Every method returns after its rows are committed; calls made together share a commit.

    Raises `StoreUnavailable` when nothing can be written (full disk, I/O error); then nothing was booked.
    """

    async def reserve(self, intent: Intent, holds: Sequence[Hold]) -> Reserved | Refusal:
        """All holds and the intent row, or none. Exact under any concurrency, in any number of processes."""
        ...

    async def settle(self, row: LedgerRow, releases: Sequence[Release], answered: Answered | None = None) -> None:
        """Write the row, remove its intent, true up its meters; in the same step the answer of a batch's item."""
        ...

    async def record(self, row: LedgerRow, holds: Sequence[Hold], answered: Answered | None = None) -> Reserved | Refusal:
        """A request that needs no upstream call (a cache hit): book the holds as used and write the row, or neither."""
        ...


class Models(Protocol):
    """Every model service behind one door: deadlines, retries, breakers and failover live there."""

    def send(self, call: Call) -> Awaitable[Reply]:
        """The reply, its head read. Raises the `Upstream` branch of the error tree."""
        ...

    def dialects(self, service: str) -> frozenset[Dialect]:
        """What this service speaks natively."""
        ...

    def healthy(self, target: Target) -> bool:
        """False while its circuit breaker is open, or its own queue is as long as it may be."""
        ...

    def crowd(self, target: Target) -> float:
        """Requests that wait at its service for each that is at work there; 0 where nobody knows."""
        ...


class Prices(Protocol):
    """What a model costs."""

    def rate(self, service: str, model: str) -> Rate | None:
        """Current price, or `None` when nobody knows it."""
        ...


class CatalogPort(Protocol):
    """Which models are served, and which tier each belongs to."""

    @property
    def baseline(self) -> Target | None:
        """What a caller would use without Farthing; `None` when no expensive model is configured."""
        ...

    def resolve(self, name: str) -> Target:
        """A model by its name, or by service/model. Raises `ModelNotFound` with suggestions."""
        ...

    def names(self) -> list[str]:
        """What a caller may name: the aliases and the configured models."""
        ...

    def tier(self, name: TierName) -> tuple[Target, ...]:
        """Models of a tier in order of preference; empty when none is configured."""
        ...


class Tokens(Protocol):
    """Offline token counts."""

    def estimate(self, text_bytes: int) -> int:
        """Tokens from UTF-8 bytes alone; free, about 13 % off on English prose."""
        ...

    def count(self, text: str, model: str) -> int:
        """Exact where the model's vocabulary is known, else by a near one. ~60 us per KB."""
        ...


class Listener(Protocol):
    """Told of every settled exchange. Must not raise, must not block."""

    def settled(self, exchange: Exchange, row: LedgerRow) -> None: ...


class Caller(Protocol):
    """Who asked, and hears the answer. `gone` turns true when nobody listens any more; writing is harmless then."""

    @property
    def gone(self) -> bool: ...

    @property
    def started(self) -> bool:
        """The head has been sent."""
        ...

    def listen(self, on_gone: Callable[[], None]) -> None: ...

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Head, body and end at once."""
        ...

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None: ...

    async def write(self, data: bytes) -> None: ...

    async def finish(self, data: bytes) -> None: ...


class Fetch(Protocol):
    """Asks a host that the configuration names. Raises the `Upstream` branch; what the address may be is its business."""

    def __call__(self, asked: WebRequest) -> Awaitable[WebReply]: ...


class Reranker(Protocol):
    """Says how well each of some texts answers a question. `usd` is what a call costs, `None` where nobody knows."""

    @property
    def target(self) -> Target: ...
    @property
    def usd(self) -> Decimal | None: ...

    async def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """From 0 to 1. Raises the `Upstream` branch."""
        ...


class Embedder(Protocol):
    """Turns a text into a vector of length one. `id` changes whenever the same text would get another vector."""

    @property
    def id(self) -> str: ...

    async def embed(self, text: str) -> "Vector":
        """Raises `FarthingError` or `TimeoutError`; the cache takes either for a miss."""
        ...
