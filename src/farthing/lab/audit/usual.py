"""What is usual for an endpoint: how long its answers are, and which stretches its prompts share. Bounded; learnt in the first pass."""

import random
from collections import Counter
from collections.abc import Sequence

from farthing.lab.audit.facts import Facts, Part

MOST_PIECES = 5_000  # of one endpoint; those seen once are forgotten first
SAMPLE = 2048
FEWEST_CALLS = 20  # below, nothing is usual
STABLE_SHARE = 0.5
_SHARED = (Part.SYSTEM, Part.HISTORY)


class Sample:
    """A uniform sample of numbers; all of them up to `SAMPLE`."""

    def __init__(self, seed: int = 0) -> None:
        self.seen = 0
        self.kept: list[int] = []
        self._random = random.Random(seed)

    def add(self, number: int) -> None:
        self.seen += 1
        if len(self.kept) < SAMPLE:
            self.kept.append(number)
        elif (place := int(self._random.random() * self.seen)) < SAMPLE:
            self.kept[place] = number

    def quantile(self, share: float) -> int | None:
        """Nearest rank; `None` of nothing."""
        ordered: Sequence[int] = sorted(self.kept)
        return ordered[max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1)] if ordered else None


class Usual:
    """Of one endpoint."""

    def __init__(self) -> None:
        self.calls = 0
        self.outputs = Sample()
        self.median_output: int | None = None
        self.p99_output: int | None = None
        self._pieces = Counter[int]()
        self._prompts = 0

    def learn(self, call: Facts) -> None:
        self.calls += 1
        if call.tokens_out is not None and not call.tools and not call.failed:
            self.outputs.add(max(0, call.tokens_out - call.reasoning))
        if not call.pieces:
            return
        self._prompts += 1
        pieces = self._pieces
        for piece in call.pieces:
            if piece.part in _SHARED:
                pieces[piece.hash] += 1
        if len(pieces) > MOST_PIECES:
            self._pieces = Counter({key: count for key, count in pieces.items() if count > 1 + self._prompts // MOST_PIECES})

    def ready(self) -> None:
        """Between the passes."""
        if self.outputs.seen >= FEWEST_CALLS:
            self.median_output = self.outputs.quantile(0.5)
            self.p99_output = self.outputs.quantile(0.99)
        least = self._prompts * STABLE_SHARE
        self.stable = frozenset(key for key, count in self._pieces.items() if count >= least) if self._prompts >= FEWEST_CALLS else frozenset[int]()

    stable: frozenset[int] = frozenset()  # stretches that half of the prompts or more hold


class Usuals:
    """By endpoint."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, Usual] = {}

    def learn(self, call: Facts) -> None:
        found = self._by_endpoint.get(call.endpoint)
        if found is None:
            found = self._by_endpoint[call.endpoint] = Usual()
        found.learn(call)

    def ready(self) -> None:
        for usual in self._by_endpoint.values():
            usual.ready()

    def of(self, call: Facts) -> Usual:
        return self._by_endpoint[call.endpoint]

    def named(self) -> dict[str, Usual]:
        return self._by_endpoint
