"""The cache step of the journey: look before the call, store after it."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from farthing.brain.cache.admission import OWN_AFFAIRS, asks_about_own_affairs, bypass_reason
from farthing.brain.cache.base import Answer, Origin, Reuse
from farthing.brain.cache.exact import ExactCache, content_digest, scope_key
from farthing.brain.cache.flight import Flights
from farthing.brain.cache.normalise import Slots, Spelling, normalise
from farthing.config import Cache, Endpoint
from farthing.core.call import Call
from farthing.core.decision import Decision
from farthing.core.exchange import FINISHED, Signals, Target
from farthing.core.recent import Recent
from farthing.core.request import Dialect, Inbound
from farthing.core.usage import Usage
from farthing.wire.canonical import canonical
from farthing.wire.question import Question, question_of

Words = Callable[[], Sequence[bytes]]
Tell = Callable[[bytes, str, Answer], None]
_MOST_QUESTION_CHARS = 500
_MOST_STATES = 10_000


def _nobody(_key: bytes, _tenant: str, _answer: Answer) -> None: ...


_MISS = Decision("cache", "miss", "first time in this scope")
_COALESCED = Decision("cache", "coalesced", "same request was in flight")
_OFF = Decision("cache", "bypass", "lever is off")


class CacheLever:
    """Reads and writes one worker's answers, by the very request and by its normalised question; tells of what it keeps (`fresh`) and what it
    serves again (`reused`)."""

    coalesced = _COALESCED
    without = Reuse("bypass", _OFF)

    def __init__(self, config: Cache, *, fresh: Tell = _nobody, reused: Tell = _nobody, catch_up: Callable[[], None] = lambda: None) -> None:
        self.config = config
        self.entries = ExactCache(max_bytes=int(config.max_mb * 1_048_576), max_entry_bytes=int(config.max_entry_kb * 1024))
        self.flights = Flights()
        self._slots = Slots(config.slots)
        self._fresh = fresh
        self._reused = reused
        self._catch_up = catch_up  # hears what anybody dropped
        self._states: set[tuple[str, str]] = set()
        self._recent: dict[Dialect, Recent[tuple[bytes, bool]]] = {dialect: Recent() for dialect in Dialect}

    def note_state(self, tenant: str, state: str) -> None:
        """A collection is in this state; when it was not before, what its change made stale is forgotten before anything is served."""
        if (tenant, state) not in self._states:
            if len(self._states) >= _MOST_STATES:
                self._states.clear()
            self._states.add((tenant, state))
            self._catch_up()

    def look(self, inbound: Inbound, endpoint: Endpoint, *, words: Words, now: float, off: bool) -> Reuse:
        """Hit, follow, lead or bypass. `words` gives those of the last user turn. Pure but for what it remembers of recent bodies."""
        if off or not self.config.enabled:
            return Reuse("bypass", _OFF)
        reason = bypass_reason(inbound, max_temperature=self.config.max_temperature, default_temperature=endpoint.temperature)
        if reason is not None:
            return Reuse("bypass", Decision("cache", "bypass", reason))
        recent = self._recent[inbound.dialect]
        known = recent.get(inbound.body)
        body = None if known is not None else canonical(inbound.dialect, inbound.body)
        content, own = known or (content_digest(body or b""), asks_about_own_affairs(words()))
        asked, slot = (None, None) if body is None else self._asked(inbound, body, own)
        user_scope = None
        if own and slot is None:
            user_scope = inbound.user_hash
            if user_scope is None:
                return Reuse("bypass", Decision("cache", "bypass", OWN_AFFAIRS))
        key = scope_key(inbound, content, user_scope=user_scope)
        answer = self.entries.get(key, now)
        if answer is not None:
            if known is None and slot is None:
                recent.put(inbound.body, (content, own))
            self._reused(key, inbound.tenant, answer)
            age_s = max(0, int(now - answer.created_at))
            return Reuse("hit", Decision("cache", "exact", f"same request {age_s} s ago", saved_usd=answer.cost_usd), key, answer)
        asked = asked or question_of(inbound.dialect, canonical(inbound.dialect, inbound.body) if body is None else body)
        return self._by_spelling(inbound, endpoint, key, asked, slot, user_scope, now)

    def _asked(self, inbound: Inbound, canonical_body: bytes, own: bool) -> tuple[Question | None, str | None]:
        """The question and its slot, where they are needed before the exact lane: a slot says that a question is nobody's own affair."""
        if not self._slots or not own or inbound.widest_lane == "exact":
            return None, None
        asked = question_of(inbound.dialect, canonical_body)
        return asked, None if asked is None else self._slots.named(asked.text, inbound.endpoint)

    def _by_spelling(
        self, inbound: Inbound, endpoint: Endpoint, key: bytes, asked: Question | None, slot: str | None, user_scope: str | None, now: float
    ) -> Reuse:
        """The exact lane has nothing: is the question known in another spelling, or is its answer on its way?"""
        spelling = None if asked is None or inbound.widest_lane == "exact" else self._spelling(inbound, asked, slot)
        normalised = None
        if asked is not None and spelling is not None:
            normalised = scope_key(inbound, content_digest(asked.frame + spelling.mark()), user_scope=user_scope)
            found = self.entries.get_normalised(normalised, now)
            if found is not None:
                self._reused(found[0], inbound.tenant, found[1])
                return Reuse("hit", _normalised(spelling, found[1], now), found[0], found[1], "normalised")
        if self.config.coalesce and (flying := self._flying(key, normalised)) is not None:
            return Reuse("follow", _COALESCED, flying)
        return Reuse("lead", _MISS, key, origin=_origin(inbound, endpoint, asked, normalised, None if spelling is None else spelling.slot))

    def _spelling(self, inbound: Inbound, asked: Question, slot: str | None) -> Spelling | None:
        slot = slot or self._slots.named(asked.text, inbound.endpoint)
        if slot is not None:
            return Spelling("", slot)
        text = normalise(asked.text, inbound.language) if self.config.normalised else None
        return None if text is None else Spelling(text)

    def _flying(self, key: bytes, normalised: bytes | None) -> bytes | None:
        if self.flights.get(key) is not None:
            return key
        return normalised if normalised is not None and self.flights.get(normalised) is not None else None

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
        origin: Origin | None = None,
    ) -> None:
        """Keep a whole, untroubled answer. The caller has made sure that nothing was cut, refused or repaired.

        It is as old as its request: what was dropped meanwhile it may still rest on, and then it is not kept.
        """
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
            entry_id_of(inbound.request_id),
            inbound.received_at,
            inbound.received_at + self.config.ttl_s,
            signals,
            sources,
            origin or Origin(inbound.endpoint),
        )
        if self.entries.put(key, answer, inbound.tenant):
            self._fresh(key, inbound.tenant, answer)


def entry_id_of(request_id: str) -> str:
    """The id of the answer that this request brought about."""
    return "ans" + request_id.removeprefix("req")


def _normalised(spelling: Spelling, answer: Answer, now: float) -> Decision:
    age_s = max(0, int(now - answer.created_at))
    how = f"slot {spelling.slot}" if spelling.slot is not None else "same question but for case, spacing or closing punctuation"
    return Decision("cache", "normalised", f"{how}, {age_s} s ago", saved_usd=answer.cost_usd)


def _origin(inbound: Inbound, endpoint: Endpoint, asked: Question | None, normalised: bytes | None, slot: str | None) -> Origin:
    return Origin(
        endpoint=inbound.endpoint,
        question="" if asked is None else asked.text[:_MOST_QUESTION_CHARS],
        normalised=normalised,
        slot=slot,
        language=inbound.language,
        collection=endpoint.collection,
        tags=inbound.cache_tags,
        prompt_version=inbound.prompt_version,
        policy_version=inbound.policy_version,
    )
