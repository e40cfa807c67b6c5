"""Lessons of the semantic lane beyond one process: written behind, loaded at start, shared between workers.

A drop is durable first, and then told: every worker applies it at its next look at the store, a fifth of a second later.
"""

import logging
from collections.abc import Sequence
from typing import Protocol
from uuid import uuid4

import msgspec

from farthing.brain.cache.semantic.lane import Drop, Entry, Kept
from farthing.brain.meaning import Meaning

log = logging.getLogger("farthing.cache")

Cursor = tuple[int, int]


class Lesson(Protocol):
    """One row as the store gives it."""

    @property
    def embedder(self) -> str: ...
    @property
    def vector(self) -> bytes: ...
    @property
    def lesson(self) -> bytes: ...


class Forgotten(Protocol):
    """One tombstone."""

    @property
    def kind(self) -> str: ...
    @property
    def value(self) -> str: ...


class Changes(Protocol):
    """Drops and lessons since a cursor."""

    @property
    def drops(self) -> Sequence[Forgotten]: ...
    @property
    def lessons(self) -> Sequence[tuple[int, Lesson]]: ...
    @property
    def cursor(self) -> Cursor: ...


class Shelf(Protocol):
    """Where lessons outlive a worker."""

    def keep(
        self,
        entry_id: str,
        tenant: str | None,
        endpoint: str | None,
        created_at: float,
        expires_at: float,
        embedder: str,
        vector: bytes,
        lesson: bytes,
    ) -> bool: ...
    async def drop(self, kind: str, value: str, entry_ids: tuple[str, ...]) -> int: ...
    def cursor(self) -> Cursor: ...
    def since(self, cursor: Cursor) -> Changes: ...


class _Written(msgspec.Struct, frozen=True):
    """What is in a row's `lesson`."""

    origin: str
    kept: Kept


_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_decode = msgspec.msgpack.Decoder(_Written).decode


class LessonSync:
    """Keeps one worker's lane and the store in step."""

    def __init__(self, shelf: Shelf, meaning: Meaning) -> None:
        self._shelf = shelf
        self._meaning = meaning
        self._origin = uuid4().hex
        self._cursor: Cursor = (0, 0)
        self.set_aside = 0  # rows of another embedder, or whose answer is gone
        meaning.kept = self.keep

    def load(self) -> None:
        """Everything that is in the store, oldest first."""
        self._cursor = self._shelf.cursor()
        while self.catch_up():
            pass
        if self.set_aside:
            log.warning("%d lessons of the semantic cache were set aside: other vectors, or their answers are gone", self.set_aside)

    def keep(self, kept: Kept, entry: Entry, vector: bytes) -> bool:
        """Write behind; under load the store may decline, and the lesson lives in this worker only."""
        lesson = _encode(_Written(self._origin, kept))
        answer = entry.answer
        return self._shelf.keep(kept.entry_id, entry.tenant, entry.endpoint, answer.created_at, answer.expires_at, kept.embedder, vector, lesson)

    def catch_up(self) -> bool:
        """Apply what other workers dropped and learned. False when there was nothing."""
        import numpy as np

        changes = self._shelf.since(self._cursor)
        moved = changes.cursor != self._cursor
        self._cursor = changes.cursor
        lane = self._meaning.lane
        for gone in changes.drops:
            if gone.kind == "dispute":
                lane.dispute(gone.value)
            else:
                lane.drop(Drop(gone.kind, gone.value))
        for _, row in changes.lessons:
            written = _read(row.lesson)
            if written is None or written.origin == self._origin:
                continue
            vector = np.frombuffer(row.vector, np.float16).astype(np.float32)
            self.set_aside += not lane.restore(written.kept, vector)
        return moved

    async def drop(self, what: Drop) -> int:
        """Here at once, then for good, then everywhere. How many answers this worker forgot. Raises `StoreUnavailable`."""
        self.catch_up()
        lane = self._meaning.lane
        entry_ids = lane.named_by(what)
        gone = lane.drop(what)
        await self._shelf.drop(what.kind, what.value, entry_ids)
        return gone

    async def dispute(self, entry_id: str) -> bool:
        """A served answer was wrong. Raises `StoreUnavailable`."""
        known = self._meaning.lane.dispute(entry_id)
        await self._shelf.drop("dispute", entry_id, (entry_id,))
        return known


def _read(lesson: bytes) -> _Written | None:
    """`None` for a row that cannot be read: another version wrote it, or the disk did."""
    try:
        return _decode(lesson)
    except msgspec.MsgspecError:
        return None
