"""Sizes in tokens: estimated from bytes, counted only where the estimate is too near a threshold of the shipped rules to decide it."""

from farthing.brain.ports import Tokens
from farthing.core.request import Peek

THRESHOLDS = (128, 512)
# Estimates are 13 % off on English prose, up to a third on code, and up to half on other scripts.
_NEAR_ASCII = 1.35
_NEAR_OTHER = 2.0
_COUNTED_CHARS = 2500
_TOKENS_PER_TURN = 3


def near(estimate: int, *, ascii_text: bool) -> bool:
    """Whether the true number may lie on the other side of a threshold."""
    factor = _NEAR_ASCII if ascii_text else _NEAR_OTHER
    return any(limit / factor < estimate < limit * factor for limit in THRESHOLDS[:1])


def query_tokens(query: str, model: str, tokens: Tokens) -> int:
    """Tokens of the last user turn; exact near 128 where the router is going to decide on it."""
    ascii_text = query.isascii()
    estimate = tokens.estimate(len(query) if ascii_text else len(query.encode("utf-8", "replace")))
    if model.startswith("farthing/") and len(query) <= _COUNTED_CHARS and near(estimate, ascii_text=ascii_text):
        return tokens.count(query, model)
    return estimate


def input_tokens(peek: Peek, tokens: Tokens) -> int:
    """Tokens of all turns and tools, with what providers add around each message."""
    return tokens.estimate(peek.text_bytes) + _TOKENS_PER_TURN * (len(peek.turns) + 1)
