"""The nouns of retrieval: what is found, and what of it is worth sending."""

from typing import TYPE_CHECKING, Protocol

import msgspec

from farthing.brain.retrieve.expand import Alternative

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


class Passage(msgspec.Struct, frozen=True, gc=False):
    """One chunk of a document as it is stored. `spans` are its sentences in `text`; `sentences` their vectors, in bytes, one after the other."""

    id: int
    document: str  # name of the document within its collection
    version: int
    place: int  # ordinal within the document
    heading: str
    text: str
    spans: tuple[tuple[int, int], ...]
    sentences: bytes = b""

    @property
    def source(self) -> str:
        """As answers and the ledger name it."""
        return f"{self.document}@{self.version}"


class Shelf(Protocol):
    """Where the texts of an index are; what is no longer there is left out."""

    def passages(self, ids: list[int]) -> dict[int, Passage]: ...


class Excerpt(msgspec.Struct, frozen=True, gc=False):
    """What of a passage is sent: sentences in their order, with an ellipsis where some were left out."""

    passage: Passage
    text: str
    tokens: int
    score: float


class Found(msgspec.Struct, frozen=True, gc=False):
    """What a search gave: excerpts in a stable order (document, place), and what sending the usual amount would have cost."""

    excerpts: tuple[Excerpt, ...]
    tokens: int
    usual_tokens: int  # of the best 20 passages by vector, whole: what is sent without this lever
    flagged: tuple[str, ...] = ()  # sources with text that reads like instructions to a model
    reranked_s: float | None = None  # what a hosted reranker took; None: none was asked
    rerank_error: str | None = None  # code of its failure: the local ranking holds
    least_tokens: int | None = None  # of what was found, where the budget holds none of it
    also: tuple[Alternative, ...] = ()  # what was looked for besides the question's own words
    small_talk: bool = False  # nothing was looked for: it is put like small talk, and nothing in the collection is like it

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(excerpt.passage.source for excerpt in self.excerpts))
