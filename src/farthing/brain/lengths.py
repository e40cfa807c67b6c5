"""How long the answers of an endpoint are: what stands in for an answer that nobody wrote.

One worker's memory of the last answers that ended by themselves, by endpoint and model. A range holds 95 % of them; without enough answers
it is as wide as it must be.
"""

from bisect import bisect_left, insort
from collections import OrderedDict, deque

from farthing.core.account import Span

_KEPT = 256  # answers per endpoint and model
_MOST = 512  # endpoints and models; callers can vary both
_ENOUGH = 20
_TAIL = 0.025


class _Lengths:
    """The last lengths, in order of arrival and of size."""

    __slots__ = ("arrived", "ordered")

    def __init__(self) -> None:
        self.arrived: deque[int] = deque()
        self.ordered: list[int] = []

    def add(self, tokens: int) -> None:
        if len(self.arrived) == _KEPT:
            gone = self.arrived.popleft()
            del self.ordered[bisect_left(self.ordered, gone)]
        self.arrived.append(tokens)
        insort(self.ordered, tokens)


class OutputLengths:
    """Output tokens of whole answers, by endpoint and model."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], _Lengths] = OrderedDict()

    def add(self, endpoint: str, model: str, tokens: int) -> None:
        """An answer ended by itself after so many tokens."""
        lengths = self._known.get((endpoint, model))
        if lengths is None:
            if len(self._known) >= _MOST:
                self._known.popitem(last=False)
            lengths = self._known[endpoint, model] = _Lengths()
        lengths.add(tokens)

    def __len__(self) -> int:
        return len(self._known)

    def known(self, endpoint: str, model: str) -> list[int]:
        """The last lengths, in order of size; not to be changed."""
        lengths = self._known.get((endpoint, model))
        return [] if lengths is None else lengths.ordered

    def instead_of(self, endpoint: str, model: str, tokens: int) -> Span | None:
        """How much longer than `tokens` an answer of this kind is; `None` before enough were seen."""
        ordered = self.known(endpoint, model)
        if len(ordered) < _ENOUGH:
            return None
        tail = int(len(ordered) * _TAIL)
        mean = round(sum(ordered) / len(ordered)) - tokens
        return Span(mean, min(mean, ordered[tail] - tokens), max(mean, ordered[-1 - tail] - tokens))

    def again(self, endpoint: str, model: str, tokens: int) -> Span:
        """How long an answer would have been that was `tokens` long the last time it was written."""
        ordered = self.known(endpoint, model)
        if len(ordered) < _ENOUGH:
            return Span(tokens, 0, 2 * tokens)
        tail = int(len(ordered) * _TAIL)
        return Span(tokens, min(tokens, ordered[tail]), max(tokens, ordered[-1 - tail]))

    def beyond(self, endpoint: str, model: str, tokens: int, most: int) -> Span:
        """How much longer an answer would have grown that a limit ended at `tokens`; `most` is what its model may write at all.

        The mean of the longer answers seen. Where none was, nothing is claimed, and the range says how much it may have been.
        """
        ordered = self.known(endpoint, model)
        longer = ordered[bisect_left(ordered, tokens + 1) :]
        if not longer:
            return Span(0, 0, max(0, most - tokens))
        return Span(round(sum(longer) / len(longer)) - tokens, longer[0] - tokens, longer[-1] - tokens)
