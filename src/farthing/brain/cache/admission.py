"""May this request read from, or write to, the cache at all? Rules are rows."""

from collections.abc import Sequence

from farthing.core.request import Dialect, Inbound

# "my order", "our last invoice": the same words mean different things to different people.
_OWNERS = frozenset({b"my", b"our", b"mine", b"i", b"ive", b"im"})
_AFFAIR_WORDS = (
    "account address appointment balance bill booking card claim contract delivery email invoice loan order package password "
    "payment phone plan profile refund salary subscription ticket usage"
)
_AFFAIRS = frozenset((word + ending).encode() for word in _AFFAIR_WORDS.split() for ending in ("", "s"))
_WORDS_BETWEEN = 6

OWN_AFFAIRS = "asks about the caller's own affairs, and no end user is named"


def bypass_reason(inbound: Inbound, *, max_temperature: float, default_temperature: float | None) -> str | None:
    """Why this request must not be reused, or `None` when it may."""
    peek = inbound.peek
    if inbound.no_store:
        return "the caller asked for no-store"
    if peek.has_tools:
        return "tool calls act on the world"
    if peek.stored_upstream:
        return "the conversation lives at the provider"
    if peek.n > 1:
        return "several choices asked for"
    if peek.wants_logprobs:
        return "log-probabilities asked for"
    if inbound.dialect is not Dialect.EMBEDDINGS:
        return _sampling_reason(inbound, max_temperature, default_temperature)
    return None


def _sampling_reason(inbound: Inbound, max_temperature: float, default_temperature: float | None) -> str | None:
    temperature = inbound.peek.temperature
    said = "temperature"
    if temperature is None:
        # A body without a temperature gets the provider's default, which is 1.0, not 0.
        temperature, said = (1.0, "default temperature") if default_temperature is None else (default_temperature, "endpoint's temperature")
    return f"{said} {temperature:g} is above {max_temperature:g}" if temperature > max_temperature else None


def asks_about_own_affairs(words: Sequence[bytes]) -> bool:
    """True when the answer belongs to the one who asks: an owner's word, and an affair within six words after it.

    `words` of the last user turn: lower case, no punctuation, no apostrophes.
    """
    if _AFFAIRS.isdisjoint(words) or _OWNERS.isdisjoint(words):
        return False
    return any(
        word in _OWNERS and not _AFFAIRS.isdisjoint(words[position + 1 : position + 1 + _WORDS_BETWEEN]) for position, word in enumerate(words)
    )
