"""What the log knows of its models: how long their answers are, how long they take, and what they said to which prompt.

One pass over the log (and over recorded answers beside it) fills it; nothing is assumed about the shape of a distribution, the lengths and times
themselves are kept: 40 bytes a call, and 120 for a prompt that was answered. Two fits over parts of a log add up to the fit of the whole.
"""

from array import array
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from math import inf, isnan, nan, sqrt

import msgspec
import numpy as np

from farthing.core.errors import BudgetExceeded, CapReached, PriceUnknown, RateLimited
from farthing.lab.logs.base import LoggedCall
from farthing.lab.replay.asked import Asked
from farthing.models.recordings import family
from farthing.models.tokens import TokenCounter

FEWEST_LENGTHS = 20  # fewer at an endpoint say less about it than all that the model wrote elsewhere
UNKNOWN = nan
_REUSED = frozenset({"exact", "normalised", "semantic", "coalesced", "hit", "true", "cached", "yes", "1"})

_family = lru_cache(maxsize=4096)(family)


@lru_cache(maxsize=4096)
def plain(model: str) -> str:
    """A model's name without its vendor."""
    return model.lower().rpartition("/")[2]


@lru_cache(maxsize=4096)
def same_model(one: str, other: str) -> bool:
    """Whether two names mean one model: `gpt-4o` is whichever snapshot the log names, two snapshots are two models."""
    if plain(one) == plain(other):
        return True
    return _family(one) == _family(other) and _family(one) in (plain(one), plain(other))


class Mean(msgspec.Struct, frozen=True, gc=False):
    """Expected output tokens within a limit, and how far a single answer strays from it."""

    tokens: Decimal
    spread: float  # standard deviation of one answer
    error: float  # standard error of the mean


