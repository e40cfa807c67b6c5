"""Route: which model answers.

Guarantees: a model that the caller named is kept; a key never reaches a model outside its `allowed_models`; an agent session
keeps its model; a tier that is empty, or a lever that is off, never stops `farthing/auto` while any model is left.
Costs: no model call and no input or output; 3 us for `farthing/auto` with the shipped rules, 0.5 us for a real name (bench/route_rules.py).
Off: `levers_off = ["route"]` on an endpoint, or header `x-farthing-levers: -route`; then `farthing/auto` is the baseline model.
"""

import msgspec

from farthing.core.decision import Decision
from farthing.core.exchange import Target


class Routed(msgspec.Struct, frozen=True, gc=False):
    """Where to send, best first (the rest is for failover, never empty), and why."""

    targets: tuple[Target, ...]
    decision: Decision
