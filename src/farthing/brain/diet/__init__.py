"""Prompt diet: send fewer tokens that mean the same.

Guarantees: never touches a user's own words, code, quoted words, links, numbers, tool calls and ids, nor anything at or before a
provider cache breakpoint. Every rule is idempotent, and is applied to a text only where that text gets fewer tokens by it. The same prefix is
trimmed the same way every time, so a provider's prompt cache goes on working.
Costs: no model call; bench/diet.py prints the time for 8k tokens.
Off: `diet.enabled = false`, `levers_off = ["diet"]` on an endpoint, or header `x-farthing-levers: -diet`.
"""

from farthing.brain.diet.base import Dieted, Trim
from farthing.brain.diet.lever import DietLever

__all__ = ["DietLever", "Dieted", "Trim"]
