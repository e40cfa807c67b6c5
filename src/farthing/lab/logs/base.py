"""One model call as a log has it. Whatever wrote the log, the lab reads this."""

from decimal import Decimal

import msgspec

from farthing.core.request import Dialect, Turn


class LoggedCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call. What the log does not say is `None`, never zero. `tokens_in` holds the cached tokens, `tokens_out` the reasoning ones."""

    source: str  # "logs/day.jsonl:17": file and line (or row), for examples
    model: str | None = None
    provider: str | None = None
    dialect: Dialect = Dialect.CHAT
    body: bytes | None = None  # the request as it was sent, where the log holds one that a dialect can read
    turns: tuple[Turn, ...] = ()
    answer: str | None = None  # text of the answer
    tool_calls: tuple[str, ...] = ()  # names of the tools that the answer calls
    finish: str | None = None
    request_id: str | None = None
    run_id: str | None = None  # trace, session or run: groups the calls of one interaction
    session: str | None = None
    endpoint: str | None = None  # feature, route, span or prompt name
    tenant: str | None = None
    user: str | None = None
    received_at: float | None = None  # unix seconds
    latency_s: float | None = None
    first_token_s: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_cache_write: int | None = None
    tokens_reasoning: int | None = None
    cost_usd: Decimal | None = None  # as the log says
    currency: str | None = None  # of the logged cost, when it is not USD; `cost_usd` is None then
    status: int | None = None
    error_code: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    stream: bool = False
    has_tools: bool = False
    cache: str | None = None  # how a gateway's cache served it, where the log says
    score: float | None = None  # graded quality, 0 to 1
    propensity: float | None = None  # the chance with which the model was chosen, where chance had a part
