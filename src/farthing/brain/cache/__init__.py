"""Answer reuse: the same question, asked twice, is paid for once. Lanes: the very request; its question in another spelling, or under a name that
was configured (normalise.py); its question in other words (semantic/).

Guarantees: an answer is served only within its scope (tenant, endpoint, model or tier as asked for, and the whole canonical body but for the
question: system prompt, history, tools, response format, sampling parameters). Never reused: requests with tools, temperature above the limit,
several choices, log-probabilities, provider-side state, questions about the caller's own affairs without a known end user, `no-store`.
Never stored: answers cut short, refused, filtered, failed.
Costs: about 20 us for key and look-up of a 1.5 KB body (bench/overhead.py), `cache.max_mb` of memory in each worker.
Off: `cache.enabled = false`, `levers_off = ["cache"]` on an endpoint, or header `x-farthing-levers: -cache`.
"""

from farthing.brain.cache.admission import bypass_reason
from farthing.brain.cache.base import Answer, Lane, Origin, Reuse
from farthing.brain.cache.exact import ExactCache, scope_key
from farthing.brain.cache.flight import Flight, Flights, LeaderCut, LeaderLost, Verdict
from farthing.brain.cache.lever import CacheLever, entry_id_of

__all__ = [
    "Answer",
    "CacheLever",
    "ExactCache",
    "Flight",
    "Flights",
    "Lane",
    "LeaderCut",
    "LeaderLost",
    "Origin",
    "Reuse",
    "Verdict",
    "bypass_reason",
    "entry_id_of",
    "scope_key",
]
