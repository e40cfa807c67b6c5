"""What a finder of waste is: it learns from all calls what is usual, then says of each call which share of its cost was avoidable."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import msgspec

from farthing.core.account import Saver
from farthing.lab.audit.costs import LUMPS, Billed
from farthing.lab.audit.facts import Facts
from farthing.lab.statistics import wilson

Certainty = Literal["counted", "estimated", "assumed"]

_ALL = tuple(range(LUMPS))


class About(msgspec.Struct, frozen=True):
    """What a finding is and what can be done about it.

    counted: each cent is of a call or token that was there twice. estimated: a measure on the log stands for what cannot be seen in it.
    assumed: the figure rests on an assumption that `how` names; replay or a trial decides.
    """

    kind: str
    title: str
    certainty: Certainty
    how: str
    remedy: str
    lever: Saver | None  # of Farthing; None: it is work on the prompt or the code


class Cut(msgspec.Struct, frozen=True, gc=False):
    """The share of each named lump that was avoidable: surely, probably, at most."""

    lumps: tuple[int, ...]
    low: float
    point: float
    high: float


def whole(low: float, point: float, high: float) -> Cut:
    """Of the whole call."""
    return Cut(_ALL, low, point, high)


def part(lump: int, low: float, point: float, high: float) -> Cut | None:
    """Of one part of a call; `None` when nothing of it was avoidable."""
    return Cut((lump,), _share(low), _share(point), _share(high)) if high > 0 else None


def share_of(good: int, of: int) -> tuple[float, float, float]:
    """Low end, value and high end of a share, 95 %; all zero of nothing."""
    ends = wilson(good, of)
    return (ends[0], good / of, ends[1]) if ends else (0.0, 0.0, 0.0)


def _share(share: float) -> float:
    return min(1.0, max(0.0, share))


class Finder(ABC):
    """One kind of waste. Memory is bounded whatever the number of calls."""

    about: About

    def learn(self, call: Facts) -> None:  # noqa: B027 - a finder may have nothing to learn
        """First pass, every call, in log order."""

    def ready(self) -> None:  # noqa: B027
        """Between the passes."""

    @abstractmethod
    def weigh(self, billed: Billed) -> Cut | None:
        """Second pass, every call that has a cost, in log order."""

    def excerpt(self, call: Facts) -> str:
        """What to show of a call that is given as an example."""
        return call.gist

    def details(self) -> Sequence[str]:
        """Lines that belong to the finding: rates, thresholds, what was left out."""
        return ()
