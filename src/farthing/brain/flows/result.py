"""What came of a flow and of each of its steps."""

from decimal import Decimal
from typing import Any, Literal

import msgspec

from farthing.core.errors import FarthingError
from farthing.core.exchange import Exchange

StepState = Literal["done", "skipped", "failed"]


class StepResult(msgspec.Struct, frozen=True):
    """`value` of a step that is done; `reason` of one that is not."""

    state: StepState
    value: Any = None
    reason: str = ""
    error: FarthingError | None = None
    took_s: float = 0.0
    truncated: str | None = None  # done, with an answer that a limit cut


class FlowResult(msgspec.Struct):
    """`answer` is `None` where too little is known to give one."""

    flow: str
    answer: str | None
    steps: dict[str, StepResult]
    exchanges: list[Exchange]  # one for every model call that was tried
    exchange: Exchange  # the flow's own
    shown: dict[str, Any]  # values of steps that the caller may see
    told_by: frozenset[str]  # the steps that the answer and what was tried before it rest on, and those that run in any case

    @property
    def partial(self) -> str | None:
        """Why this is not all of it; `None` when it is."""
        for name, step in self.steps.items():
            if name not in self.told_by:
                continue
            if step.state == "failed":
                return f"step '{name}' failed: {step.reason}"
            if step.truncated is not None:
                return f"step '{name}': {step.truncated}"
        return "no answer could be put together from what the steps gave" if self.answer is None else None

    @property
    def calls(self) -> int:
        """Model calls that were made, repairs included."""
        return sum(len([attempt for attempt in x.attempts if attempt.error_code is None]) for x in self.exchanges)

    @property
    def cost_usd(self) -> Decimal | None:
        """`None` as soon as one call's is unknown."""
        total = Decimal(0)
        for x in self.exchanges:
            if x.cost_usd is None and x.attempts:
                return None
            total += x.cost_usd or 0
        return total
