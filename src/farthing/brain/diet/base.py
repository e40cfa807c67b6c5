"""What every rule of the diet is: a text in, a text out, nothing lost that a reader would miss."""

from collections.abc import Callable
from typing import Literal

import msgspec

from farthing.core.account import Effect
from farthing.core.decision import Decision

Part = Literal["system", "assistant", "tool", "documents"]

RuleName = Literal["whitespace", "markdown", "json", "csv", "html", "log", "duplicates", "boilerplate"]
LossyName = Literal["extract", "history", "results"]


class Rule(msgspec.Struct, frozen=True):
    """One exact rule. `apply` is idempotent and gives the text itself back where it has nothing to do."""

    name: RuleName
    applies_to: frozenset[Part]
    apply: Callable[[str], str]


class Trim(msgspec.Struct, frozen=True):
    """What one rule took out of one text."""

    rule: RuleName | LossyName
    part: Part
    before: str
    after: str
    saved_tokens: int


class Dieted(msgspec.Struct, frozen=True):
    """The diet's word on one request: the new values of the fields that changed, and what that saves. No change: no fields."""

    fields: dict[str, bytes]
    saved_tokens: int = 0
    trims: tuple[Trim, ...] = ()
    decision: Decision | None = None
    effect: Effect | None = None