class Lengths:
    """Answers of one model, at one endpoint or at all: output tokens, seconds, seconds to the first token (NaN: unknown)."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.tokens = array("I")
        self.latency_s = array("d")
        self.first_s = array("d")
        self._order = self._sorted = self._sums = self._squares = np.zeros(0, np.int64)
        self._means: dict[int | None, Mean] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, tokens: int, latency_s: float | None, first_s: float | None) -> None:
        self.tokens.append(tokens)
        self.latency_s.append(UNKNOWN if latency_s is None else latency_s)
        self.first_s.append(UNKNOWN if first_s is None else first_s)

    def merge(self, other: "Lengths") -> None:
        self.tokens.extend(other.tokens)
        self.latency_s.extend(other.latency_s)
        self.first_s.extend(other.first_s)

    def like(self, name: str) -> tuple[int, float | None, float | None]:
        """Tokens and seconds of one of these answers, drawn by name: the same name draws the same, in whatever order they were fed."""
        self._freeze()
        at = int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") % len(self.tokens)
        at = int(self._order[at])
        return self.tokens[at], seconds(self.latency_s[at]), seconds(self.first_s[at])

    def mean(self, limit: int | None) -> Mean:
        """Of lengths cut at `limit`."""
        self._freeze()
        found = self._means.get(limit)
        if found is None:
            found = self._means[limit] = self._mean(limit)
        return found

    def _mean(self, limit: int | None) -> Mean:
        count = len(self.tokens)
        at = count if limit is None else int(np.searchsorted(self._sorted, limit))
        cut, most = count - at, limit or 0
        total = (int(self._sums[at - 1]) if at else 0) + cut * most
        squares = (int(self._squares[at - 1]) if at else 0) + cut * most**2
        variance = max(0.0, squares / count - (total / count) ** 2) * count / max(1, count - 1)
        return Mean(Decimal(total) / count, sqrt(variance), sqrt(variance / count))

    def _freeze(self) -> None:
        if len(self._order) == len(self.tokens):
            return
        tokens = np.array(self.tokens, np.int64)
        self._order = np.lexsort((np.array(self.first_s), np.array(self.latency_s), tokens))
        self._sorted = tokens[self._order]
        self._sums, self._squares = np.cumsum(self._sorted), np.cumsum(self._sorted**2)
        self._means.clear()


class Known(msgspec.Struct, frozen=True, gc=False):
    """A recorded answer of one model to one prompt: what it took, and how good it was where somebody graded it."""

    tokens_in: int | None
    tokens_out: int
    latency_s: float | None
    first_s: float | None
    score: float | None
    at_s: float | None = None


class Answers:
    """Recorded answers by prompt and model: the earliest of several, and the mean of all grades, in whatever order they were fed.

    Columns instead of objects: there may be millions.
    """

    def __init__(self) -> None:
        self._at: dict[int, int] = {}
        self._when_s = array("d")
        self._in = array("q")
        self._out = array("q")
        self._latency_s = array("d")
        self._first_s = array("d")
        self._grades = array("q")  # sum, in billionths: sums of whole numbers do not depend on their order
        self._graded = array("I")

    def __len__(self) -> int:
        return len(self._out)

    def add(self, prompt: bytes, model: str, known: Known) -> None:
        """One more."""
        grades, graded = (0, 0) if known.score is None else (round(known.score * _BILLION), 1)
        self._add(_key(prompt, model), _row(known), grades, graded)

    def find(self, prompt: bytes, model: str) -> Known | None:
        """What that model said to that prompt."""
        at = self._at.get(_key(prompt, model))
        if at is None:
            return None
        graded = self._graded[at]
        score = self._grades[at] / graded / _BILLION if graded else None
        given = None if self._in[at] < 0 else self._in[at]
        return Known(given, self._out[at], seconds(self._latency_s[at]), seconds(self._first_s[at]), score, self._when_s[at])

    def merge(self, other: "Answers") -> None:
        """Add what another part of the log recorded."""
        for key, at in other._at.items():
            row = (other._when_s[at], other._out[at], other._in[at], other._latency_s[at], other._first_s[at])
            self._add(key, row, other._grades[at], other._graded[at])

    def _add(self, key: int, row: "_Row", grades: int, graded: int) -> None:
        at = self._at.get(key)
        if at is None:
            self._at[key] = len(self._out)
            for column, value in zip((self._when_s, self._out, self._in, self._latency_s, self._first_s), row, strict=True):
                column.append(value)  # pyright: ignore[reportArgumentType]
            self._grades.append(grades)
            self._graded.append(graded)
            return
        if row[:3] < (self._when_s[at], self._out[at], self._in[at]):
            self._when_s[at], self._out[at], self._in[at], self._latency_s[at], self._first_s[at] = row
        self._grades[at] += grades
        self._graded[at] += graded


_Row = tuple[float, int, int, float, float]
_BILLION = 1_000_000_000
_LIMITS = frozenset(each.code for each in (RateLimited, BudgetExceeded, PriceUnknown, CapReached))


def _row(known: Known) -> _Row:
    """Time (the unknown one last), tokens, seconds, as the columns hold them."""
    return (
        inf if known.at_s is None else known.at_s,
        known.tokens_out,
        -1 if known.tokens_in is None else known.tokens_in,
        UNKNOWN if known.latency_s is None else known.latency_s,
        UNKNOWN if known.first_s is None else known.first_s,
    )


class Fit:
    """Everything the log says about models. Feed it every call once, then read."""

    def __init__(self, tokens: TokenCounter) -> None:
        self.answers = Answers()
        self.models: dict[tuple[str | None, str], int] = {}  # provider and model of the traffic: how often
        self._tokens = tokens
        self._lengths: dict[tuple[str | None, str], Lengths] = {}
        self._names: dict[str, tuple[str, ...]] = {}

    def learn(self, asked: Asked, *, traffic: bool = True) -> None:
        """One call. `traffic`: false for recorded answers beside the log."""
        call = asked.call
        if call.model is None:
            return
        if traffic:
            named = (call.provider, call.model)
            self.models[named] = self.models.get(named, 0) + 1
        if failed(call) or (written := self.written(call)) is None:
            return
        model = plain(call.model)
        reused = was_reused(call)
        latency_s, first_s = (None, None) if reused else (call.latency_s, call.first_token_s)
        for endpoint in (asked.endpoint, None) if traffic else (None,):
            self._of(endpoint, model).add(written, latency_s, first_s)
        if asked.prompt is not None:
            self.answers.add(asked.prompt, model, Known(call.tokens_in, written, latency_s, first_s, call.score, call.received_at))

    def written(self, call: LoggedCall) -> int | None:
        """Output tokens of a logged answer: as logged, else counted."""
        if call.tokens_out is not None or call.answer is None:
            return call.tokens_out
        return self._tokens.count(call.answer, call.model or "")

    def lengths(self, endpoint: str, model: str) -> Lengths | None:
        """The model's answers at that endpoint, or at all of them where it wrote few there; `None`: the log has none."""
        name = next(iter(self.names(model)), None) or next(iter(self._kin(model)), None)
        if name is None:
            return None
        here = self._lengths.get((endpoint, name))
        return here if here is not None and len(here) >= FEWEST_LENGTHS else self._lengths.get((None, name), here)

    def recorded(self, prompt: bytes, model: str) -> Known | None:
        """What the model said to this prompt, as far as somebody kept it."""
        found = (self.answers.find(prompt, name) for name in self.names(model))
        return next((known for known in found if known is not None), None)

    def names(self, model: str) -> tuple[str, ...]:
        """What the log calls this model: its own name first."""
        found = self._names.get(model)
        if found is None:
            own = plain(model)
            known = sorted(name for endpoint, name in self._lengths if endpoint is None and same_model(name, model))
            found = self._names[model] = tuple(sorted(known, key=lambda name: name != own))
        return found

    def _kin(self, model: str) -> list[str]:
        """Other snapshots of the same family: what they write is as long, whatever it says."""
        return sorted(name for endpoint, name in self._lengths if endpoint is None and _family(name) == _family(model))

    def merge(self, other: "Fit") -> None:
        """Add what another part of the log knows."""
        self.answers.merge(other.answers)
        for named, times in other.models.items():
            self.models[named] = self.models.get(named, 0) + times
        for (endpoint, model), lengths in other._lengths.items():
            self._of(endpoint, model).merge(lengths)

    def _of(self, endpoint: str | None, model: str) -> Lengths:
        found = self._lengths.get((endpoint, model))
        if found is None:
            title = model if endpoint is None else f"{model} at {endpoint}"
            found = self._lengths[(endpoint, model)] = Lengths(title)
            self._names.clear()
        return found


def failed(call: LoggedCall) -> bool:
    """The log says that no answer came of it."""
    return call.error_code is not None or (call.status is not None and call.status >= 400)


def turned_away(call: LoggedCall) -> bool:
    """A gateway refused it for a limit of its own: no model was asked, and another configuration may."""
    return call.error_code in _LIMITS


def was_reused(call: LoggedCall) -> bool:
    """A cache answered it: its time says nothing about its model."""
    return call.cache is not None and call.cache.lower() in _REUSED


def seconds(value: float) -> float | None:
    return None if isnan(value) else value


def _key(prompt: bytes, model: str) -> int:
    return int.from_bytes(blake2b(prompt + model.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True)
