"""What a lever decided, in words that a person can read."""

from decimal import Decimal
from typing import Literal

import msgspec

LeverName = (
    Literal["classify", "cache", "retrieve", "diet", "route", "cap", "check", "guard", "quality", "flow"]
    | Literal["output", "batch", "prompt_cache", "quantize"]
)

LEFT_OUT = "left_out"  # the action of a diet that took out more than what says nothing

# By a request or an endpoint; caps and guardrails are nobody's to switch off. `lossy` is the part of the diet that leaves something out.
SWITCHABLE = ("cache", "route", "diet", "lossy", "retrieve", "output", "prompt_cache", "check")


class Decision(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One step of the journey: which lever, what it chose, why, and what that saved (`None`: unknown)."""

    lever: LeverName
    action: str
    reason: str
    saved_tokens: int | None = None
    saved_usd: Decimal | None = None
    failed_open: bool = False
    propensity: float | None = None  # the chance with which this was chosen, where chance had a part; None: it had none
