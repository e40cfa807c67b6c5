"""What the cache keeps, and what it says about a request."""

from decimal import Decimal
from typing import Literal

import msgspec

from farthing.core.decision import Decision
from farthing.core.exchange import Signals
from farthing.core.request import Dialect
from farthing.core.usage import Usage


class Answer(msgspec.Struct, frozen=True):
    """A stored answer: the upstream's own bytes, so that a replay is what the upstream said.

    `body` is a whole JSON answer, or the server-sent events of a stream.
    """

    dialect: Dialect
    stream: bool
    body: bytes
    service: str
    model: str
    tier: str
    usage: Usage | None
    cost_usd: Decimal | None
    finish: str | None
    entry_id: str
    created_at: float
    expires_at: float
    signals: Signals | None = None  # of the request that was answered: the same one is not classified again
    sources: tuple[str, ...] = ()  # "collection/document@version" that it rests on


class Reuse(msgspec.Struct, frozen=True):
    """The cache's word on one request: serve `answer`, join the flight of `key`, or go on (and store under `key` unless `None`)."""

    kind: Literal["hit", "lead", "follow", "bypass"]
    decision: Decision
    key: bytes | None = None
    answer: Answer | None = None
