"""What a request and an answer may hold: `[limits]`, `[check]`, `[guard]`."""

from typing import Annotated, Literal

from farthing.config.table import Count
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key
from farthing.core.request import KeyLimits


class Limits(_Table, frozen=True):
    """Bounds on what a request may hold, and how fast it may come."""

    body_bytes: Annotated[int, _key("Largest body.", ge=1024)] = 20_971_520
    json_depth: Annotated[int, _key("Deepest nesting.", ge=4, le=512)] = 64
    messages: Annotated[int, _key("Most messages in one request.", ge=1)] = 2048
    input_tokens: Annotated[Count | None, _key("Longest input.")] = None
    key: Annotated[KeyLimits, _key("Default for every virtual key that sets none of its own.")] = KeyLimits()
    tenant: Annotated[dict[str, KeyLimits], _key("By tenant; '*' is the default.")] = {}
    user: Annotated[KeyLimits, _key("For every end user.")] = KeyLimits()


class Check(_Table, frozen=True):
    """What happens to an answer before it counts."""

    schema: Annotated[bool, _key("Validate answers where the caller gave a JSON schema; repair, then escalate.")] = True
    repair_call: Annotated[bool, _key("Allow one cheap call to repair an invalid answer.")] = True
    escalate: Annotated[bool, _key("Ask the expensive tier when repair fails.")] = True


class GuardRow(_Table, frozen=True):
    """One guardrail: a linear-time pattern and what to do when it matches."""

    name: Annotated[str, _key("Shown in the decision and the error.")]
    pattern: Annotated[str, _key("RE2 pattern.")]
    where: Annotated[Literal["input", "output", "both"], _key("What is read.")] = "both"
    action: Annotated[Literal["block", "redact"], _key("Refuse, or replace the match.")] = "block"


class Guard(_Table, frozen=True):
    """Guardrails."""

    rows: Annotated[tuple[GuardRow, ...], _key("Patterns, in order.")] = ()
    redact_upstream: Annotated[bool, _key("Remove personal data before a prompt leaves for a model (it is always removed before logging).")] = False
    max_answer_chars: Annotated[Count | None, _key("Longest answer; longer ones are cut and say so.")] = None
