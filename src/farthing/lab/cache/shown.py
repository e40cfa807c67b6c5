"""What is in the cache, entry by entry, from the store alone.

A lone worker writes an answer when it is first reused, or when it stops: until then only its memory has it, and nothing here shows it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from farthing.brain.cache.normalise import normalise
from farthing.brain.cache.semantic.certify import NEVER
from farthing.brain.cache.semantic.namespace import Namespace, Promise
from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, load_prior
from farthing.brain.cache.semantic.verifier import Verifier
from farthing.brain.cards import Card, cards, vector_of
from farthing.brain.lessons import read
from farthing.config import Semantic
from farthing.stores.sqlite.cachefile import CacheFile, Use

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ANSWER_CHARS = 2000
_NO_USE = Use(0, None, 0)


class Near(msgspec.Struct, frozen=True):
    """How a question looks from an entry's: why it would be a hit by meaning, or not, as far as the two questions say."""

    entry_id: str
    question: str
    similarity: float
    probability: float  # the verifier's, that one answer serves both
    veto: str | None
    strict_differences: int


class Scope(msgspec.Struct):
    """What a tenant's endpoint holds."""

    tenant: str
    endpoint: str
    answers: int = 0  # in the exact lane; as many in the normalised one as `normalised`
    normalised: int = 0
    by_meaning: int = 0
    keys: int = 0
    size_bytes: int = 0
    hits: int = 0
    disputes: int = 0


class Standing(msgspec.Struct, frozen=True):
    """How far a namespace of the semantic lane is with its certificate."""

    scope: str
    tenant: str
    endpoint: str
    labels: int
    certified: bool
    bound: float | None
    coverage: float


def entries(file: CacheFile, tenant: str | None, *, entry_id: str | None = None) -> list[Card]:
    """Live entries of all lanes, oldest first."""
    uses = file.uses(None if entry_id is None else [entry_id])
    return cards(file.answers(tenant, entry_id=entry_id), file.lessons(tenant, entry_id=entry_id), uses)


def scopes(file: CacheFile, tenant: str | None) -> list[Scope]:
    """Totals by tenant and endpoint."""
    found: dict[tuple[str, str], Scope] = {}
    for card in entries(file, tenant):
        scope = found.setdefault((card.tenant, card.endpoint), Scope(card.tenant, card.endpoint))
        scope.answers += "exact" in card.lanes
        scope.normalised += "normalised" in card.lanes
        scope.by_meaning += "semantic" in card.lanes
        scope.keys += len(card.keys)
        scope.size_bytes += card.size_bytes
        scope.hits += card.hits
        scope.disputes += card.disputes
    return [found[key] for key in sorted(found)]


def standings(file: CacheFile, tenant: str | None, config: Semantic) -> list[Standing]:
    """What the labels in the store certify today, under this configuration."""
    prior = load_prior(SHIPPED_PRIOR)
    spaces: dict[bytes, tuple[Namespace, str, str]] = {}
    for lesson in file.lessons(tenant):
        written = read(lesson.lesson)
        if written is None:
            continue
        kept = written.kept
        if kept.scope not in spaces:
            promise = Promise(config.max_wrong_per_hit, config.confidence)
            spaces[kept.scope] = (Namespace(promise, prior, coin=lambda: 1.0), lesson.tenant or "", lesson.endpoint or "")
        spaces[kept.scope][0].remember(kept.score, kept.row, [(None, equal) for _, equal in kept.verdicts])
    rows: list[Standing] = []
    for scope, (space, owner, endpoint) in spaces.items():
        space.certify()
        found = space.certificate
        rows.append(Standing(scope.hex()[:16], owner, endpoint, space.labels, found.threshold != NEVER, found.bound, found.coverage))
    return rows


def nearest(file: CacheFile, tenant: str | None, question: str, vector: "NDArray[np.float32]", embedder: str, most: int) -> list[Near]:
    """The keys nearest to a question, with what the verifier says of each. Scopes are not looked at: this is to understand, not to serve."""
    verifier = Verifier()
    found: list[tuple[float, str, str]] = []
    for lesson in file.lessons(tenant):
        other, written = vector_of(lesson.vector), read(lesson.lesson)
        if lesson.embedder == embedder and written is not None and len(other) == len(vector):
            found.append((float(other @ vector), written.kept.entry_id, written.kept.question))
    found.sort(reverse=True)
    return [_near(verifier, question, *one) for one in found[:most]]


def _near(verifier: Verifier, question: str, cosine: float, entry_id: str, other: str) -> Near:
    compared = verifier.compare(question, other, cosine)
    probability = 0.0 if compared.veto is not None else 1 / (1 + math.exp(-max(-60.0, min(60.0, compared.logit))))
    return Near(entry_id, other, round(cosine, 4), round(probability, 4), compared.veto, compared.strict)


def same_spelling(found: Sequence[Card], question: str) -> list[Card]:
    """Entries that the normalised lane would serve for this question, if the scope were theirs."""
    spelling = normalise(question)
    return [card for card in found if card.user_query_example == question or (spelling is not None and card.normalized_query == spelling)]


def plain(value: Any) -> Any:
    """As JSON types, for printing."""
    return msgspec.to_builtins(value, builtin_types=(), str_keys=True)
