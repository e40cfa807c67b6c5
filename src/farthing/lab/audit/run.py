"""The audit from logs to playbook: read and learn, then weigh, then add up."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from farthing.brain.check.redact import redact
from farthing.core.money import PICO, from_picousd
from farthing.lab.audit.baseline import Baseline
from farthing.lab.audit.costs import Billed, Costing, Costs, Prices
from farthing.lab.audit.facts import Facts
from farthing.lab.audit.finders.base import Cut, Finder
from farthing.lab.audit.finders.batch import Batchable
from farthing.lab.audit.finders.chains import FixedPlan, SameInput
from farthing.lab.audit.finders.context import RepeatedContext, UnreferredHistory, UnusedDocuments
from farthing.lab.audit.finders.dear import EasyOnDear
from farthing.lab.audit.finders.labels import FewLabels
from farthing.lab.audit.finders.output import LongAnswers, NoLimit
from farthing.lab.audit.finders.prefix import CachePrefix
from farthing.lab.audit.finders.prompts import Boilerplate, FewShot, LongSystem
from farthing.lab.audit.finders.repeats import Duplicates, ExactRepeats
from farthing.lab.audit.finders.semantic import SemanticRepeats
from farthing.lab.audit.playbook import Example, Finding, PerMany, Playbook, money
from farthing.lab.audit.recommend import recommend
from farthing.lab.audit.spill import Spill, unpack
from farthing.lab.audit.tally import GROUPS, Tally, Together
from farthing.lab.audit.usual import Usuals
from farthing.lab.audit.vectors import Lexical
from farthing.lab.audit.workers import extracted
from farthing.lab.logs import Counts, open_logs
from farthing.lab.statistics import ratios

MOST_ENDPOINTS = 200
OTHER_ENDPOINTS = "other endpoints"
_MODELS = 20
_SPENDERS = 500

Progress = Callable[[str, int, int], None]  # stage, done, of


def audit(
    paths: Sequence[str | Path], prices: Prices, *, since: float | None = None, processes: int | None = None, progress: Progress | None = None
) -> Playbook:
    """The playbook of these logs. Raises `ConfigError` when there is no call in them."""
    logs = open_logs(paths, since)
    told = progress or _quiet
    auditor = Auditor(prices)
    spill = Spill()
    try:
        for batch, packed in extracted(logs, processes):
            logs.count(batch)
            spill.write(packed)
            auditor.learn(unpack(packed))
            told("reading", logs.counts.bytes_read, logs.counts.bytes_total)
        logs.require_calls()
        auditor.ready()
        for batch in spill.batches():
            auditor.weigh(batch)
            told("weighing", auditor.weighed, logs.counts.calls)
    finally:
        spill.close()
    return auditor.playbook(logs.counts)


def _quiet(stage: str, done: int, of: int) -> None:
    """No progress shown."""


class Auditor:
    """Everything between facts and playbook. Feed it all facts twice: to learn, then to weigh."""

    def __init__(self, prices: Prices) -> None:
        self._costing = Costing(prices)
        self._usuals = Usuals()
        self._dear = EasyOnDear(self._costing)
        self.finders = _finders(self._usuals, self._dear)
        self.tallies = [Tally() for _ in self.finders]
        self.together = Together()
        self.weighed = 0
        self._names: dict[str, str] = {}
        self._baselines: dict[str, Baseline] = {}
        self._calls_by_group = [0.0] * GROUPS
        self._picousd, self._priced, self._logged, self._estimated = 0, 0, 0, 0
        self._unpriced = Counter[str]()
        self._spend: dict[tuple[str | None, str], float] = {}
        self._first: float | None = None
        self._last: float | None = None

    def learn(self, calls: Sequence[Facts]) -> None:
        for call in map(self._named, calls):
            self._usuals.learn(call)
            for finder in self.finders:
                finder.learn(call)

    def ready(self) -> None:
        self._usuals.ready()
        for finder in self.finders:
            finder.ready()

    def weigh(self, calls: Sequence[Facts]) -> None:
        for call in map(self._named, calls):
            self.weighed += 1
            costs = self._costing.of(call)
            self._baselines.setdefault(call.endpoint, Baseline()).add(call, costs)
            if call.at is not None:
                self._first = call.at if self._first is None else min(self._first, call.at)
                self._last = call.at if self._last is None else max(self._last, call.at)
            if costs is None:
                self._note_unpriced(call)
                continue
            self._picousd += costs.picousd
            self._priced += 1
            self._logged += call.cost_picousd is not None
            self._estimated += call.estimated
            self._note_spend(call, costs)
            self._weigh(Billed(call, costs))

    def _weigh(self, billed: Billed) -> None:
        call = billed.call
        group = (self.weighed if call.run is None else call.run) % GROUPS
        self._calls_by_group[group] += 1
        cuts: list[tuple[Tally, Cut]] = []
        for finder, tally in zip(self.finders, self.tallies, strict=True):
            cut = finder.weigh(billed)
            if cut is None:
                continue
            usd = tally.add(billed, cut, group)
            cuts.append((tally, cut))
            if tally.wants(usd):
                tally.show(usd, self.weighed, call.source, finder.excerpt(call))
        if cuts:
            self.together.add(billed, cuts, group)

    def _named(self, call: Facts) -> Facts:
        """The call under its endpoint's name as it may be shown; beyond `MOST_ENDPOINTS` of them under one for all."""
        name = self._names.get(call.endpoint)
        if name is None:
            name = redact(call.endpoint) if len(self._names) < MOST_ENDPOINTS else OTHER_ENDPOINTS
            if name != OTHER_ENDPOINTS:
                self._names[call.endpoint] = name
        return call if name == call.endpoint else msgspec.structs.replace(call, endpoint=name)

    def _note_spend(self, call: Facts, costs: Costs) -> None:
        key = (call.provider, call.model or "")
        if call.model and (key in self._spend or len(self._spend) < _SPENDERS):
            self._spend[key] = self._spend.get(key, 0.0) + costs.picousd / float(PICO)

    def _note_unpriced(self, call: Facts) -> None:
        model = call.model or "unknown model"
        if model in self._unpriced or len(self._unpriced) < 1000:
            self._unpriced[model] += 1

    def playbook(self, counts: Counts) -> Playbook:
        total, avoidable = self._picousd / float(PICO), self.together.picousd / float(PICO)
        findings = self._findings(total)
        lines = sorted((baseline.line(name) for name, baseline in self._baselines.items()), key=lambda line: (-line.usd, line.endpoint))
        return Playbook(
            logs=counts,
            calls=self.weighed,
            priced=self._priced,
            logged_costs=self._logged,
            estimated=self._estimated,
            unpriced_models=dict(self._unpriced.most_common(_MODELS)),
            first_at=self._first,
            last_at=self._last,
            usd=from_picousd(self._picousd),
            per=PerMany.of(total, self._priced),
            avoidable_usd=from_picousd(self.together.picousd),
            avoidable_low_usd=money(self.together.low_usd),
            avoidable_high_usd=money(self.together.high_usd),
            avoidable_share=avoidable / total if total else 0.0,
            avoidable_per=PerMany.of(avoidable, self._priced),
            endpoints=tuple(lines),
            findings=findings,
            similarity=Lexical.name,
            config=recommend(findings, self._spend, self._dear.swaps, self._usuals),
        )

    def _findings(self, total: float) -> tuple[Finding, ...]:
        """Those that are worth something, the dearest first."""
        pairs = [(tally.groups[at], self._calls_by_group) for tally in self.tallies for at in range(3)]
        rates = ratios(pairs) if self._priced else [None] * len(pairs)
        found: list[Finding] = []
        for at, (finder, tally) in enumerate(zip(self.finders, self.tallies, strict=True)):
            if not tally.calls:
                continue
            low_rate, _, high_rate = rates[3 * at : 3 * at + 3]
            low, point, high = tally.usd
            low = min(low, point) if low_rate is None or low_rate.low is None else min(low, max(0.0, low_rate.low * self._priced))
            high = max(high, point) if high_rate is None or high_rate.high is None else max(high, high_rate.high * self._priced)
            found.append(self._finding(finder, tally, (low, point, min(high, total)), total))
        return tuple(sorted(found, key=lambda one: (-one.usd, one.kind)))

    def _finding(self, finder: Finder, tally: Tally, usd: tuple[float, float, float], total: float) -> Finding:
        about, (low, point, high) = finder.about, usd
        endpoints = sorted(tally.by_endpoint.items(), key=lambda item: (-item[1], item[0]))[:5]
        return Finding(
            kind=about.kind,
            title=about.title,
            certainty=about.certainty,
            lever=about.lever,
            how=about.how,
            remedy=about.remedy,
            calls=tally.calls,
            usd=money(point),
            low_usd=money(low),
            high_usd=money(high),
            share=point / total if total else 0.0,
            per=PerMany.of(point, self._priced),
            low=PerMany.of(low, self._priced),
            high=PerMany.of(high, self._priced),
            additive_usd=from_picousd(tally.additive_picousd),
            additive_per=PerMany.of(tally.additive_picousd / float(PICO), self._priced),
            endpoints={name: money(amount) for name, amount in endpoints},
            examples=tuple(Example(source, redact(excerpt), money(amount)) for amount, _, source, excerpt in sorted(tally.top, reverse=True)),
            details=tuple(map(redact, finder.details())),
        )


def _finders(usuals: Usuals, dear: EasyOnDear) -> list[Finder]:
    """Every kind of waste that is looked for."""
    return [
        Boilerplate(),
        LongSystem(),
        FewShot(usuals),
        RepeatedContext(),
        UnusedDocuments(),
        UnreferredHistory(),
        LongAnswers(usuals),
        NoLimit(usuals),
        CachePrefix(usuals),
        ExactRepeats(),
        SemanticRepeats(),
        Duplicates(),
        dear,
        SameInput(),
        FixedPlan(),
        FewLabels(),
        Batchable(),
    ]
