"""What became of every request, in columns: 40 bytes a request and configuration, so that millions fit.

Beside what a configuration chose stands what the log chose (the lane "as logged", with its cost, latency and score), request by request and in the
same order; with the chance of the logged choice (`Requests.propensity`) that gives off-policy estimates (`worth`).
"""

from array import array
from collections.abc import Sequence
from math import nan
from typing import Generic, TypeVar

UNKNOWN_COST = -1

_T = TypeVar("_T")


class Codes(Generic[_T]):
    """Small numbers for values that repeat."""

    def __init__(self) -> None:
        self.values: list[_T] = []
        self._code: dict[_T, int] = {}

    def of(self, value: _T) -> int:
        code = self._code.get(value)
        if code is None:
            code = self._code[value] = len(self.values)
            self.values.append(value)
        return code


class Columns:
    """One row a request. `cost` in picodollars, -1 unknown; `latency_s` and `score` NaN where unknown; the rest are codes of `Names`."""

    def __init__(self) -> None:
        self.cost = array("q")
        self.latency_s = array("d")
        self.score = array("d")
        self.origin = array("H")
        self.cache = array("H")
        self.outcome = array("H")
        self.model = array("H")
        self.tier = array("H")

    def __len__(self) -> int:
        return len(self.cost)

    def open(self) -> int:
        """A row for a request that has just come; its number."""
        self.cost.append(UNKNOWN_COST)
        self.latency_s.append(nan)
        self.score.append(nan)
        for column in (self.origin, self.cache, self.outcome, self.model, self.tier):
            column.append(0)
        return len(self.cost) - 1

    def extend(self, other: "Columns", words: Sequence[int]) -> None:
        """The rows of another part of the log behind these; `words[code]` is our code for one of theirs."""
        self.cost.extend(other.cost)
        self.latency_s.extend(other.latency_s)
        self.score.extend(other.score)
        for mine, theirs in zip(self._coded(), other._coded(), strict=True):
            mine.extend(words[code] for code in theirs)

    def _coded(self) -> "tuple[array[int], ...]":
        return self.origin, self.cache, self.outcome, self.model, self.tier


class Names:
    """The words behind the codes, shared by all lanes of a replay. Code 0 is the empty word."""

    def __init__(self) -> None:
        self.words: Codes[str] = Codes()
        self.words.of("")
        self.runs: Codes[str] = Codes()


class Requests:
    """Which requests were replayed, once for all lanes."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.runs = array("L")
        self.endpoints = array("L")  # codes of `Names.words`
        self.propensity = array("d")  # of the logged choice; 1 where chance had no part

    def extend(self, other: "Requests", runs: Sequence[int], words: Sequence[int]) -> None:
        """Those of another part of the log behind these; `runs[code]` and `words[code]` are our codes for its runs and words."""
        self.ids.extend(other.ids)
        self.runs.extend(runs[code] for code in other.runs)
        self.endpoints.extend(words[code] for code in other.endpoints)
        self.propensity.extend(other.propensity)
