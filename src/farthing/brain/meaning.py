"""Reuse by meaning, around the journey: which questions go to the semantic lane, what is served from it, and what it learns afterwards.

Off the request's path: reading a fresh answer, judging it, taking it in. On it, after the exact lane has missed: embedding the question and a look.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from farthing.brain.cache import Answer, Flight, scope_key
from farthing.brain.cache.exact import content_digest
from farthing.brain.cache.semantic.asking import SameAnswer
from farthing.brain.cache.semantic.entries import Entry, Kept, Pending
from farthing.brain.cache.semantic.fitness import unfit
from farthing.brain.cache.semantic.lane import SemanticLane
from farthing.brain.check.redact import redact
from farthing.brain.checking import read_answer
from farthing.brain.failopen import attempt_later
from farthing.brain.trip import Trip
from farthing.config import Semantic
from farthing.core.clock import Clock
from farthing.core.conversation import Answer as Said
from farthing.core.conversation import Finish
from farthing.core.decision import Decision
from farthing.core.errors import FarthingError
from farthing.core.exchange import Exchange
from farthing.core.request import Inbound
from farthing.wire.question import Question, question

if TYPE_CHECKING:
    from farthing.brain.ports import Vector

log = logging.getLogger("farthing.cache")

_MOST_JUDGING = 64


def _nowhere(_kept: Kept, _entry: Entry, _vector: bytes) -> bool:
    return False


class Meaning:
    """The semantic lane with its judge and its store; one for each worker, outlives reloads that leave its configuration alone."""

    def __init__(self, lane: SemanticLane, clock: Clock, *, same: SameAnswer | None = None) -> None:
        self.lane = lane
        self.config: Semantic = lane.config
        self._clock = clock
        self.kept: Callable[[Kept, Entry, bytes], bool] = _nowhere  # where lessons are written
        self.same = same  # None: no judge is configured, and nothing is learned
        self._tasks: set[asyncio.Task[None]] = set()

    async def look(self, trip: Trip) -> Entry | Flight | None:
        """The answer that serves this question too, or the call in flight that will, with the decision on the record; `None`: the model is asked.

        Fails open."""
        x = trip.x
        pending = await attempt_later(x, "cache", lambda: self._look(x), lambda: "the lever broke")
        if isinstance(pending, str):
            return None
        trip.pending = pending
        candidate = pending.look.candidate
        if candidate is not None and pending.joins is not None:
            reason = f"similarity {candidate.cosine:.3f}, {pending.look.reason}, in flight, asked as: {redact(pending.joins.question)[:200]}"
            trip.near = Decision("cache", "semantic", reason)
            x.cache_similarity = round(candidate.cosine, 4)
            return pending.joins.flight
        if pending.serves is None or candidate is None:
            return None
        entry, age_s = pending.serves, max(0, int(self._clock.now() - pending.serves.answer.created_at))
        reason = f"similarity {candidate.cosine:.3f}, {pending.look.reason}, {age_s} s ago, asked as: {redact(entry.question)[:200]}"
        x.decisions.append(Decision("cache", "semantic", reason, saved_usd=entry.answer.cost_usd))
        x.cache_similarity = round(candidate.cosine, 4)
        return entry

    async def _look(self, x: Exchange) -> Pending | str:
        """What the lane says, or why there is nothing to serve; an embedder that cannot be had is on the record."""
        inbound = x.inbound
        try:
            asked = self.fit(inbound)
            if isinstance(asked, str):
                return asked
            scope = self.scope(inbound, asked)
            return await self.lane.look(scope, asked.text, voice(inbound), self._clock.now(), max_wrong=inbound.max_wrong_per_hit)
        except (FarthingError, TimeoutError) as error:
            x.decisions.append(Decision("cache", "failed", f"by meaning: {error or type(error).__name__}", failed_open=True))
            return "the lane cannot be asked"

    def fit(self, inbound: Inbound) -> Question | str:
        """The question, or why it is not compared by meaning."""
        if self.config.endpoints and inbound.endpoint not in self.config.endpoints:
            return "endpoint"
        if inbound.widest_lane != "semantic":
            return "only stricter lanes may answer"
        asked = question(inbound.dialect, inbound.body)
        if asked is None:
            return "the last turn is no plain text of a user"
        personal = redact(asked.text) != asked.text
        reason = unfit(inbound, asked.text, follows=asked.follows, personal=personal, most_chars=self.config.max_question_chars)
        return asked if reason is None else reason

    def scope(self, inbound: Inbound, asked: Question) -> bytes:
        """The namespace: everything but the question, who may see it, and what the vectors and thresholds were made with."""
        language = (inbound.language or "").encode()
        return scope_key(inbound, content_digest(asked.frame + b"\0" + language + b"\0" + self.lane.embedder.id.encode()))

    def departs(self, trip: Trip, flight: Flight) -> None:
        """The call for this question is about to leave."""
        if trip.pending is not None:
            self.lane.departs(trip.pending, voice(trip.x.inbound), flight)

    def fresh(self, trip: Trip, answer: Answer) -> None:
        """An answer was kept in the exact lane: read it, have it judged and take it in, after the reply."""
        pending, inbound = trip.pending, trip.x.inbound
        if pending is None or self.same is None or len(self._tasks) >= _MOST_JUDGING:
            return
        if self.config.trusted_keys and inbound.principal.key_id not in self.config.trusted_keys:
            return
        task = asyncio.get_running_loop().create_task(self._learn(pending, inbound, answer), name="farthing-semantic")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _learn(self, pending: Pending, inbound: Inbound, answer: Answer) -> None:
        try:
            said = read_answer(answer.dialect, answer.body, stream=answer.stream)
            if self.same is None or not _may_be_shared(said):
                return
            answer = msgspec.structs.replace(answer, expires_at=answer.created_at + self.config.ttl_s)
            entry = Entry(
                answer.entry_id, pending.scope, inbound.tenant, inbound.endpoint, pending.question, answer, said.text, voice(inbound), answer.sources
            )
            kept = await self.lane.keep(pending, entry, self.same)
            if kept is not None:
                self.kept(kept, entry, vector_bytes(pending.vector))
            for later, about, vector in await self.lane.ask_later(pending.scope, self.same):
                self.kept(later, about, b"" if vector is None else vector_bytes(vector))
        except FarthingError as error:
            log.info("an answer was not taken in for reuse by meaning: %s: %s", error.code, error.message)
        except Exception as fault:
            log.error("learning from request %s failed: %s", inbound.request_id, type(fault).__name__, exc_info=fault)

    @property
    def idle(self) -> bool:
        return not self._tasks

    async def close(self, within_s: float) -> None:
        """What is being judged gets this time, then it is let go."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=within_s)
            for task in late:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*late, return_exceptions=True)


def voice(inbound: Inbound) -> str:
    """Who speaks: the end user where there is one, else the key."""
    return inbound.user_hash or inbound.principal.key_id or ""


def vector_bytes(vector: "Vector") -> bytes:
    """Half precision, as it is stored."""
    import numpy as np

    return vector.astype(np.float16).tobytes()


def _may_be_shared(said: Said) -> bool:
    """Whole, without tools, refusal or personal data."""
    return said.finish is Finish.STOP and not said.tool_calls and not said.refusal and bool(said.text.strip()) and redact(said.text) == said.text
