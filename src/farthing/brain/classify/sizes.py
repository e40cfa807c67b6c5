"""Sizes in tokens: estimated from bytes, counted only where the estimate is too near a threshold of the shipped rules to decide it."""

from farthing.brain.ports import Tokens
from farthing.core.alias import is_alias
from farthing.core.request import Peek

# Of the two thresholds of the shipped rules, the other one (512 of the whole input) comes with a task type that is less sure than the estimate.
THRESHOLD = 128
# Estimates are about 13 % off on prose in Latin letters, and up to half on other scripts. Counting 500 bytes takes longer than all the rest.
_NEAR_LATIN = 1.15
_NEAR_OTHER = 2.0
_MOSTLY_LATIN = 1.1  # bytes per character
_TOKENS_PER_TURN = 3


def near(estimate: int, *, latin: bool) -> bool:
    """Whether the true number may well lie on the other side of the threshold."""
    factor = _NEAR_LATIN if latin else _NEAR_OTHER
    return THRESHOLD / factor < estimate < THRESHOLD * factor


def query_tokens(query: str, model: str, tokens: Tokens) -> int:
    """Tokens of the last user turn; exact near 128 where the router is going to decide on it."""
    size = len(query) if query.isascii() else len(query.encode("utf-8", "replace"))
    estimate = tokens.estimate(size)
    if is_alias(model) and near(estimate, latin=size < len(query) * _MOSTLY_LATIN):
        return tokens.count(query, model)
    return estimate


def input_tokens(peek: Peek, tokens: Tokens) -> int:
    """Tokens of all turns and tools, with what providers add around each message."""
    return tokens.estimate(peek.text_bytes) + _TOKENS_PER_TURN * (len(peek.turns) + 1)
