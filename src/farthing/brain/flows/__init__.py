"""Flows: a fixed sequence of steps in place of an agent that asks a model what to do next, and next, and next.

Guarantees: what a flow may do stands in the configuration: which hosts, which models, in which order; nothing that a model or a caller writes can
add a step. A flow is checked when the configuration is read: a name that leads nowhere, or in a circle, is an error that names the step. Every
model call is a request of the common journey, with its own ledger row, under the flow's run and the caps of its endpoint, which hold over the whole
flow. A step that fails leaves the others to run: the caller gets what there is, and is told.
Costs: no model call of its own; one more ledger row.
Off: no `[flows]`; a flow runs only where `metadata.flow` names it.
"""

from farthing.brain.flows.plan import Plan, Plans, flow_mistakes
from farthing.brain.flows.result import FlowResult, StepResult
from farthing.brain.flows.run import Tools, run_flow

__all__ = ["FlowResult", "Plan", "Plans", "StepResult", "Tools", "flow_mistakes", "run_flow"]
