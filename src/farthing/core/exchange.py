"""One request on its journey: what we know of it at each step, and what it became."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from farthing.core.account import Account, Effect
from farthing.core.conversation import ToolCall
from farthing.core.decision import Decision
from farthing.core.request import Inbound
from farthing.core.usage import Usage

# Words of the dialects for an answer that came to its own end: not cut, refused, filtered or broken.
FINISHED = frozenset({"stop", "end_turn", "completed", "stop_sequence"})

TierName = str  # "cheap", "expensive", or a name from the config; "" for a model that is in no tier


class TaskType(StrEnum):
    QA = "qa"
    FAQ = "faq_qna"
    SUMMARIZE = "summarize"
    CLASSIFY = "classification"
    TAGS = "tag_prediction"
    SENTIMENT = "sentiment"
    EXTRACT = "extract"
    TRANSLATE = "translate"
    REWRITE = "rewrite"
    CODE = "code"
    MATH = "math"
    CREATIVE = "creative"
    AGENT = "agent"
    CHAT = "chat"


Risk = Literal["low", "medium", "high"]


class Signals(msgspec.Struct, frozen=True, gc=False):
    """What the classifier read off the request. `complexity` runs from 0 (trivial) to 1 (hard)."""

    task: str
    complexity: float
    risk: Risk
    needs_documents: bool
    language: str | None
    query_tokens: int  # last user turn
    input_tokens: int  # all of it, estimated
    domain: str | None = None
    confidence: float = 1.0  # of the task type


class Target(msgspec.Struct, frozen=True, gc=False):
    """A model on a service, and the tier it was chosen for ("" when the caller named the model)."""

    service: str
    model: str
    tier: TierName = ""


class Quote(msgspec.Struct, frozen=True, gc=False):
    """What we expect a call to cost before we make it."""

    input_tokens: int
    max_output_tokens: int
    price_usd: Decimal | None  # None: the model has no known price. Never 0.


CacheKind = Literal["miss", "exact", "normalised", "semantic", "coalesced", "bypass"]

Outcome = Literal[
    "ok",  # a whole, truthful answer
    "truncated",  # a cap or a fault cut it short, and the caller was told
    "refused",  # we said no: limit, budget, cap, guardrail
    "upstream_error",
    "invalid_answer",
    "client_closed",
    "interrupted",  # the gateway died or stopped with the call in flight
    "error",  # our own fault
]


class Attempt(msgspec.Struct, frozen=True):
    """One call to one model: what it took and what it cost."""

    target: Target
    purpose: Literal["answer", "repair", "escalate", "judge", "shadow", "router", "embed", "summary", "rewrite", "rerank"]
    latency_s: float
    first_token_s: float | None
    usage: Usage | None
    cost_usd: Decimal | None
    error_code: str | None = None
    after_s: float | None = None  # when the call left, counted from the head of the request


class Exchange(msgspec.Struct):
    """A request on its way. The flow writes; levers read."""

    inbound: Inbound
    signals: Signals | None = None
    decisions: list[Decision] = []
    attempts: list[Attempt] = []
    target: Target | None = None
    quote: Quote | None = None
    cache: CacheKind = "bypass"
    cache_similarity: float | None = None
    cache_entry: str | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    baseline_cost_usd: Decimal | None = None
    effects: list[Effect] = []  # what levers changed of the call; route and cache are read off the exchange itself
    account: Account | None = None  # set when the exchange is settled
    finish: str | None = None
    truncated: str | None = None  # why the answer is partial
    outcome: Outcome = "ok"
    error_code: str | None = None
    error_message: str | None = None
    status: int = 200
    first_token_s: float | None = None
    model_s: float | None = None
    queue_s: float = 0.0
    retrieval_s: float | None = None
    sources: tuple[str, ...] = ()  # "document@version"
    answer_text: str | None = None  # only kept where a lever or the config needs it
    answer_calls: tuple[ToolCall, ...] = ()  # with it
    reply_headers: list[tuple[bytes, bytes]] = []  # what the caller's reply carries besides its body's own
