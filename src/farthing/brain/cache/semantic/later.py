"""Questions that the judge was not asked about when they came, to be asked about once labels are no longer short.

A new namespace needs labels of likely pairs before it may serve, and most pairs are not likely: while it is young the judge hears of no others.
What it was not asked about becomes an answer of its own and is remembered here. Later its pairs are judged after all; where they turn out to be the
same, two answers become one. Until then they hide each other from the questions that either would answer: that costs hits, and is never wrong.
"""

import heapq

import msgspec

LIKELY = 0.0  # as a logit: even chances. The judge is asked about such pairs from the first question on
UNLIKELY = -0.847  # 30 %: what is below is taken for another answer until it is known
FIRST_LABELS = 250  # with so many, and still nothing served, everything is asked about
MOST_UNASKED = 2000  # with so many remembered, too
AT_ONCE = 4  # asked about after each question


class Unasked(msgspec.Struct, frozen=True):
    """A question that was taken in without asking."""

    group: int  # that its key belongs to
    score: float
    others: tuple[int, ...]  # groups to ask about, most likely first


class Later:
    """What is to be asked about, by the group that the question opened; the likeliest first."""

    def __init__(self) -> None:
        self._waiting: dict[int, Unasked] = {}
        self._order: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, unasked: Unasked) -> None:
        self._waiting[unasked.group] = unasked
        heapq.heappush(self._order, (-unasked.score, unasked.group))

    def forget(self, group: int) -> None:
        """Nothing happens where it is not there."""
        self._waiting.pop(group, None)

    def take(self) -> Unasked | None:
        """The likeliest, which is not remembered any more."""
        while self._order:
            _, group = heapq.heappop(self._order)
            if (unasked := self._waiting.pop(group, None)) is not None:
                return unasked
        return None
