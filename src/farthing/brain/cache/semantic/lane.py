"""The semantic lane of one worker: namespaces with their keys and answers, what is served from them, what goes in and what is taken out.

    look      embed the question, find the nearest keys of its own namespace, let the namespace decide
    keep      a fresh answer: judged beside the nearest ones, then its question becomes a key
    drop      by entry, document, tenant, endpoint, tag: gone from the next look on, in other workers at their next look at the store

Guarantees: the scope of a question is the name of its namespace: no search sees another's keys. An answer reaches others than those who brought it
about only after a second, independent answer agreed with it. Whatever fails here is a miss.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from farthing.brain.cache.base import Answer
from farthing.brain.cache.semantic.certify import NEVER
from farthing.brain.cache.semantic.context import NEIGHBOURS
from farthing.brain.cache.semantic.index import VectorIndex
from farthing.brain.cache.semantic.judge import Judge
from farthing.brain.cache.semantic.namespace import ASKED, Look, Namespace, Promise
from farthing.brain.cache.semantic.scorer import Prior
from farthing.brain.cache.semantic.verifier import Verifier
from farthing.brain.ports import Embedder
from farthing.config import Semantic

if TYPE_CHECKING:
    from farthing.brain.ports import Vector

SameAnswer = Callable[["Entry", "Entry"], Awaitable[bool | None]]  # None: nobody could say


class Entry(msgspec.Struct, frozen=True):
    """An answer, whole, and what it rests on."""

    entry_id: str
    scope: bytes
    tenant: str
    endpoint: str
    question: str
    answer: Answer
    text: str  # what the answer says, for the judge
    voice: str  # who brought it about
    sources: tuple[str, ...] = ()  # "document@version"
    tags: tuple[str, ...] = ()


class Drop(msgspec.Struct, frozen=True):
    """What is to be forgotten: `kind` entry, document, tenant, endpoint, tag, embedder or all; `value` names it."""

    kind: str
    value: str = ""

    def hits(self, entry: Entry) -> bool:
        match self.kind:
            case "entry":
                return entry.entry_id == self.value
            case "document":
                # "policy" drops every version, "policy@3" drops the others: what rests on version 3 lives.
                name, at, version = self.value.partition("@")
                return any(part[0] == name and (not at or part[2] != version) for source in entry.sources if (part := source.partition("@")))
            case "tenant":
                return entry.tenant == self.value
            case "endpoint":
                return entry.endpoint == self.value
            case "tag":
                return self.value in entry.tags
            case _:
                return self.kind == "all"


class Kept(msgspec.Struct, frozen=True):
    """One lesson, as it is stored and told to other workers."""

    entry_id: str  # of the answer that the question's key leads to
    scope: bytes
    embedder: str
    question: str
    voice: str
    verdicts: tuple[tuple[str, bool], ...] = ()  # (entry, same) in the order asked
    score: float | None = None
    row: tuple[float, ...] | None = None
    entry: Entry | None = None  # where the answer is a new one


class Pending(msgspec.Struct):
    """A question on its way: what the lane saw, for when its answer is there."""

    scope: bytes
    question: str
    vector: "Vector"
    look: Look
    serves: Entry | None = None
    drops_seen: int = 0  # drops that had been applied when it was asked: an answer that is older than a drop does not go in


class _Space:
    """A namespace, its keys, and the answers of its groups."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.index = VectorIndex()
        self.texts: dict[int, str] = {}
        self.entries: dict[int, Entry] = {}  # by group
        self.voices: dict[int, set[str]] = {}


