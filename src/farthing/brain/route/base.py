"""Route: which model answers.

Guarantees: a model that the caller named is kept; a key never reaches a model outside its `allowed_models`; an agent session
keeps its model; a tier that is empty, or a lever that is off, never stops `farthing/auto` while any model is left.
Costs: no model call and no input or output; 3 us for `farthing/auto` with the shipped rules, 0.5 us for a real name (bench/route_rules.py).
Off: `levers_off = ["route"]` on an endpoint, or header `x-farthing-levers: -route`; then `farthing/auto` is the baseline model.
"""

from typing import Any, Literal

import msgspec

from farthing.core.decision import Decision
from farthing.core.exchange import Target


class Routed(msgspec.Struct, frozen=True, gc=False):
    """Where to send, best first (the rest is for failover, never empty), and why."""

    targets: tuple[Target, ...]
    decision: Decision
    open: bool = False  # no rule insists: a learned router may choose otherwise


class Judged(msgspec.Struct, frozen=True):
    """What a learned router made of a request. With `dials`, the cheap answer is to be read before it is served."""

    tier: Literal["cheap", "expensive"]
    reason: str
    model: str | None = None  # the one that was chosen; None: the first of the tier
    gap: float = 0.0  # quality expected to be lost by serving the cheap answer
    dials: Any = None
    columns: Any = None  # what is known of the prompt, for reading its answer
    propensity: float = 1.0  # the chance with which this tier was chosen
    margin: float | None = None  # how far from the cut


class Step(msgspec.Struct, frozen=True, gc=False):
    """What to do with a cheap answer, and why."""

    action: Literal["keep", "ask", "escalate"]
    reason: str
