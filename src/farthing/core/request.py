"""What a caller asked for: who, through which door, and the parts of the body that the brain reads."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from farthing.core.batch import Keep


class Dialect(StrEnum):
    """The shapes of HTTP bodies that we speak."""

    CHAT = "chat"  # OpenAI chat completions
    RESPONSES = "responses"  # OpenAI responses
    MESSAGES = "messages"  # Anthropic messages
    EMBEDDINGS = "embeddings"  # OpenAI embeddings


Role = Literal["app", "admin", "viewer"]  # viewer: sees the dashboard and /metrics, calls nothing


Count = Annotated[int, Meta(ge=0)]
Usd = Annotated[float, Meta(ge=0)]


class KeyLimits(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Limits of one virtual key or tenant. `None` is unlimited."""

    requests_per_minute: Annotated[Count | None, Meta(description="Requests in any minute.")] = None
    tokens_per_minute: Annotated[Count | None, Meta(description="Input and output tokens in any minute.")] = None
    concurrent: Annotated[Count | None, Meta(description="Requests in flight at once.")] = None
    daily_usd: Annotated[Usd | None, Meta(description="Budget of a day, UTC.")] = None
    monthly_usd: Annotated[Usd | None, Meta(description="Budget of a calendar month, UTC.")] = None


class Principal(msgspec.Struct, frozen=True):
    """Who is calling, as authentication found out; never from a header that the caller can set."""

    key_id: str | None  # None: open gateway on loopback
    tenant: str
    role: Role = "app"
    allowed_models: tuple[str, ...] | None = None  # shell patterns; None: all
    limits: KeyLimits = KeyLimits()


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One message, flattened to its text. `role` as the dialect names it."""

    role: str
    text: str


class Peek(msgspec.Struct, frozen=True):
    """The parts of a body that the brain reads. The body itself stays as it came.

    `temperature`, `max_output_tokens` and the like are `None` when the body does not say.
    """

    model: str
    turns: tuple[Turn, ...]  # system first where the dialect keeps it apart; role "system" or "developer"
    stream: bool = False
    wants_usage: bool = True  # chat streams: False unless stream_options.include_usage
    temperature: float | None = None
    top_p: float | None = None
    n: int = 1
    seed: int | None = None
    max_output_tokens: int | None = None
    answer_schema: dict[str, Any] | None = None  # JSON schema that the answer must meet
    wants_json: bool = False  # JSON mode without a schema
    has_tools: bool = False  # tools, functions, tool messages or server-side tools
    has_media: bool = False  # images, audio, files
    wants_logprobs: bool = False
    stored_upstream: bool = False  # previous_response_id, conversation, background: state that lives at the provider
    end_user: str | None = None
    session: str | None = None  # prompt_cache_key or metadata.user_id: correlation only
    text_bytes: int = 0  # UTF-8 bytes of all turns and tool definitions: the base of the token estimate

    @property
    def last_user_text(self) -> str:
        """Text of the last user turn, empty when there is none."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")

    @property
    def system_text(self) -> str:
        return "\n".join(turn.text for turn in self.turns if turn.role in ("system", "developer"))


class Inbound(msgspec.Struct):
    """One request at the edge, read once. `headers` hold lower-case names."""

    request_id: str
    dialect: Dialect
    body: bytes
    peek: Peek
    principal: Principal
    started_s: float  # monotonic: when the head of the request was read
    received_at: float  # unix time
    endpoint: str = "default"  # which product feature is calling (x-farthing-endpoint)
    run_id: str = ""  # groups the calls of one user interaction (x-farthing-run)
    tenant: str = "default"
    user_hash: str | None = None
    session: str | None = None
    levers_off: frozenset[str] = frozenset()
    no_store: bool = False
    widest_lane: Literal["exact", "normalised", "semantic"] = "semantic"  # of the cache: what the caller, or the quality guard, lets answer
    prompt_version: str | None = None  # of the caller's prompt template; answers of different ones are not shared
    policy_version: str | None = None  # `cache.policy_version`, when it came
    cache_tags: tuple[str, ...] = ()  # words that its answer can be forgotten by
    cites: tuple[str, ...] = ()  # "document@version" that the caller put into the prompt itself
    max_wrong_per_hit: float | None = None  # the caller's own bound, where it is stricter than the configured one
    task_type: str | None = None  # what the caller says; wins over the classifier
    domain: str | None = None
    tenant_tier: str | None = None
    language: str | None = None
    experiment: str | None = None  # "name=arm" of the experiment that this run takes part in
    rests_on: str | None = None  # collection that the answer will be made of
    traceparent: str | None = None  # W3C trace context, as the caller sent it; read by telemetry alone
    flow: str | None = None  # request id of the flow that this call is a step of; its caps hold over all its calls
    deadline_s: float | None = None  # monotonic: when that flow must have ended
    tokens_before: int = 0  # what its calls have used so far, input and output
    lane: Literal["interactive", "background"] = "interactive"
    keep: Keep | None = None  # the item of a batch that this request answers
    twin: bytes | None = None  # the answer to the same request of its batch, as the cache keeps one
    forward_headers: tuple[tuple[str, str], ...] = ()  # anthropic-beta, anthropic-version, openai-beta ...
