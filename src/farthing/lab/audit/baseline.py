"""What each endpoint costs as it is: calls, runs, latency, tokens, USD. Bounded."""

import heapq
from collections import Counter
from decimal import Decimal

from farthing.core.money import PICO, from_picousd
from farthing.lab.audit.costs import Costs
from farthing.lab.audit.facts import Facts
from farthing.lab.audit.playbook import EndpointLine, money

_SKETCH = 4096
_HASHES = 1 << 56
_MODELS = 50


class Distinct:
    """How many different hashes came by: exact up to `_SKETCH`, beyond from the smallest ones (Bar-Yossef et al. 2002; 1.6 % off)."""

    def __init__(self) -> None:
        self._heap: list[int] = []  # negated, so that the largest kept one is at hand
        self._kept: set[int] = set()

    def add(self, key: int) -> None:
        if key in self._kept:
            return
        if len(self._heap) < _SKETCH:
            heapq.heappush(self._heap, -key)
            self._kept.add(key)
        elif key < -self._heap[0]:
            self._kept.discard(-heapq.heappushpop(self._heap, -key))
            self._kept.add(key)

    def count(self) -> int:
        if len(self._heap) < _SKETCH:
            return len(self._heap)
        return round((_SKETCH - 1) * _HASHES / -self._heap[0])


class Baseline:
    """Of one endpoint."""

    def __init__(self) -> None:
        self.calls = self.priced = self.picousd = self.failed = 0
        self._runs, self._in_runs = Distinct(), 0
        self._latency_s, self._timed, self._slowest_s = 0.0, 0, 0.0
        self._tokens_in = self._tokens_out = self._counted = 0
        self._models = Counter[str]()

    def add(self, call: Facts, costs: Costs | None) -> None:
        self.calls += 1
        self.failed += call.failed
        if call.run is not None:
            self._in_runs += 1
            self._runs.add(call.run)
        if call.latency_s is not None:
            self._timed += 1
            self._latency_s += call.latency_s
            self._slowest_s = max(self._slowest_s, call.latency_s)
        if call.tokens_in is not None and call.tokens_out is not None:
            self._counted += 1
            self._tokens_in += call.tokens_in
            self._tokens_out += call.tokens_out
        if costs is not None:
            self.priced += 1
            self.picousd += costs.picousd
        model = call.model or "unknown"
        if model in self._models or len(self._models) < _MODELS:
            self._models[model] += 1

    def line(self, endpoint: str) -> EndpointLine:
        runs = self._runs.count() or None
        return EndpointLine(
            endpoint=endpoint,
            calls=self.calls,
            runs=runs,
            calls_per_run=self._in_runs / runs if runs else None,
            latency_average_s=self._latency_s / self._timed if self._timed else None,
            latency_max_s=self._slowest_s if self._timed else None,
            tokens_in=self._tokens_in / self._counted if self._counted else None,
            tokens_out=self._tokens_out / self._counted if self._counted else None,
            usd=from_picousd(self.picousd),
            per_1k=self._per_1k(),
            unpriced=self.calls - self.priced,
            failed=self.failed,
            models=dict(self._models.most_common(3)),
        )

    def _per_1k(self) -> Decimal | None:
        return money(self.picousd / float(PICO) / self.priced * 1000) if self.priced else None
