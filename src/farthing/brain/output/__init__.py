"""Output: pay for no more answer than is wanted.

A length rule at the end of the system prompt, a `max_tokens` learned from the endpoint's own answers, stop sequences, and a truthful early end of
streams that repeat themselves or run past their limit.
Guarantees: acts only where the caller said nothing about it (no limit, no stop sequence of its own, no schema, no JSON mode, no tools, no cache
breakpoint); the rule is the same text for every request of an endpoint and task, so a provider's prompt cache goes on working; a cut answer ends
with finish reason `length` and says why. What a rule saves is measured against a share of runs that go without it.
Costs: no model call; 3 us for a rule, 1.7 us for each chunk of a stream (bench/output.py).
Off: `levers_off = ["output"]` on an endpoint, header `x-farthing-levers: -output`. Without `endpoints.X.output` only the early end acts.
"""

from farthing.brain.output.learned import Learned, learned_limit
from farthing.brain.output.rules import ANY_TASK, Ruled, choose_rule, fits, with_rule, with_stops
from farthing.brain.output.watch import StreamWatch

__all__ = ["ANY_TASK", "Learned", "Ruled", "StreamWatch", "choose_rule", "fits", "learned_limit", "with_rule", "with_stops"]
