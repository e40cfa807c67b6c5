"""Prompt cache: let the provider keep what is sent again and again, where that pays.

Guarantees: nothing is set where the caller set any of it, nor before enough requests of the endpoint were seen; what is set changes no word of the
prompt. A breakpoint is written only where the sum says so: what reading it again saves, times how often that happened, against what writing costs.
Costs: one digest of the body, and a look-up (bench/prefix.py). Nothing is sent anywhere; one worker remembers digests for a few minutes.
Off: `prompt_cache.enabled = false`, `levers_off = ["prompt_cache"]` on an endpoint, or header `x-farthing-levers: -prompt_cache`.
"""

from farthing.brain.prefix.memory import Prefixes, Seen
from farthing.brain.prefix.sums import Reads, reading_price, writing_pays

__all__ = ["Prefixes", "Reads", "Seen", "reading_price", "writing_pays"]
