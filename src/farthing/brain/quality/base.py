"""Quality guard: judge a share of the answers against the expensive tier's, and turn down a lever that falls below its floor.

Guarantees: judging begins after the reply and never holds one up; what waits is bounded, and what finds no place, no budget or no time is
counted; every call is budgeted before it is made and its cost is on a row of `judgements`, charged to the lever under test; a draw and a verdict
can be repeated. Prompts are held in memory until judged, and nowhere else. Requests of callers who said no-store, with media, state at the provider
or tools that it runs itself are not judged, nor those of keys bound to models that the judge or the other tier is none of.
Costs: one look-up a request that is not drawn; a judged answer up to three calls: the expensive tier's answer, and the judge twice.
Off: leave `quality.judge` unset. (Guardrails, the patterns that block or redact, are another room: brain/check/guard.py.)
"""

from typing import Literal, Protocol

import msgspec

from farthing.brain.quality.calls import Said
from farthing.core.account import Saver
from farthing.core.exchange import Target
from farthing.core.judgement import Guarded, Judgement, Stance, Turn
from farthing.core.ledger import Hold, Refusal, Release
from farthing.core.request import Inbound

Purpose = Literal["judge", "shadow"]
Dropped = Literal["full", "budget", "price_unknown", "not_askable", "failed", "unreadable", "stopped", "store"]


class Shelf(Protocol):
    """Where verdicts and stances are kept. Raises `StoreUnavailable`."""

    async def begin(self, judgement: Judgement, hold: Hold) -> int | Refusal: ...

    async def end(self, row: int, judgement: Judgement, release: Release, learn: "tuple[str, Guarded, Learn] | None" = None) -> tuple[Turn, ...]: ...

    def version(self) -> int: ...

    def stances(self) -> dict[tuple[str, Guarded], Stance]: ...


class Learn(Protocol):
    """What a verdict makes of a stance."""

    def __call__(self, stance: Stance, /) -> tuple[Stance, tuple[Turn, ...]]: ...


class Ear(Protocol):
    """Who counts. Must not raise, must not block."""

    def judged(
        self,
        *,
        endpoint: str,
        tier: str | None,
        cache: str,
        source: str,
        score: float | None,
        reference_score: float | None = None,
        cost_picousd: int | None = None,
        lever: Saver | None = None,
    ) -> None: ...

    def unjudged(self, reason: Dropped) -> None: ...

    def guarded(self, endpoint: str, lever: str, *, lowered: bool) -> None: ...


class Case(msgspec.Struct, frozen=True):
    """One answer to be judged, with what it takes to ask the same again."""

    inbound: Inbound
    answer: Said
    served: Target
    purpose: Purpose
    lever: Saver  # that is charged
    guarded: Guarded | None  # that the verdict is evidence on; None: on none
    other: Target  # who is asked the same: the expensive tier, or in a shadow of its answer the cheap one
    tested_is_other: bool  # the served answer is the reference, and the other one is under test
    tenant: str  # as the ledger has it
    tier: str | None
    cache: str
