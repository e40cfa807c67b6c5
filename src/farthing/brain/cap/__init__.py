"""Cap: budgets, rates and per-endpoint limits. The contract is in `base`."""

from farthing.brain.cap.envelope import Envelope
from farthing.brain.cap.holds import hit_holds, holds, orphans, releases
from farthing.brain.cap.quote import DEFAULT_MAX_OUTPUT_TOKENS, INPUT_MARGIN_PERCENT, limit_field, max_output_tokens, quote
from farthing.brain.cap.refusals import limit_error, ratelimit_headers, refusal_headers

__all__ = [
    "DEFAULT_MAX_OUTPUT_TOKENS",
    "INPUT_MARGIN_PERCENT",
    "Envelope",
    "hit_holds",
    "holds",
    "limit_error",
    "limit_field",
    "max_output_tokens",
    "orphans",
    "quote",
    "ratelimit_headers",
    "refusal_headers",
    "releases",
]
