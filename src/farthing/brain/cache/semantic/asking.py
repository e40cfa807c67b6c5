"""Asking a judge whether a fresh answer says the same as kept ones, again where its verdicts surprise, until they settle it."""

from collections.abc import Awaitable, Callable, Sequence

from farthing.brain.cache.semantic.entries import Entry
from farthing.brain.cache.semantic.judge import Judge
from farthing.brain.cache.semantic.space import Space

SameAnswer = Callable[[Entry, Entry], Awaitable[bool | None]]  # None: nobody could say


class Asking:
    """One judge, for all namespaces. `coin` draws from 0 to 1."""

    def __init__(self, coin: Callable[[], float]) -> None:
        self.judge = Judge()
        self._coin = coin

    async def beside(
        self, space: Space, groups: Sequence[int], fresh: Entry, probability: float, same: SameAnswer, *, own: int | None = None
    ) -> list[tuple[int, bool]] | None:
        """Verdicts on `fresh` beside the answers of `groups`, in this order, until one is the same; `None` when nobody could say.

        `probability`: of the first. `own`: the group that `fresh` belongs to already; what has become part of it meanwhile is the same.
        """
        verdicts: list[tuple[int, bool]] = []
        heard: set[int] = set()
        for place, asked in enumerate(groups):
            group = space.namespace.current(asked)
            other = space.entries.get(group)
            if other is None or group in heard:
                continue
            heard.add(group)
            if own is not None and group == space.namespace.current(own):
                verdict: bool | None = True
            else:
                verdict = await self._settle(fresh, other, probability if place == 0 else 0.1, same)
            if verdict is None:
                return None
            verdicts.append((asked, verdict))
            if verdict:
                break
        return verdicts

    async def _settle(self, entry: Entry, other: Entry, expected: float, same: SameAnswer) -> bool | None:
        """Ask until the verdicts settle it."""
        if entry.text.strip() == other.text.strip():
            return True
        weighing = self.judge.weigh(min(0.98, max(0.02, expected)), self._coin())
        while weighing.wants_more:
            verdict = await same(entry, other)
            if verdict is None:
                return None
            weighing.hear(verdict)
        return weighing.same
