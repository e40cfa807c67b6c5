"""Few-shot examples: the few that are most like this input, instead of all of them.

Guarantees: they keep their order, so that equal choices make equal prompts; within a conversation the choice rests on its first turn and stays the
same; the caller's own messages are not changed, and examples that callers marked go whole or stay whole. Nothing is done to bodies with a cache
breakpoint.
Costs: one embedding of the input, 3 ms for a sentence; examples are embedded once. Off: no `endpoints.X.few_shot`, `levers_off = ["diet"]`.
"""

from farthing.brain.shots.choose import most_like
from farthing.brain.shots.desk import Shots, read_examples
from farthing.brain.shots.place import marked_examples, with_examples, without_marked

__all__ = ["Shots", "marked_examples", "most_like", "read_examples", "with_examples", "without_marked"]
