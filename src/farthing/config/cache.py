"""Reuse of answers: `[cache]`."""

from typing import Annotated

from farthing.config.semantic import Semantic
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class CacheSlot(_Table, frozen=True):
    """Questions that the operator knows by name: those of one slot share an answer, whatever their words."""

    key: Annotated[str, _key("Name, such as faq:refund_policy.", min_length=1)]
    patterns: Annotated[
        tuple[str, ...], _key("RE2; one must match the whole question, whatever its case, without spacing and marks at its end.", min_length=1)
    ]
    endpoints: Annotated[tuple[str, ...], _key("Endpoints where it holds; empty: all.")] = ()


class Cache(_Table, frozen=True):
    """Reuse of answers."""

    enabled: Annotated[bool, _key("Serve and store.")] = True
    ttl_s: Annotated[float, _key("Age at which an entry dies.", gt=0)] = 86400.0
    max_mb: Annotated[float, _key("Memory for answers in one worker; those that saved least for each byte go first.", gt=0)] = 32.0
    max_entry_kb: Annotated[float, _key("Answers larger than this are not kept.", gt=0)] = 64.0
    max_temperature: Annotated[float, _key("Hotter requests are not reused.", ge=0)] = 0.3
    coalesce: Annotated[bool, _key("Identical requests in flight share one upstream call.")] = True
    normalised: Annotated[bool, _key("Questions that differ in case, spacing or closing marks alone share an answer.")] = True
    slots: Annotated[tuple[CacheSlot, ...], _key("Questions known by name (`[[cache.slots]]`); the first row that matches counts.")] = ()
    policy_version: Annotated[str | None, _key("Version of your policy for answers; those made under another are not served.")] = None
    semantic: Annotated[Semantic, _key("Reuse by meaning.")] = Semantic()
