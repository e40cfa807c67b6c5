"""A world for the flow: fakes that keep what they were told, in order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal

from farthing.brain.cache import CacheLever
from farthing.brain.check.guard import Guardrails
from farthing.brain.house import House
from farthing.brain.route import Router
from farthing.config import Config, Service, Tiers
from farthing.core.batch import Answered
from farthing.core.call import Call
from farthing.core.clock import FrozenClock
from farthing.core.errors import Upstream
from farthing.core.exchange import Exchange, Target
from farthing.core.ledger import Hold, Intent, LedgerRow, Refusal, Release, Reserved
from farthing.core.request import Dialect, Inbound, Principal
from farthing.core.usage import Rate
from farthing.models.catalog import Catalog
from farthing.wire.peek import peek

ANSWER = (
    b'{"id":"c1","object":"chat.completion","created":1,"model":"small","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"A quarter of a penny."},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}'
)
CHUNKS = [
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"small","choices":[{"index":0,"delta":{"role":"assistant",'
    b'"content":""},"finish_reason":null}]}\n\n',
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"small","choices":[{"index":0,"delta":{"content":"A quarter of a '
    b'penny."},"finish_reason":null}]}\n\n',
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"small","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"small","choices":[],"usage":{"prompt_tokens":10,'
    b'"completion_tokens":5,"total_tokens":15}}\n\n',
    b"data: [DONE]\n\n",
]


class FakeBook:
    """Takes everything unless told to refuse."""

    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.rows: list[LedgerRow] = []
        self.answered: list[Answered] = []
        self.intents: list[Intent] = []
        self.releases: list[Release] = []
        self.refuse: Callable[[Hold], bool] = lambda _hold: False

    async def reserve(self, intent: Intent, holds: Sequence[Hold]) -> Reserved | Refusal:
        for hold in holds:
            if self.refuse(hold):
                return Refusal(hold, hold.limit, 0)
        self.told.append("reserve")
        self.intents.append(intent)
        return Reserved(tuple(hold.limit - hold.amount for hold in holds))

    async def settle(self, row: LedgerRow, releases: Sequence[Release], answered: Answered | None = None) -> None:
        self.told.append("settle")
        self.rows.append(row)
        self.answered += [answered] if answered else []
        self.releases += releases

    async def record(self, row: LedgerRow, holds: Sequence[Hold], answered: Answered | None = None) -> Reserved | Refusal:
        for hold in holds:
            if self.refuse(hold):
                return Refusal(hold, hold.limit, 0)
        self.told.append("record")
        self.answered += [answered] if answered else []
        self.rows.append(row)
        return Reserved(tuple(hold.limit - hold.amount for hold in holds))


class FakeReply:
    content_type = "application/json"
    service_request_id = None
    attempts = 1
    queue_s = 0.0
    price_factor = None

    def __init__(self, pieces: Sequence[bytes | Upstream], on_piece: Callable[[], None]) -> None:
        self._pieces = pieces
        self._on_piece = on_piece
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self._on_piece()
            await asyncio.sleep(0)
            if isinstance(piece, Upstream):
                raise piece
            yield piece

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self])

    def close(self) -> None:
        self.closed = True


class FakeModels:
    """Plays its scripts in order; the last one again and again."""

    def __init__(self, told: list[str], scripts: Sequence[Upstream | Sequence[bytes | Upstream]]) -> None:
        self.told = told
        self.scripts = list(scripts)
        self.calls: list[Call] = []
        self.replies: list[FakeReply] = []
        self.spoken = frozenset({Dialect.CHAT, Dialect.EMBEDDINGS})
        self.on_piece: Callable[[], None] = lambda: None
        self.queue_s = 0.0  # that each call waits for its place

    async def send(self, call: Call) -> FakeReply:
        self.told.append(f"send {call.model}")
        self.calls.append(call)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        if isinstance(script, Upstream):
            raise script
        reply = FakeReply(script, lambda: self.on_piece())
        reply.queue_s = self.queue_s
        self.replies.append(reply)
        return reply

    def dialects(self, service: str) -> frozenset[Dialect]:
        del service
        return self.spoken

    def crowd(self, target: Target) -> float:
        del target
        return 0.0

    def healthy(self, target: Target) -> bool:
        del target
        return True


class FakePrices:
    def rate(self, service: str, model: str) -> Rate | None:
        del service
        return {"small": Rate(Decimal(1), Decimal(2)), "big": Rate(Decimal(10), Decimal(20))}.get(model)


class FakeTokens:
    def estimate(self, text_bytes: int) -> int:
        return text_bytes // 4

    def count(self, text: str, model: str) -> int:
        del model
        return len(text) // 4


class FakeCaller:
    """Hears the answer; may hang up."""

    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.gone = False
        self.started = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self._on_gone: Callable[[], None] = lambda: None

    def listen(self, on_gone: Callable[[], None]) -> None:
        self._on_gone = on_gone

    def hang_up(self) -> None:
        self.gone = True
        self._on_gone()

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        await self.start(status, headers)
        await self.finish(body)

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.started, self.status, self.headers = True, status, dict(headers)

    async def write(self, data: bytes) -> None:
        self.told.append("write")
        self.body += data

    async def finish(self, data: bytes) -> None:
        self.told.append("finish")
        self.body += data


class World:
    """A house with fakes around it. `told` is what happened, in order."""

    def __init__(self, scripts: Sequence[Upstream | Sequence[bytes | Upstream]] = ([ANSWER],), **config: object) -> None:
        self.told: list[str] = []
        self.clock = FrozenClock()
        self.book = FakeBook(self.told)
        self.models = FakeModels(self.told, scripts)
        self.config = Config(
            **({"services": {"openai": Service(base_url="http://x/v1")}, "tiers": Tiers(cheap=("small",), expensive=("big",))} | config)  # type: ignore[arg-type]
        )
        catalog = Catalog(self.config)
        self.house = House(
            config=self.config,
            clock=self.clock,
            catalog=catalog,
            router=Router(self.config, catalog),
            cache=CacheLever(self.config.cache),
            guardrails=Guardrails(self.config.guard),
            book=self.book,
            models=self.models,
            prices=FakePrices(),
            tokens=FakeTokens(),
        )
        self.numbers = iter(range(1, 1000))

    def caller(self) -> FakeCaller:
        return FakeCaller(self.told)

    def exchange(self, body: bytes, dialect: Dialect = Dialect.CHAT, **fields: object) -> Exchange:
        inbound = Inbound(
            f"req_{next(self.numbers)}",
            dialect,
            body,
            peek(dialect, body, json_depth=64, max_messages=100),
            Principal(None, "acme", "admin"),
            self.clock.monotonic(),
            self.clock.now(),
            tenant="acme",
            **fields,  # type: ignore[arg-type]
        )
        return Exchange(inbound)
