"""The semantic lane without one of its parts, to see what each is worth."""

import math
from collections.abc import Callable, Sequence

from farthing.brain.cache.semantic.certify import Certificate
from farthing.brain.cache.semantic.context import Compare
from farthing.brain.cache.semantic.namespace import Look, Namespace, Promise
from farthing.brain.cache.semantic.scorer import Prior, Scorer
from farthing.brain.cache.semantic.verifier import Compared

_SILENT = Compared(2.0, None, 0, 0, same_words=False)


def unread(_key: int, _cosine: float) -> Compared:
    """A verifier that says the same of every pair: no vetoes, no words."""
    return _SILENT


class _Fixed(Scorer):
    """The prior's scores for ever."""

    def learn(self, row: Sequence[float], right: bool) -> None:
        pass


class _Unscored(Namespace):
    """Nothing of this traffic is learned but the threshold."""

    def __init__(self, promise: Promise, prior: Prior, *, coin: Callable[[], float]) -> None:
        super().__init__(promise, prior, coin=coin)
        self.scorer = _Fixed(prior)


class _Uncertified(Namespace):
    """A threshold plugged in: what the scorer gives the promised probability is served."""

    def certify(self) -> None:
        self._since = 0
        limit = 1 - self.promise.max_wrong
        self.certificate = Certificate(math.log(limit / (1 - limit)), None, self.labels, 0.0)


class _Unprobed(Namespace):
    """No would-be hit is asked anew."""

    def look(self, keys: Sequence[int], cosines: Sequence[float], compare: Compare, *, max_wrong: float | None = None) -> Look:
        coin, self._coin = self._coin, lambda: 1.0
        try:
            return super().look(keys, cosines, compare, max_wrong=max_wrong)
        finally:
            self._coin = coin


PARTS: dict[str, type[Namespace]] = {"scorer": _Unscored, "certificate": _Uncertified, "probes": _Unprobed}
