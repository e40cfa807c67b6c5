"""The cache step of the journey: look before the call, store after it."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from farthing.brain.cache.admission import OWN_AFFAIRS, asks_about_own_affairs, bypass_reason
from farthing.brain.cache.base import Answer, Reuse
from farthing.brain.cache.exact import ExactCache, content_digest, scope_key
from farthing.brain.cache.flight import Flights
from farthing.config import Cache, Endpoint
from farthing.core.call import Call
from farthing.core.decision import Decision
from farthing.core.exchange import FINISHED, Signals, Target
from farthing.core.recent import Recent
from farthing.core.request import Dialect, Inbound
from farthing.core.usage import Usage
from farthing.wire.canonical import canonical

Words = Callable[[], Sequence[bytes]]
Tell = Callable[[bytes, str, Answer], None]


def _nobody(_key: bytes, _tenant: str, _answer: Answer) -> None: ...


_MISS = Decision("cache", "miss", "first time in this scope")
_COALESCED = Decision("cache", "coalesced", "same request was in flight")
_OFF = Decision("cache", "bypass", "lever is off")


class CacheLever:
    """Reads and writes one worker's exact cache; tells of what it keeps (`fresh`) and what it serves again (`reused`)."""

    coalesced = _COALESCED
    without = Reuse("bypass", _OFF)

    def __init__(self, config: Cache, *, fresh: Tell = _nobody, reused: Tell = _nobody) -> None:
        self.config = config
        self.entries = ExactCache(max_bytes=int(config.max_mb * 1_048_576), max_entry_bytes=int(config.max_entry_kb * 1024))
        self.flights = Flights()
        self._fresh = fresh
        self._reused = reused
        self._recent: dict[Dialect, Recent[tuple[bytes, bool]]] = {dialect: Recent() for dialect in Dialect}

    def look(self, inbound: Inbound, endpoint: Endpoint, *, words: Words, now: float, off: bool) -> Reuse:
        """Hit, follow, lead or bypass. `words` gives those of the last user turn. Pure but for what it remembers of recent bodies."""
        if off or not self.config.enabled:
            return Reuse("bypass", _OFF)
        reason = bypass_reason(inbound, max_temperature=self.config.max_temperature, default_temperature=endpoint.temperature)
        if reason is not None:
            return Reuse("bypass", Decision("cache", "bypass", reason))
        recent = self._recent[inbound.dialect]
        known = recent.get(inbound.body)
        content, own = known or (content_digest(canonical(inbound.dialect, inbound.body)), asks_about_own_affairs(words()))
        user_scope = None
        if own:
            user_scope = inbound.user_hash
            if user_scope is None:
                return Reuse("bypass", Decision("cache", "bypass", OWN_AFFAIRS))
        key = scope_key(inbound, content, user_scope=user_scope)
        answer = self.entries.get(key, now)
        if answer is not None:
            if known is None:
                recent.put(inbound.body, (content, own))
            self._reused(key, inbound.tenant, answer)
            age_s = max(0, int(now - answer.created_at))
            return Reuse("hit", Decision("cache", "exact", f"same request {age_s} s ago", saved_usd=answer.cost_usd), key, answer)
        if self.config.coalesce and self.flights.get(key) is not None:
            return Reuse("follow", _COALESCED, key)
        return Reuse("lead", _MISS, key)

    def store(
        self,
        key: bytes,
        inbound: Inbound,
        call: Call,
        target: Target,
        body: bytes,
        *,
        usage: Usage | None,
        cost_usd: Decimal | None,
        finish: str | None,
        signals: Signals | None,
        sources: tuple[str, ...] = (),
        now: float,
    ) -> None:
        """Keep a whole, untroubled answer. The caller has made sure that nothing was cut, refused or repaired."""
        if finish not in FINISHED and inbound.dialect is not Dialect.EMBEDDINGS:
            return
        answer = Answer(
            call.dialect,
            call.stream,
            body,
            target.service,
            target.model,
            target.tier,
            usage,
            cost_usd,
            finish,
            "ans" + inbound.request_id.removeprefix("req"),
            now,
            now + self.config.ttl_s,
            signals,
            sources,
        )
        if self.entries.put(key, answer, inbound.tenant):
            self._fresh(key, inbound.tenant, answer)
