"""POST /v1/ask: a question in, an answer and its account out, for callers that want no dialect at all.

`{user_id, text, task_type?, metadata: {tenant, language, flags, endpoint, flow, input, priority, ...}, stream?}`
-> `{answer, request_id, model, tier, cache, usage, cost_usd, sources, truncated}`.
Streams are server-sent events: `{"delta": "..."}` and, last, the object that a whole answer would have been, or `{"error": {...}}`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from farthing.config import Endpoint
from farthing.core.alias import AUTO
from farthing.edge.flows import FlowAsked, plan_of
from farthing.edge.gateway import Gateway
from farthing.edge.intake import endpoint_of
from farthing.edge.templates import system_for
from farthing.edge.within import Inner, InnerRequest, Shaped, served_within

_DEFAULT_ENDPOINT = "ask"


class AskMetadata(msgspec.Struct, frozen=True):
    """What the caller knows about the question. Unknown names are allowed and ignored."""

    tenant: str | None = None
    language: str | None = None
    endpoint: str | None = None  # else the header x-farthing-endpoint, else "ask"
    domain: str | None = None
    run: str | None = None
    session: str | None = None
    flags: tuple[str, ...] = ()  # no_cache, no_route, no_diet, no_check, no_store
    temperature: float = 0.0
    max_tokens: int | None = None
    flow: str | None = None  # a flow of the configuration, in place of one model call
    input: dict[str, Any] = {}  # what that flow takes besides the text
    priority: Literal["interactive", "background"] | None = None  # background: 202, and the answer at /v1/background/ID


class AskRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of the route."""

    user_id: str
    text: str
    task_type: str | None = None
    metadata: AskMetadata = AskMetadata()
    stream: bool = False


def _to_chat(wanted: AskRequest, gateway: Gateway, headers: Mapping[bytes, bytes]) -> InnerRequest:
    metadata = wanted.metadata
    plan = None if metadata.flow is None else plan_of(gateway, metadata.flow)
    name = plan.endpoint if plan is not None else metadata.endpoint or endpoint_of(headers) or _DEFAULT_ENDPOINT
    endpoint: Endpoint = gateway.house.config.endpoint(name)
    system = system_for(endpoint, wanted.task_type)
    body: dict[str, Any] = {
        "model": f"flow/{plan.name}" if plan is not None else endpoint.model or AUTO,
        "messages": [{"role": "user", "content": wanted.text}]
        if plan is not None
        else [
            {"role": "system", "content": system},
            {"role": "user", "content": wanted.text},
        ],
        "temperature": metadata.temperature,
        "user": wanted.user_id,
    }
    if metadata.max_tokens is not None:
        body["max_tokens"] = metadata.max_tokens
    if wanted.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return InnerRequest(
        body,
        endpoint=name,
        tenant=metadata.tenant,
        run=metadata.run,
        session=metadata.session,
        task_type=wanted.task_type,
        language=metadata.language,
        domain=metadata.domain,
        levers_off=frozenset(flag.removeprefix("no_") for flag in metadata.flags if flag.startswith("no_")),
        priority=metadata.priority,
    )


def _to_answer(shaped: Shaped) -> dict[str, Any]:
    return {
        "answer": shaped.answer.text,
        **shaped.common(),
        "sources": list(shaped.exchange.sources),
        "truncated": shaped.exchange.truncated is not None,
    }


def _flow_of(wanted: AskRequest) -> FlowAsked | None:
    metadata = wanted.metadata
    return None if metadata.flow is None else FlowAsked(metadata.flow, metadata.input, wanted.stream)


INNER = Inner("/v1/ask", AskRequest, _to_chat, _to_answer, _flow_of)
handle = served_within(INNER)
