"""The exact lane: a bounded map from a scope's key to an answer. The least recently used goes first."""

from collections import OrderedDict
from hashlib import blake2b

import msgspec

from farthing.brain.cache.base import Answer
from farthing.core.request import Inbound

_ENTRY_OVERHEAD_BYTES = 600
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
    return blake2b(content + _encode(scope) + arm + documents, digest_size=32).digest()


class ExactCache:
    """Answers of one worker, bounded in bytes and in age. Not thread-safe; lives on the event loop."""

    def __init__(self, *, max_bytes: int, max_entry_bytes: int) -> None:
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()
        self._tenants: dict[bytes, str] = {}
        self._max_bytes = max_bytes
        self._max_entry_bytes = max_entry_bytes
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: bytes, now: float) -> Answer | None:
        answer = self._answers.get(key)
        if answer is None:
            return None
        if answer.expires_at <= now:
            self.remove(key)
            return None
        self._answers.move_to_end(key)
        return answer

    def put(self, key: bytes, answer: Answer, tenant: str) -> bool:
        """False when the answer is too large to keep."""
        size = len(answer.body) + _ENTRY_OVERHEAD_BYTES
        if size > self._max_entry_bytes:
            return False
        self.remove(key)
        self._answers[key] = answer
        self._tenants[key] = tenant
        self.size_bytes += size
        while self.size_bytes > self._max_bytes:
            self.remove(next(iter(self._answers)))
        return True

    def newest_first(self) -> list[tuple[bytes, str, Answer]]:
        """Everything, with its tenant, by last use."""
        return [(key, self._tenants[key], answer) for key, answer in reversed(self._answers.items())]

    def remove(self, key: bytes) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            del self._tenants[key]
            self.size_bytes -= len(answer.body) + _ENTRY_OVERHEAD_BYTES

    def clear(self, tenant: str | None = None) -> None:
        """Forget everything, or one tenant's answers."""
        for key in [key for key, owner in self._tenants.items() if tenant in (None, owner)]:
            self.remove(key)
