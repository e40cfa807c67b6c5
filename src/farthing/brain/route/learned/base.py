"""The nouns of learned routing: what an artefact says of itself, what it promises, and what it makes of one prompt."""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

FORMAT = 2

Floats = npt.NDArray[np.float64]
Arrays = dict[str, npt.NDArray[np.generic]]
Kind = Literal["knn", "logistic", "boosting", "stack"]
Way = Literal["route", "cascade", "choose", "expensive"]

MANY = 5000  # graded prompts from which on trees weigh most
CELLS = 3000  # graded prompts from which on neighbours are looked for in cells


def weights(kind: Kind, labels: int) -> dict[str, float]:
    """What counts how much. Trees need many prompts; among few the linear model does better (chosen on grades that no benchmark reports)."""
    if kind != "stack":
        return {kind: 1.0}
    return {"knn": 0.2, "logistic": 0.6, "boosting": 0.2} if labels <= MANY else {"knn": 0.25, "logistic": 0.25, "boosting": 0.5}


class Dials(msgspec.Struct, frozen=True, gc=False):
    """Where the gaps (quality lost by not asking the expensive model) are cut. One dial from all-expensive to all-cheap moves them together.

    Before a call: cheap where the gap is at most `before`. After the cheap answer: kept where the gap is below `keep`, escalated from `escalate`
    on, and in between a second cheap model is asked, whose answer is kept where the gap is at most `agree`. With `price`, one of several models is
    chosen (`choose`), and the cuts do not count.
    """

    before: float
    keep: float
    escalate: float
    agree: float
    price: float | None = None  # quality that one call of the reference is worth


class Promise(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What was certified for one endpoint, on how many graded prompts, and by which bound."""

    floor: float  # of the expensive model's quality
    confidence: float
    labels: int
    way: Way  # what the sums chose; "expensive" when nothing could be certified or nothing pays
    dials: Dials | None  # None: everything goes to the expensive tier
    quality_ratio: float | None  # measured on the graded prompts
    least_ratio: float | None  # what the bound leaves of it
    cost_ratio: float  # expected cost as a share of expensive-always
    reason: str


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """An artefact's first page. `models` are in the order of its columns, dearest reference last."""

    format: int
    version: str  # of this artefact: a hash of what it was trained on and how
    created_at: float
    features_version: int
    answers_version: int
    embedder: str | None
    dims: int  # of the embedding; 0: trained without
    models: tuple[str, ...]
    cheap: str
    reference: str
    second: str | None  # the other cheap model that a cascade may ask
    kind: Kind
    labels: int
    unfamiliar_below: float  # familiarity under which a prompt counts as unknown
    languages: tuple[str, ...]  # seen in training
    promises: dict[str, Promise]  # by endpoint; "*" for those without labels of their own
    cascade: bool = False
    candidates: tuple[str, ...] = ()  # of which `choose` takes one, the cheapest first, the reference last; empty: only cheap and reference
    cost_ratios: tuple[float, ...] = ()  # mean cost of a call of each candidate, as a share of the reference's


class Scored(msgspec.Struct, frozen=True, gc=False):
    """One prompt: the chance of a good answer by model, and how much it is like what was trained on (1: as much as anything)."""

    quality: tuple[float, ...]
    gap: float  # reference minus cheap
    familiarity: float