class SemanticLane:
    """Lives on the event loop of one worker. `told` hears of every key and label, for the store."""

    def __init__(self, config: Semantic, embedder: Embedder, prior: Prior, verifier: Verifier, *, seed: int | None = None) -> None:
        self.config = config
        self.embedder = embedder
        self.judge = Judge()
        self._prior, self._verifier = prior, verifier
        self._coin = random.Random(seed).random
        self._spaces: dict[bytes, _Space] = {}
        self._where: dict[str, tuple[bytes, int]] = {}  # entry -> scope, group
        self._next_key = 0
        self._drops = 0
        self.keys = 0

    async def look(self, scope: bytes, question: str, voice: str, now: float, *, max_wrong: float | None) -> Pending:
        """Embed and decide. Raises what the embedder raises."""
        vector = await self.embedder.embed(question)
        return self.decide(scope, question, vector, voice, now, max_wrong=max_wrong)

    def decide(self, scope: bytes, question: str, vector: "Vector", voice: str, now: float, *, max_wrong: float | None = None) -> Pending:
        """The same with the vector at hand."""
        space = self._spaces.get(scope)
        if space is None:
            return Pending(scope, question, vector, Look(False, "nothing near"), drops_seen=self._drops)
        keys, cosines = space.index.nearest(vector, NEIGHBOURS)
        look = space.namespace.look(
            keys, cosines, lambda key, cosine: self._verifier.compare(question, space.texts[key], cosine), max_wrong=max_wrong
        )
        pending = Pending(scope, question, vector, look, drops_seen=self._drops)
        if look.candidate is None or not look.serve:
            return pending
        entry = space.entries.get(look.candidate.group)
        refusal = self._refusal(space, look.candidate.group, entry, voice, now)
        if refusal is not None or entry is None or entry.scope != scope:
            pending.look = msgspec.structs.replace(look, serve=False, reason=refusal or "its answer is gone")
            return pending
        if self.config.mode == "on":
            pending.serves = entry
        return pending

    def _refusal(self, space: _Space, group: int, entry: Entry | None, voice: str, now: float) -> str | None:
        if entry is None or entry.answer.expires_at <= now:
            return "its answer has expired"
        if voice not in space.voices.get(group, ()) and not space.namespace.records[group].confirmed:
            return "no second answer has agreed with it yet"
        return None

    async def keep(self, pending: Pending, entry: Entry, same: SameAnswer) -> Kept | None:
        """Judge a fresh answer beside those it might equal, and take its question in. `None` when nothing was learned."""
        space = self._space(entry.scope)
        verdicts: list[tuple[int, bool]] = []
        for place, group in enumerate(pending.look.candidate.others[:ASKED] if pending.look.candidate else ()):
            other = space.entries.get(group)
            if other is None:
                continue
            verdict = await self._settle(entry, other, pending.look.probability if place == 0 else 0.1, same)
            if verdict is None:
                return None
            verdicts.append((group, verdict))
            if verdict:
                break
        if pending.drops_seen != self._drops:
            return None  # something was dropped meanwhile, and this answer may rest on it
        heard = tuple((space.entries[group].entry_id, equal) for group, equal in verdicts if group in space.entries)
        group = space.namespace.learn(pending.look, verdicts)
        self.place(entry, pending.vector, group)
        answers = space.entries[group]
        candidate = pending.look.candidate if verdicts else None
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
        )

    def restore(self, kept: Kept, vector: "Vector") -> bool:
        """A lesson from the store. False where its vectors are another embedder's, or its answer is gone: set aside."""
        if kept.embedder != self.embedder.id:
            return False
        group = self.group_of(kept.entry_id)
        if group is None and kept.entry is None:
            return False
        space = self._space(kept.scope)
        space.namespace.remember(kept.score, kept.row, [(self.group_of(entry_id), equal) for entry_id, equal in kept.verdicts])
        entry = kept.entry or msgspec.structs.replace(space.entries[group or 0], question=kept.question, voice=kept.voice)
        self.place(entry, vector, group)
        return True

    async def _settle(self, entry: Entry, other: Entry, expected: float, same: SameAnswer) -> bool | None:
        """Ask until the verdicts settle it."""
        if entry.text.strip() == other.text.strip():
            return True
        weighing = self.judge.weigh(min(0.98, max(0.02, expected)), self._coin())
        while weighing.wants_more:
            verdict = await same(entry, other)
            if verdict is None:
                return None
            weighing.hear(verdict)
        return weighing.same

    def place(self, entry: Entry, vector: "Vector", group: int | None = None) -> int:
        """A question becomes a key of `group`, or of a new one that `entry` answers."""
        space = self._space(entry.scope)
        if group is None:
            group = space.namespace.open_group()
        self._next_key += 1
        space.index.add(self._next_key, vector)
        space.texts[self._next_key] = entry.question
        space.namespace.add_key(self._next_key, group)
        space.voices.setdefault(group, set()).add(entry.voice)
        if group not in space.entries:
            space.entries[group] = entry
            self._where[entry.entry_id] = (entry.scope, group)
        self.keys += 1
        if self.keys > self.config.max_entries:
            self._evict()
        return group

    def _space(self, scope: bytes) -> _Space:
        space = self._spaces.get(scope)
        if space is None:
            promise = Promise(self.config.max_wrong_per_hit, self.config.confidence)
            space = self._spaces[scope] = _Space(Namespace(promise, self._prior, coin=self._coin))
        return space

    def group_of(self, entry_id: str) -> int | None:
        found = self._where.get(entry_id)
        return None if found is None else found[1]

    def drop(self, what: Drop) -> int:
        """Forget what it names; how many answers that were."""
        self._drops += 1
        gone = 0
        for space in list(self._spaces.values()):
            for group, entry in list(space.entries.items()):
                if what.hits(entry):
                    self._forget(space, group)
                    gone += 1
        if what.kind == "all":
            self._spaces.clear()
            self._where.clear()
            self.keys = 0
        return gone

    def named_by(self, what: Drop) -> tuple[str, ...]:
        """Ids of the answers that it would take."""
        return tuple(entry.entry_id for space in self._spaces.values() for entry in space.entries.values() if what.hits(entry))

    def dispute(self, entry_id: str) -> bool:
        """A user said that this answer was wrong for the question it was served to: it goes, and its namespace learns."""
        found = self._where.get(entry_id)
        if found is None:
            return False
        scope, group = found
        space = self._spaces[scope]
        space.namespace.dispute()
        self._drops += 1
        self._forget(space, group)
        return True

    def _forget(self, space: _Space, group: int) -> None:
        for key in [key for key, owner in space.namespace.group_of.items() if owner == group]:
            space.index.remove(key)
            del space.texts[key]
            space.namespace.forget_key(key)
            self.keys -= 1
        entry = space.entries.pop(group, None)
        space.voices.pop(group, None)
        if entry is not None:
            self._where.pop(entry.entry_id, None)

    def _evict(self) -> None:
        """The answers that save least for the room they take: what nobody confirmed, then what was cheapest to make."""
        worth: list[tuple[float, _Space, int]] = []
        for space in self._spaces.values():
            for group, entry in space.entries.items():
                record = space.namespace.records[group]
                worth.append((float(entry.answer.cost_usd or 0) * (1 + record.confirmed) / max(1, record.keys), space, group))
        worth.sort(key=lambda one: one[0])
        for _, space, group in worth:
            if self.keys <= self.config.max_entries * 0.95:
                break
            self._forget(space, group)

    def stats(self) -> dict[str, object]:
        """What the operator wants to see of every namespace."""
        return {"keys": self.keys, "judge_error": round(self.judge.error, 4), "judge_calls": self.judge.calls, "namespaces": self._rows()}

    def _rows(self) -> Sequence[dict[str, object]]:
        return [
            {
                "scope": scope.hex()[:16],
                "endpoint": next((entry.endpoint for entry in space.entries.values()), None),
                "tenant": next((entry.tenant for entry in space.entries.values()), None),
                "answers": len(space.entries),
                "keys": len(space.index),
                "labels": space.namespace.labels,
                "certified": space.namespace.certificate.threshold != NEVER,
                "bound": space.namespace.certificate.bound,
                "coverage": round(space.namespace.certificate.coverage, 4),
                "disputes": space.namespace.disputes,
            }
            for scope, space in self._spaces.items()
        ]
