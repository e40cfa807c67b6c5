"""The semantic lane of one worker: namespaces with their keys and answers, what is served from them, what goes in and what is taken out.

    look      embed the question, find the nearest keys of its own namespace, let the namespace decide
    keep      a fresh answer: judged beside the nearest ones, then its question becomes a key
    ask_later what the judge was not asked about while labels were short; answers that turn out to be the same become one
    drop      by what an answer rests on (core/forgetting.py): gone from the next look on, in other workers at their next look at the store

Guarantees: the scope of a question is the name of its namespace: no search sees another's keys. An answer reaches others than those who brought it
about only after a second, independent answer agreed with it. Whatever fails here is a miss.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from farthing.brain.cache.semantic.asking import Asking, SameAnswer
from farthing.brain.cache.semantic.context import NEIGHBOURS
from farthing.brain.cache.semantic.entries import Airborne, Entry, Kept, Label, Pending
from farthing.brain.cache.semantic.index import VectorIndex, key_of
from farthing.brain.cache.semantic.later import AT_ONCE, Unasked
from farthing.brain.cache.semantic.namespace import ASKED, Look, Namespace, Promise
from farthing.brain.cache.semantic.scorer import Prior
from farthing.brain.cache.semantic.space import Space, with_guests
from farthing.brain.cache.semantic.verifier import Verifier
from farthing.brain.ports import Embedder
from farthing.config import Semantic
from farthing.core.forgetting import Buried, Drop, Facts, index_mark, marks

if TYPE_CHECKING:
    from farthing.brain.cache.flight import Flight
    from farthing.brain.ports import Vector

_ROOM = 0.95  # of a limit, that is left full after an eviction


def _nobody(_entry_ids: tuple[str, ...]) -> bool:
    return False


class SemanticLane:
    """Lives on the event loop of one worker. `evicted` hears of answers that had to make room."""

    def __init__(self, config: Semantic, embedder: Embedder, prior: Prior, verifier: Verifier, *, seed: int | None = None) -> None:
        self.config = config
        self.embedder = embedder
        self.evicted: Callable[[tuple[str, ...]], bool] = _nobody
        self._prior, self._verifier = prior, verifier
        self._coin = random.Random(seed).random
        self.asking = Asking(self._coin)
        self._spaces: dict[bytes, Space] = {}
        self._where: dict[str, tuple[bytes, int]] = {}  # entry -> scope, group
        self._became: dict[str, str] = {}  # entry -> the one that it turned out to be the same as
        self._marked: dict[str, set[str]] = {}  # mark -> entries
        self._buried = Buried()
        self._calibrations: dict[tuple[str, str], Sequence[Label]] = {}
        self.saved: Callable[[bytes], Any | None] | None = None  # graphs from before, while the store is loaded
        self.keys = 0
        self.size_bytes = 0

    async def look(self, scope: bytes, question: str, voice: str, now: float, *, max_wrong: float | None) -> Pending:
        """Embed and decide. Raises what the embedder raises."""
        vector = await self.embedder.embed(question)
        return self.decide(scope, question, vector, voice, now, max_wrong=max_wrong)

    def decide(self, scope: bytes, question: str, vector: "Vector", voice: str, now: float, *, max_wrong: float | None = None) -> Pending:
        """The same with the vector at hand."""
        space = self._spaces.get(scope)
        if space is None:
            return Pending(scope, question, vector, Look(False, "nothing near"))
        keys, cosines = space.index.nearest(vector, NEIGHBOURS)
        with space.guests(voice) as guests:
            keys, cosines = with_guests(keys, cosines, guests, vector, NEIGHBOURS)
            look = space.namespace.look(
                keys, cosines, lambda key, cosine: self._verifier.compare(question, space.texts[key], cosine), max_wrong=max_wrong
            )
        pending = Pending(scope, question, vector, look)
        if look.candidate is None or not look.serve:
            return pending
        if look.candidate.key in guests:
            pending.joins = guests[look.candidate.key] if self.config.mode == "on" else None
            return pending
        group = look.candidate.group
        entry = space.entries.get(group)
        refusal = self._refusal(space, look, entry, voice, now, max_wrong)
        if refusal is not None or entry is None or entry.scope != scope:
            pending.look = msgspec.structs.replace(look, serve=False, reason=refusal or "its answer is gone")
        elif self.config.mode == "on":
            pending.serves = entry
            space.hits[group] = space.hits.get(group, 0) + 1
        return pending

    def _refusal(self, space: Space, look: Look, entry: Entry | None, voice: str, now: float, max_wrong: float | None) -> str | None:
        if entry is None or entry.answer.expires_at <= now or look.candidate is None:
            return "its answer has expired"
        group = look.candidate.group
        if voice not in space.voices.get(group, ()) and not space.namespace.records[group].confirmed:
            return "no second answer has agreed with it yet"
        half_life_s = self.config.half_life_s
        if half_life_s is not None:
            stale = 1 - 0.5 ** (max(0.0, now - entry.answer.created_at) / half_life_s)
            left = min(self.config.max_wrong_per_hit, 1.0 if max_wrong is None else max_wrong) - stale
            if left <= 0 or look.score < space.namespace.threshold(left):
                return "it is too old to be trusted as much (`cache.semantic.half_life_s`)"
        return None

    def departs(self, pending: Pending, voice: str, flight: "Flight") -> None:
        """The call for this question has left: until it lands, it may answer near-identical ones of the same voice."""
        space = self._spaces.get(pending.scope)
        if space is not None and self.config.mode == "on":
            space.departs(Airborne(pending.question, pending.vector, voice, flight))

    async def keep(self, pending: Pending, entry: Entry, same: SameAnswer) -> Kept | None:
        """Judge a fresh answer beside those it might equal, and take its question in. `None` when nothing was learned."""
        space = self._space(entry.scope, entry.tenant, entry.endpoint)
        asks = space.namespace.asks(pending.look)
        others = pending.look.candidate.others[:ASKED] if pending.look.candidate else ()
        verdicts = await self.asking.beside(space, others, entry, pending.look.probability, same) if asks else []
        if verdicts is None:
            return None
        if self._buried.cover(entry.facts):
            return None  # something that it rests on was dropped after it was asked
        space = self._space(entry.scope, entry.tenant, entry.endpoint)
        heard = space.named(verdicts)
        group = space.namespace.learn(pending.look, verdicts)
        unasked = () if asks else space.named([(other, False) for other in others])
        if unasked and pending.look.candidate is not None:
            space.put_off(group, pending.look.score, pending.look.candidate.row, others, pending.vector)
        self.place(entry, pending.vector, group)
        answers = space.entries[group]
        candidate = pending.look.candidate if verdicts or unasked else None
        return Kept(
            entry_id=answers.entry_id,
            scope=entry.scope,
            embedder=self.embedder.id,
            question=entry.question,
            voice=entry.voice,
            verdicts=heard,
            score=None if candidate is None else pending.look.score,
            row=None if candidate is None else candidate.row,
            entry=entry if answers is entry else None,
            unasked=tuple(entry_id for entry_id, _ in unasked),
        )

    async def ask_later(self, scope: bytes, same: SameAnswer) -> "list[tuple[Kept, Entry, Vector | None]]":
        """Some of what was not asked about; what was learned, each with the answer that it is about, and the vector where it is a key of that now."""
        learned: list[tuple[Kept, Entry, Vector | None]] = []
        for _ in range(AT_ONCE):
            space = self._spaces.get(scope)
            unasked = None if space is None or space.namespace.young else space.namespace.later.take()
            if space is None or unasked is None:
                break
            entry = space.entries.get(unasked.group)
            if entry is None:
                continue
            probability = 1 / (1 + math.exp(-max(-60.0, min(60.0, unasked.score))))
            verdicts = await self.asking.beside(space, unasked.others, entry, probability, same, own=unasked.group)
            if verdicts is None:
                space.namespace.later.put(unasked)
                break
            if self._where.get(entry.entry_id) == (scope, unasked.group) and self._spaces.get(scope) is space:
                learned.append(self._learn_later(space, unasked, entry, verdicts))
        return learned

    def _learn_later(self, space: Space, unasked: Unasked, entry: Entry, verdicts: list[tuple[int, bool]]) -> "tuple[Kept, Entry, Vector | None]":
        heard, vector = space.named(verdicts), space.unasked.pop(unasked.group, None)
        into = space.namespace.learn_later(unasked.group, verdicts)
        if into is not None:
            self._merge(space, unasked.group, into)
            self.evicted((entry.entry_id,))
        answers = space.entries[unasked.group if into is None else into]
        kept = Kept(
            entry_id=answers.entry_id,
            scope=entry.scope,
            embedder=self.embedder.id,
            question=entry.question,
            voice=entry.voice,
            verdicts=heard,
            later_of=entry.entry_id,
        )
        return kept, answers, None if into is None else vector

    def _merge(self, space: Space, group: int, into: int) -> None:
        """Two answers are one from now on."""
        self.size_bytes -= space.bytes_of(group) + space.bytes_of(into)
        gone = space.merge(group, into)
        self.size_bytes += space.bytes_of(into)
        self._unmark(gone)
        self._became[gone.entry_id] = space.entries[into].entry_id

    def restore(self, kept: Kept, vector: "Vector", *, adopts: bool = False) -> bool:
        """A lesson from the store. False where its vectors are another embedder's, or its answer is gone: set aside.

        `adopts`: what its worker left unasked is asked about by this one."""
        if kept.embedder != self.embedder.id:
            return False
        if kept.later_of is not None and (self.group_of(kept.later_of) is not None or not len(vector)):
            return self._restore_later(kept, kept.later_of)
        found = self._find(kept.entry_id)
        if found is not None:
            space, group = self._spaces[found[0]], found[1]
            entry = msgspec.structs.replace(kept.entry or space.entries[group], question=kept.question, voice=kept.voice)
        elif kept.entry is not None and not self._buried.cover(kept.entry.facts):
            space, group, entry = self._space(kept.scope, kept.entry.tenant, kept.entry.endpoint), None, kept.entry
        else:
            return False
        space.namespace.remember(kept.score, kept.row, [(self.group_of(entry_id), equal) for entry_id, equal in kept.verdicts])
        group = self.place(entry, vector, group)
        others = [other for other in map(self.group_of, kept.unasked) if other is not None]
        if adopts and others and kept.score is not None and kept.row is not None:
            space.put_off(group, kept.score, kept.row, others, vector)
        return True

    def _restore_later(self, kept: Kept, entry_id: str) -> bool:
        """What came of asking later: a label, and perhaps two answers that are one."""
        space, group, into = self._spaces.get(kept.scope), self.group_of(entry_id), self.group_of(kept.entry_id)
        if space is None or group is None:
            return False
        space.namespace.learn_later(group, [(self.group_of(other), equal) for other, equal in kept.verdicts])
        if into is not None and group != into:
            self._merge(space, group, into)
        return True

    def place(self, entry: Entry, vector: "Vector", group: int | None = None) -> int:
        """A question becomes a key of `group`, or of a new one that `entry` answers."""
        space = self._space(entry.scope, entry.tenant, entry.endpoint)
        if group is None:
            group = space.namespace.open_group()
        before = space.bytes_of(group) if group in space.entries else 0
        answers = space.entries.get(group, entry)
        key = key_of(answers.entry_id, entry.question)
        while key in space.texts:
            key += 1  # the same question once more
        if space.place(key, group, entry, vector):
            self._where[entry.entry_id] = (entry.scope, group)
            for mark in marks(entry.facts):
                self._marked.setdefault(mark, set()).add(entry.entry_id)
        self.keys += 1
        self.size_bytes += space.bytes_of(group) - before
        if self.keys > self.config.max_entries or self.size_bytes > self.config.max_mb * 1_048_576:
            self._evict()
        return group

    def _space(self, scope: bytes, tenant: str, endpoint: str) -> Space:
        space = self._spaces.get(scope)
        if space is None:
            promise = Promise(self.config.max_wrong_per_hit, self.config.confidence)
            space = self._spaces[scope] = Space(Namespace(promise, self._prior, coin=self._coin), tenant, endpoint)
            if self.saved is not None:
                space.index.adopt(self.saved(scope))
            labels = self._calibrations.get((tenant, endpoint)) or self._calibrations.get((tenant, ""))
            if labels is not None:
                self._teach(space, labels)
        return space

    def calibrate(self, tenant: str, endpoint: str, labels: Sequence[Label]) -> None:
        """Labels that an operator brought in, for every namespace of an endpoint (empty: of all), now and later; one set for each."""
        self._calibrations[tenant, endpoint] = labels
        for space in self._spaces.values():
            if space.tenant == tenant and endpoint in ("", space.endpoint):
                self._teach(space, labels)

    def _teach(self, space: Space, labels: Sequence[Label]) -> None:
        if space.calibrated:
            return
        space.calibrated = True
        for label in labels:
            space.namespace.remember(label.score, label.row, [(None, label.right)])
        space.namespace.brought += len(labels)
        space.namespace.certify()

    def settle(self) -> None:
        """The store is loaded: what the saved graphs hold beyond it is gone."""
        self.saved = None
        for space in self._spaces.values():
            space.index.settle()

    def indexes(self) -> list[tuple[bytes, VectorIndex]]:
        """Of every namespace."""
        return [(scope, space.index) for scope, space in self._spaces.items()]

    def group_of(self, entry_id: str) -> int | None:
        found = self._find(entry_id)
        return None if found is None else found[1]

    def _find(self, entry_id: str) -> tuple[bytes, int] | None:
        """Scope and group of an answer, or of the one that it became part of."""
        while (into := self._became.get(entry_id)) is not None:
            entry_id = into
        return self._where.get(entry_id)

    def drop(self, what: Drop) -> int:
        """Forget what it names, and let nothing in that was on its way; how many answers that were."""
        if what.at != float("inf"):
            self._buried.add(what)
        if what.kind == "dispute":
            return self.dispute(what.value)
        gone = 0
        for entry_id, facts in list(self._named(what)):
            if what.hits(facts):
                scope, group = self._where[entry_id]
                self._forget(self._spaces[scope], group)
                gone += 1
        for space in self._spaces.values():
            space.airborne.clear()
        if what.kind == "all" and what.tenant is None:
            self._spaces = {scope: space for scope, space in self._spaces.items() if space.entries}
        return gone

    def _named(self, what: Drop) -> Iterator[tuple[str, Facts]]:
        """Those that it may name: by index where there is one."""
        mark = index_mark(what)
        if mark is not None:
            found = list(self._marked.get(mark, ()))
        elif what.kind == "entry":
            found = [what.value] if what.value in self._where else []
        else:
            found = list(self._where)
        for entry_id in found:
            scope, group = self._where[entry_id]
            yield entry_id, self._spaces[scope].entries[group].facts

    def dispute(self, entry_id: str) -> bool:
        """A user said that this answer was wrong for the question it was served to: it goes, and its namespace learns."""
        found = self._find(entry_id)
        if found is None:
            return False
        scope, group = found
        space = self._spaces[scope]
        space.namespace.dispute()
        self._forget(space, group)
        return True

    def _forget(self, space: Space, group: int) -> None:
        self.keys -= len(space.keys.get(group, ()))
        self.size_bytes -= space.bytes_of(group)
        entry = space.forget(group)
        if entry is not None:
            self._unmark(entry)

    def _unmark(self, entry: Entry) -> None:
        """Nothing names it any more."""
        self._where.pop(entry.entry_id, None)
        for mark in marks(entry.facts):
            entries = self._marked.get(mark, set())
            entries.discard(entry.entry_id)
            if not entries:
                self._marked.pop(mark, None)

    def _evict(self) -> None:
        """The answers that save least for the room they take."""
        worth = [(space.worth(group), space, group) for space in self._spaces.values() for group in space.entries]
        worth.sort(key=lambda one: one[0])
        gone: list[str] = []
        for _, space, group in worth:
            if self.keys <= self.config.max_entries * _ROOM and self.size_bytes <= self.config.max_mb * 1_048_576 * _ROOM:
                break
            gone.append(space.entries[group].entry_id)
            self._forget(space, group)
        self.evicted(tuple(gone))

    def stats(self) -> dict[str, object]:
        """What the operator wants to see of every namespace."""
        judge = self.asking.judge
        rows = [space.standing(scope) for scope, space in self._spaces.items()]
        return {"keys": self.keys, "judge_error": round(judge.error, 4), "judge_calls": judge.calls, "namespaces": rows}
