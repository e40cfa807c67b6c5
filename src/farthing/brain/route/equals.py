"""The same model on several services (regions, hosts): the one where the least wait is to be expected goes first, of quick ones the cheap.

A request with a session, or with the system prompt of others before it, stays with one service while that is about as quick as the quickest and no
dearer, so that the provider's prompt cache is met again. Held in memory, per worker.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b

from farthing.core.exchange import Target

_WEIGHT = 0.2  # of the newest observation
_MUCH_SLOWER = 1.3
_DEARER = 1.05

Crowd = Callable[[Target], float]
Price = Callable[[Target], float | None]  # of a call of some size, the same for all; None: unknown, which counts as no dearer


def _nobody_waits(_target: Target) -> float:
    return 0.0


def _nobody_knows(_target: Target) -> float | None:
    return None


class Equals:
    """Smoothed time to the head of the answer, by service and model."""

    def __init__(self, crowd: Crowd = _nobody_waits, price: Price = _nobody_knows) -> None:
        self._crowd, self._price = crowd, price
        self._seen_s: dict[tuple[str, str], float] = {}

    def note(self, target: Target, began_s: float) -> None:
        """How long this target took to begin its answer."""
        key = (target.service, target.model)
        old = self._seen_s.get(key)
        self._seen_s[key] = began_s if old is None else old + _WEIGHT * (began_s - old)

    def arrange(self, targets: tuple[Target, ...], affinity: str) -> tuple[Target, ...]:
        """Models keep their order; services of one model: the quick ones first, of these the cheap. Those not yet measured count as quick."""
        if len({target.model for target in targets}) == len(targets):
            return targets
        order = {model: at for at, model in reversed(list(enumerate(target.model for target in targets)))}
        quickest = {model: min(self._wait_s(target) for target in targets if target.model == model) for model in order}

        least = {model: self._least(target for target in targets if target.model == model) for model in order}

        def rank(target: Target) -> tuple[int, bool, bool, float]:
            wait_s, usd = self._wait_s(target), self._price(target)
            slow = wait_s > quickest[target.model] * _MUCH_SLOWER
            dear = not slow and usd is not None and usd > least[target.model] * _DEARER
            return order[target.model], slow, dear, wait_s if slow else _draw(affinity, target)

        return tuple(sorted(targets, key=rank))

    def _least(self, targets: Iterable[Target]) -> float:
        """The lowest known price among services of one model."""
        return min((usd for target in targets if (usd := self._price(target)) is not None), default=0.0)

    def _wait_s(self, target: Target) -> float:
        """What it took lately, and as much again for each round of requests that the engine says is waiting: it knows sooner than we do."""
        return self._seen_s.get((target.service, target.model), 0.0) * (1 + self._crowd(target))


def _draw(affinity: str, target: Target) -> float:
    """Rendezvous hashing: the same affinity meets the same service, and one that drops out moves only its own."""
    return int.from_bytes(blake2b(f"{affinity}\0{target.service}\0{target.model}".encode("utf-8", "replace"), digest_size=8).digest(), "big") / 2**64
