"""May this request read from, or write to, the cache at all? Rules are rows."""

import re2

from farthing.core.request import Dialect, Inbound

# "my order", "our invoice": the same words mean different things to different people.
_OWN_AFFAIRS = re2.compile(
    r"(?i)\b(my|mine|our|i have|i've|am i|do i)\b.{0,40}\b(account|address|appointment|balance|bill|booking|card|claim|contract|delivery|"
    r"e-?mail|invoice|loan|order|package|password|payment|phone|plan|policy number|profile|refund|salary|subscription|ticket|usage)s?\b"
)
_SCAN_CHARS = 2000


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
        return _sampling_reason(inbound, max_temperature, default_temperature) or _own_affairs_reason(inbound)
    return None


def _sampling_reason(inbound: Inbound, max_temperature: float, default_temperature: float | None) -> str | None:
    temperature = inbound.peek.temperature
    said = "temperature"
    if temperature is None:
        # A body without a temperature gets the provider's default, which is 1.0, not 0.
        temperature, said = (1.0, "default temperature") if default_temperature is None else (default_temperature, "endpoint's temperature")
    return f"{said} {temperature:g} is above {max_temperature:g}" if temperature > max_temperature else None


def _own_affairs_reason(inbound: Inbound) -> str | None:
    if inbound.user_hash is None and _OWN_AFFAIRS.search(inbound.peek.last_user_text[:_SCAN_CHARS]):
        return "asks about the caller's own affairs, and no end user is named"
    return None


def asks_about_own_affairs(inbound: Inbound) -> bool:
    """True when the answer belongs to one end user and may be shared with no other."""
    return inbound.user_hash is not None and _OWN_AFFAIRS.search(inbound.peek.last_user_text[:_SCAN_CHARS]) is not None
