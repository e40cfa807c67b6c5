"""The nouns of answer quality: what was said of an answer afterwards, and whether a lever may go on.

Scores run from 0 to 1. `reference_score` is that of the expensive tier's answer to the same question, given in the same breath.
"""

from typing import Literal

import msgspec

Source = Literal["feedback", "judge", "shadow", "eval"]

# What the quality guard can turn down, endpoint by endpoint: the cheap tier, exact reuse, reuse of similar questions, leaving out parts of a prompt.
Guarded = Literal["route", "cache", "semantic", "lossy"]

Phase = Literal["on", "down", "trial"]


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """One verdict. The fields are the columns of table `judgements`; what it cost is charged to `lever`."""

    request_id: str
    judged_at: float
    source: Source
    score: float | None = None
    reference_score: float | None = None
    label: str | None = None
    comment: str | None = None
    judge_model: str | None = None
    cost_picousd: int | None = 0
    lever: str | None = None
    tenant: str | None = None
    endpoint: str | None = None
    model_tier: str | None = None
    cache: str | None = None
    experiment: str | None = None
    author: str | None = None  # who said it, where the same one may say it again: the last word counts


class Subject(msgspec.Struct, frozen=True, gc=False):
    """What a verdict copies from the request that it is about."""

    tenant: str | None
    endpoint: str | None
    model_tier: str | None
    cache: str | None
    experiment: str | None


class Stance(msgspec.Struct, frozen=True, gc=False):
    """Where one lever stands on one endpoint, and the evidence so far. Survives restarts; shared by all workers.

    `broke` and `holds` are logarithms of evidence against "it keeps the floor" and "it does not" (brain/quality/sequential.py).
    """

    phase: Phase = "on"
    since: float = 0.0
    until: float = 0.0  # phase down: when a trial may begin
    cool_down_s: float = 0.0  # of the last time it was turned down; doubles when a trial fails
    broke: float = 0.0
    holds: float = 0.0
    samples: int = 0  # since the phase began
    score_sum: float = 0.0
    reference_sum: float = 0.0
    square_sum: float = 0.0  # of the paired differences from the floor
    floor: float = 0.0  # that the evidence is about: another floor starts afresh


class Turn(msgspec.Struct, frozen=True, gc=False):
    """A lever was turned down, tried again or turned up on an endpoint."""

    at: float
    endpoint: str
    lever: Guarded
    phase: Phase
    reason: str


class VerdictSums(msgspec.Struct, gc=False):
    """Verdicts added up: all that intervals need. `paired` ones scored the expensive tier's answer to the same question too."""

    verdicts: int = 0
    scored: int = 0
    score: float = 0.0
    paired: int = 0
    paired_score: float = 0.0
    reference: float = 0.0
    score_squares: float = 0.0  # of the paired ones
    reference_squares: float = 0.0
    products: float = 0.0
    cost_picousd: int = 0
    unpriced: int = 0  # verdicts whose cost nobody knows; in no sum
