"""One entry of the cache with all that is known of it, whatever lanes hold it: what commands and the dashboard show."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import msgspec

from farthing.brain.cache import Answer
from farthing.brain.cache.normalise import normalise
from farthing.brain.cache.persist import Stored, answer_of
from farthing.brain.cache.semantic.entries import Entry, Kept
from farthing.brain.checking import read_answer
from farthing.brain.lessons import Lesson, read
from farthing.core.errors import FarthingError
from farthing.core.usage import Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ANSWER_CHARS = 2000


class Use(Protocol):
    """What the ledger says of one entry."""

    @property
    def hits(self) -> int: ...
    @property
    def disputes(self) -> int: ...


class _NoUse:
    """Never served, as far as the ledger goes."""

    hits = disputes = 0


_NO_USE = _NoUse()


class Card(msgspec.Struct, frozen=True):
    """One entry with all that is known of it. `keys` are the questions that lead to it by meaning."""

    entry_id: str
    lanes: tuple[str, ...]
    tenant: str
    endpoint: str
    user_query_example: str
    normalized_query: str | None
    slot: str | None
    answer: str
    usage: Usage | None
    cost_usd: Decimal | None
    model: str
    tier: str
    language: str | None
    source_docs: tuple[str, ...]
    collection: str | None
    prompt_version: str | None
    policy_version: str | None
    tags: tuple[str, ...]
    created_at: float
    expires_at: float
    size_bytes: int
    embedder: str | None = None
    query_embedding: tuple[float, ...] | None = None
    keys: tuple[str, ...] = ()
    hits: int = 0
    disputes: int = 0


def cards(answers: Iterable[Stored], lessons: Iterable[Lesson], uses: Mapping[str, Use]) -> list[Card]:
    """Entries of all lanes from the store's rows. Rows that cannot be read are passed over."""
    found: dict[str, Card] = {}
    for stored in answers:
        answer = answer_of(stored)
        if answer is not None:
            lanes = ("exact",) if answer.origin.normalised is None else ("exact", "normalised")
            found[answer.entry_id] = _card(answer, stored.tenant, lanes, uses.get(answer.entry_id, _NO_USE))
    for lesson in lessons:
        written = read(lesson.lesson)
        if written is not None:
            _add_lesson(found, written.kept, lesson.embedder, lesson.vector, uses)
    return list(found.values())


def _add_lesson(found: dict[str, Card], kept: Kept, embedder: str, vector: bytes, uses: Mapping[str, Use]) -> None:
    card = found.get(kept.entry_id)
    if kept.later_of is not None:
        if card is not None and kept.later_of != kept.entry_id:
            _became(found, kept, card)
        return
    if card is None:
        if kept.entry is None:
            return
        card = _card(kept.entry.answer, kept.entry.tenant, (), uses.get(kept.entry_id, _NO_USE), kept.entry)
    if "semantic" not in card.lanes:
        embedded = tuple(round(float(number), 4) for number in vector_of(vector))
        card = msgspec.structs.replace(card, lanes=(*card.lanes, "semantic"), embedder=embedder, query_embedding=embedded)
    found[kept.entry_id] = msgspec.structs.replace(card, keys=(*card.keys, kept.question))


def _became(found: dict[str, Card], kept: Kept, into: Card) -> None:
    """One entry turned out to be the same as another: its questions lead there; in other lanes it lives on."""
    gone = found.pop(kept.later_of or "", None)
    keys = (kept.question,) if gone is None else gone.keys
    found[into.entry_id] = msgspec.structs.replace(into, keys=(*into.keys, *keys))
    if gone is not None and gone.lanes != ("semantic",):
        lanes = tuple(lane for lane in gone.lanes if lane != "semantic")
        found[gone.entry_id] = msgspec.structs.replace(gone, lanes=lanes, keys=(), embedder=None, query_embedding=None)


def vector_of(stored: bytes) -> "NDArray[np.float32]":
    """As it was before it was stored, but for half of its digits."""
    import numpy as np

    return np.frombuffer(stored[: len(stored) // 2 * 2], np.float16).astype(np.float32)


def _card(answer: Answer, tenant: str, lanes: tuple[str, ...], use: Use, entry: Entry | None = None) -> Card:
    origin = answer.origin
    question = origin.question or ("" if entry is None else entry.question)
    return Card(
        entry_id=answer.entry_id,
        lanes=lanes,
        tenant=tenant,
        endpoint=origin.endpoint if entry is None else entry.endpoint,
        user_query_example=question,
        normalized_query=normalise(question, origin.language),
        slot=origin.slot,
        answer=_text(answer),
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        model=f"{answer.service}/{answer.model}",
        tier=answer.tier,
        language=origin.language or (None if answer.signals is None else answer.signals.language),
        source_docs=answer.sources,
        collection=origin.collection,
        prompt_version=origin.prompt_version,
        policy_version=origin.policy_version,
        tags=origin.tags,
        created_at=answer.created_at,
        expires_at=answer.expires_at,
        size_bytes=len(answer.body),
        hits=use.hits,
        disputes=use.disputes,
    )


def _text(answer: Answer) -> str:
    try:
        return read_answer(answer.dialect, answer.body, stream=answer.stream).text[:_ANSWER_CHARS]
    except (FarthingError, ValueError):
        return ""
