"""What the cache keeps, and what it says about a request."""

from decimal import Decimal
from typing import Literal

import msgspec

from farthing.core.decision import Decision
from farthing.core.exchange import Signals
from farthing.core.forgetting import Facts
from farthing.core.request import Dialect
from farthing.core.usage import Usage

Lane = Literal["exact", "normalised", "semantic"]


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which request brought an answer about, as far as it may be forgotten, or explained, by it."""

    endpoint: str = "default"
    question: str = ""  # the last user text, cut
    normalised: bytes | None = None  # key in the normalised lane; None: its case or punctuation may matter
    slot: str | None = None  # configured name of what was asked, such as faq:refund_policy
    language: str | None = None
    collection: str | None = None  # that was searched for it
    tags: tuple[str, ...] = ()
    prompt_version: str | None = None
    policy_version: str | None = None


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
    created_at: float  # unix time at which its request came
    expires_at: float
    signals: Signals | None = None  # of the request that was answered: the same one is not classified again
    sources: tuple[str, ...] = ()  # "collection/document@version" that it rests on
    origin: Origin = Origin()

    def facts(self, tenant: str) -> Facts:
        """What it can be forgotten by."""
        origin = self.origin
        return Facts(
            self.entry_id,
            tenant,
            origin.endpoint,
            self.created_at,
            self.sources,
            origin.collection,
            origin.tags,
            origin.prompt_version,
            origin.policy_version,
        )


class Reuse(msgspec.Struct, frozen=True):
    """The cache's word on one request: serve `answer`, join the flight of `key`, or go on (and store under `key` unless `None`)."""

    kind: Literal["hit", "lead", "follow", "bypass"]
    decision: Decision
    key: bytes | None = None
    answer: Answer | None = None
    lane: Lane = "exact"
    origin: Origin | None = None  # what an answer to this request will be kept with
