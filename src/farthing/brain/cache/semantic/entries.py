"""What the semantic lane holds and hands out: answers, lessons, labels, and a question on its way."""

from typing import TYPE_CHECKING

import msgspec

from farthing.brain.cache.base import Answer
from farthing.brain.cache.flight import Flight
from farthing.brain.cache.semantic.namespace import Look
from farthing.core.forgetting import Facts

if TYPE_CHECKING:
    from farthing.brain.ports import Vector


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

    @property
    def facts(self) -> Facts:
        """What it can be forgotten by."""
        facts = self.answer.facts(self.tenant)
        return msgspec.structs.replace(
            facts, entry_id=self.entry_id, endpoint=self.endpoint, sources=self.sources or facts.sources, tags=self.tags or facts.tags
        )


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
    unasked: tuple[str, ...] = ()  # entries that the judge is to be asked about later
    later_of: str | None = None  # learned later of the question that brought this entry; where `entry_id` is another, they are the same


class Label(msgspec.Struct, frozen=True):
    """The truth about one question that was compared: its score, its features, and whether the answer was right."""

    score: float
    row: tuple[float, ...]
    right: bool


class Airborne(msgspec.Struct, frozen=True):
    """A question whose call is in flight."""

    question: str
    vector: "Vector"
    voice: str
    flight: Flight


class Pending(msgspec.Struct):
    """A question on its way: what the lane saw, for when its answer is there."""

    scope: bytes
    question: str
    vector: "Vector"
    look: Look
    serves: Entry | None = None
    joins: Airborne | None = None  # a call in flight that answers it too
