"""Answers of one worker: a bounded map from a scope's key to an answer, found under its normalised key too.

What goes first is worth least: the money that a byte of it saved so far, by GreedyDual-Size-Frequency (Cherkasova, "Improving WWW proxies
performance with Greedy-Dual-Size-Frequency caching policy", HP Labs 1998): value = floor + times served x cost / size, where the floor rises to the
value of whatever was evicted last, so that what was worth much long ago goes in the end.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import blake2b

import msgspec

from farthing.brain.cache.base import Answer
from farthing.core.forgetting import Buried, Drop, Facts, index_mark, marks
from farthing.core.request import Inbound

_ENTRY_OVERHEAD_BYTES = 1_500  # objects and places in the maps around a body, as measured: 1,200 to 1,450
_LEAST_USD = 1e-6  # of an answer that cost nothing, or whose cost nobody knows: it saves time all the same
_encode = msgspec.json.Encoder().encode  # fields cannot run into each other, whatever a caller writes into them


def content_digest(canonical_body: bytes) -> bytes:
    """32 bytes that stand for what a request asks."""
    return blake2b(canonical_body, digest_size=32).digest()


def scope_key(inbound: Inbound, content: bytes, *, user_scope: str | None = None) -> bytes:
    """32 bytes that two requests share only when one answer serves both.

    `content` is the digest of its canonical body. `user_scope` narrows the scope to one end user. The requested model (or tier name)
    is part of the scope; the model that answers in the end is the router's business and may differ from day to day. A key that is bound to
    some models shares only with keys bound to the same: what it may not ask for, it does not get from another's call.
    """
    bound_to = inbound.principal.allowed_models
    scope = (inbound.tenant, user_scope, inbound.endpoint, inbound.dialect, inbound.peek.model, sorted(inbound.levers_off), bound_to)
    arm = b"" if inbound.experiment is None else _encode(inbound.experiment)  # arms of an experiment do not answer each other's questions
    documents = b"" if inbound.rests_on is None else _encode({"documents": inbound.rests_on})
    versions = b"" if inbound.prompt_version is None and inbound.policy_version is None else _encode([inbound.prompt_version, inbound.policy_version])
    return blake2b(content + _encode(scope) + arm + documents + versions, digest_size=32).digest()


class _Kept(msgspec.Struct, gc=False):
    """An answer in its place."""

    answer: Answer
    tenant: str
    size: int
    worth: float  # USD a byte of one serving
    value: float = 0.0
    served: int = 0


class ExactCache:
    """Bounded in bytes and in age. Not thread-safe; lives on the event loop."""

    def __init__(self, *, max_bytes: int, max_entry_bytes: int) -> None:
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()  # the least recently used first
        self._normalised: dict[bytes, bytes] = {}  # normalised key -> key of the newest answer
        self._marked: dict[str, set[bytes]] = {}
        self._ids: dict[str, bytes] = {}
        self._queue: list[tuple[float, bytes]] = []  # by value as it was when last looked at, the least first
        self._floor = 0.0
        self._max_bytes = max_bytes
        self._max_entry_bytes = max_entry_bytes
        self.buried = Buried()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, now: float) -> Answer | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.answer.expires_at <= now:
            self.remove(key)
            return None
        self._kept.move_to_end(key)
        kept.served += 1
        kept.value = self._floor + (1 + kept.served) * kept.worth
        return kept.answer

    def get_normalised(self, normalised: bytes, now: float) -> tuple[bytes, Answer] | None:
        """The newest answer to a question that differs in what does not matter, with its key."""
        key = self._normalised.get(normalised)
        answer = None if key is None else self.get(key, now)
        return None if key is None or answer is None else (key, answer)

    def put(self, key: bytes, answer: Answer, tenant: str) -> bool:
        """False when the answer is too large to keep, or was on its way when something that it rests on was dropped."""
        size = len(answer.body) + len(answer.origin.question) + _ENTRY_OVERHEAD_BYTES
        facts = answer.facts(tenant)
        if size > self._max_entry_bytes or self.buried.cover(facts):
            return False
        self.remove(key)
        worth = max(_LEAST_USD, float(answer.cost_usd or 0)) / size
        kept = self._kept[key] = _Kept(answer, tenant, size, worth, self._floor + worth)
        if answer.origin.normalised is not None:
            self._normalised[answer.origin.normalised] = key
        for mark in marks(facts):
            self._marked.setdefault(mark, set()).add(key)
        self._ids[answer.entry_id] = key
        heapq.heappush(self._queue, (kept.value, key))
        self.size_bytes += size
        self._evict()
        return True

    def _evict(self) -> None:
        while self.size_bytes > self._max_bytes:
            value, key = heapq.heappop(self._queue)
            kept = self._kept.get(key)
            if kept is None:
                continue
            if kept.value > value:  # served since, or put anew
                heapq.heappush(self._queue, (kept.value, key))
                continue
            self._floor = value
            self.remove(key)
        if len(self._queue) > 1000 + 4 * len(self._kept):
            self._queue = [(kept.value, key) for key, kept in self._kept.items()]
            heapq.heapify(self._queue)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._kept)

    def peek(self, key: bytes) -> Answer | None:
        """What is there, whatever its age; nothing is counted."""
        kept = self._kept.get(key)
        return None if kept is None else kept.answer

    def newest_first(self) -> list[tuple[bytes, str, Answer]]:
        """Everything, with its tenant, by last use."""
        return [(key, kept.tenant, kept.answer) for key, kept in reversed(self._kept.items())]

    def find(self, entry_id: str) -> Answer | None:
        """An answer by its own id, whatever its age."""
        key = self._ids.get(entry_id)
        return None if key is None else self._kept[key].answer

    def remove(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self.size_bytes -= kept.size
        answer = kept.answer
        if answer.origin.normalised is not None and self._normalised.get(answer.origin.normalised) == key:
            del self._normalised[answer.origin.normalised]
        for mark in marks(answer.facts(kept.tenant)):
            keys = self._marked.get(mark, set())
            keys.discard(key)
            if not keys:
                self._marked.pop(mark, None)
        if self._ids.get(answer.entry_id) == key:
            del self._ids[answer.entry_id]

    def drop(self, what: Drop) -> int:
        """Forget what it names, now and, where it says when, of answers that are still on their way; how many there were."""
        if what.at != float("inf"):
            self.buried.add(what)
        gone = [key for key, facts in self._named(what) if what.hits(facts)]
        for key in gone:
            self.remove(key)
        return len(gone)

    def _named(self, what: Drop) -> list[tuple[bytes, Facts]]:
        """Those that it may name: by index where there is one."""
        mark = index_mark(what)
        if mark is not None:
            keys = list(self._marked.get(mark, ()))
        elif what.kind in ("entry", "dispute"):
            keys = [self._ids[what.value]] if what.value in self._ids else []
        else:
            keys = list(self._kept)
        return [(key, self._kept[key].answer.facts(self._kept[key].tenant)) for key in keys]

    def clear(self, tenant: str | None = None) -> None:
        """Forget everything, or one tenant's answers."""
        self.drop(Drop("all") if tenant is None else Drop("tenant", tenant))
