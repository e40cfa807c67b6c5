"""POST /llm-inference: one interface over the tiers, whatever runs beneath them.

`{"model_tier": "cheap"|"expensive", "prompt", "max_tokens", "temperature", "priority"}` -> `{"text", "model", "tier", "usage", "cost_usd", ...}`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from farthing.core.alias import PREFIX
from farthing.edge.gateway import Gateway
from farthing.edge.within import Inner, InnerRequest, Shaped, served_within


class InferenceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of the route."""

    model_tier: Literal["cheap", "expensive"]
    prompt: str
    max_tokens: int | None = None
    temperature: float | None = None
    system: str | None = None
    stop: list[str] | None = None
    priority: Literal["interactive", "background"] | None = None  # background: 202, and the answer at /v1/background/ID


def _to_chat(wanted: InferenceRequest, _gateway: Gateway, _headers: Mapping[bytes, bytes]) -> InnerRequest:
    messages: list[dict[str, str]] = [{"role": "system", "content": wanted.system}] if wanted.system else []
    messages.append({"role": "user", "content": wanted.prompt})
    body: dict[str, Any] = {"model": f"{PREFIX}{wanted.model_tier}", "messages": messages}
    for name in ("max_tokens", "temperature", "stop"):
        value = getattr(wanted, name)
        if value is not None:
            body[name] = value
    return InnerRequest(body, priority=wanted.priority)


def _to_answer(shaped: Shaped) -> dict[str, Any]:
    return {
        "text": shaped.answer.text,
        "finish_reason": shaped.answer.finish,
        **shaped.common(),
        "truncated": shaped.exchange.truncated is not None,
    }


INNER = Inner("/llm-inference", InferenceRequest, _to_chat, _to_answer)
handle = served_within(INNER)
