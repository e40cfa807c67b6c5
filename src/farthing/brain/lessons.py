"""Lessons of the semantic lane beyond one process: written behind, loaded at start, shared between workers.

What is to be forgotten is durable first, and then told: every worker applies it at its next look at the store, a fifth of a second later.
"""

import logging
from collections.abc import Sequence
from typing import Protocol
from uuid import uuid4

import msgspec

from farthing.brain.cache.semantic.context import FEATURES
from farthing.brain.cache.semantic.entries import Entry, Kept, Label
from farthing.brain.cache.semantic.saved import SavedIndexes
from farthing.brain.meaning import Meaning
from farthing.core.forgetting import Drop, Facts

log = logging.getLogger("farthing.cache")

Cursor = tuple[int, int, int]


class Lesson(Protocol):
    """One row as the store gives it."""

    @property
    def embedder(self) -> str: ...
    @property
    def vector(self) -> bytes: ...
    @property
    def lesson(self) -> bytes: ...


class Calibration(Protocol):
    """Labels that an operator brought in, for every namespace of an endpoint (empty: of a tenant)."""

    @property
    def tenant(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def embedder(self) -> str: ...
    @property
    def labels(self) -> bytes: ...


class Changes(Protocol):
    """Drops, lessons and calibrations since a cursor."""

    @property
    def drops(self) -> Sequence[Drop]: ...
    @property
    def lessons(self) -> Sequence[tuple[int, Lesson]]: ...
    @property
    def calibrations(self) -> Sequence[Calibration]: ...
    @property
    def cursor(self) -> Cursor: ...


class Shelf(Protocol):
    """Where lessons outlive a worker."""

    def keep(self, facts: Facts, expires_at: float, embedder: str, vector: bytes, lesson: bytes) -> bool: ...
    def evict(self, entry_ids: tuple[str, ...]) -> bool: ...
    async def forget(self, drop: Drop) -> int: ...
    def cursor(self) -> Cursor: ...
    def since(self, cursor: Cursor) -> Changes: ...


class Written(msgspec.Struct, frozen=True):
    """What is in a row's `lesson`."""

    origin: str
    kept: Kept


encode = msgspec.msgpack.Encoder(decimal_format="string").encode
decode = msgspec.msgpack.Decoder(Written).decode
encode_labels = msgspec.msgpack.Encoder().encode
_decode_labels = msgspec.msgpack.Decoder(tuple[Label, ...]).decode


class LessonSync:
    """Keeps one worker's lane and the store in step."""

    def __init__(self, shelf: Shelf, meaning: Meaning) -> None:
        self._shelf = shelf
        self._meaning = meaning
        self._origin = uuid4().hex
        self._cursor: Cursor = (0, 0, 0)
        self._loading = False
        self.set_aside = 0  # rows of another embedder, or whose answer is gone, or that cannot be read
        meaning.kept = self.keep
        meaning.lane.evicted = shelf.evict

    def load(self, saved: SavedIndexes | None = None) -> None:
        """Everything that is in the store, oldest first; vectors from saved graphs where they are there."""
        self._cursor = self._shelf.cursor()
        lane = self._meaning.lane
        lane.saved = None if saved is None else saved.read
        self._loading = True
        try:
            while self.catch_up():
                pass
        finally:
            self._loading = False
            lane.settle()
        if self.set_aside:
            log.warning("%d lessons of the semantic cache were set aside: other vectors, or their answers are gone", self.set_aside)

    def keep(self, kept: Kept, entry: Entry, vector: bytes) -> bool:
        """Write behind; under load the store may decline, and the lesson lives in this worker only."""
        facts = msgspec.structs.replace(entry.facts, entry_id=kept.entry_id)
        return self._shelf.keep(facts, entry.answer.expires_at, kept.embedder, vector, encode(Written(self._origin, kept)))

    def catch_up(self) -> bool:
        """Apply what anybody dropped and learned; of drops all, however many. False when there was nothing."""
        moved = False
        while True:
            changes = self._shelf.since(self._cursor)
            moved = moved or changes.cursor != self._cursor
            self._cursor = changes.cursor
            for gone in changes.drops:
                self._meaning.lane.drop(gone)
            for brought in changes.calibrations:
                self._adopt(brought)
            for _, row in changes.lessons:
                self._restore(row)
            if not changes.drops:
                return moved

    def _restore(self, row: Lesson) -> None:
        import numpy as np

        written = read(row.lesson)
        if written is None or len(row.vector) % 2:
            self.set_aside += 1
        elif written.origin != self._origin:
            vector = np.frombuffer(row.vector, np.float16).astype(np.float32)
            try:
                self.set_aside += not self._meaning.lane.restore(written.kept, vector, adopts=self._loading)
            except ValueError:  # another length than the vectors before it: somebody wrote into the file
                self.set_aside += 1

    def _adopt(self, brought: Calibration) -> None:
        try:
            labels = _decode_labels(brought.labels)
        except msgspec.MsgspecError:
            self.set_aside += 1
            return
        if brought.embedder == self._meaning.lane.embedder.id and all(len(label.row) == len(FEATURES) for label in labels):
            self._meaning.lane.calibrate(brought.tenant, brought.endpoint, labels)
        else:
            self.set_aside += 1


def read(lesson: bytes) -> Written | None:
    """`None` for a row that cannot be read: another version wrote it, or the disk did."""
    try:
        return decode(lesson)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
