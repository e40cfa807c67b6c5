"""Which model a session talks to: switching in mid-session throws the provider's prompt cache away.

Held in memory, per worker, under (tenant, session): a session name is the caller's word and must not reach across tenants.
A lost entry costs one fresh decision, nothing else.
"""

from collections import OrderedDict

from farthing.core.exchange import Target


class Sessions:
    """A bounded map; the session that has been silent longest is forgotten first."""

    def __init__(self, *, keep_s: float, max_sessions: int = 10_000) -> None:
        self._keep_s = keep_s
        self._max_sessions = max_sessions
        self._seen: OrderedDict[tuple[str, str], tuple[Target, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def get(self, tenant: str, session: str, *, now: float) -> Target | None:
        """Its model, if it called within `keep_s`."""
        entry = self._seen.get((tenant, session))
        if entry is None:
            return None
        target, last_seen = entry
        if now - last_seen > self._keep_s:
            del self._seen[(tenant, session)]
            return None
        return target

    def put(self, tenant: str, session: str, target: Target, *, now: float) -> None:
        """Remember, and count this as a sign of life."""
        key = (tenant, session)
        self._seen[key] = (target, now)
        self._seen.move_to_end(key)
        if len(self._seen) > self._max_sessions:
            self._seen.popitem(last=False)
