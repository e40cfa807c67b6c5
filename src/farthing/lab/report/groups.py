"""Every figure of one group of rows, out of sums by kind and of its runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import hypot

import numpy as np

from farthing.lab.report import accounts, spending
from farthing.lab.report.figures import Account, Cost, Group, LeverPart, ModelSpend, Part, RunsOfLength, Savings, Spending, Spread, Tokens
from farthing.lab.report.money import rates, usd
from farthing.lab.report.quality import HITS
from farthing.lab.report.rows import Read
from farthing.lab.report.runs import LENGTHS, GroupRuns
from farthing.lab.report.totals import Sums
from farthing.lab.report.window import Codes, Verdict
from farthing.lab.statistics import Estimate

NO_LEVER = "no lever"  # verdicts that are charged to none


def grouped(read: Read, by: tuple[str, ...]) -> tuple[Group, tuple[Group, ...]]:
    """The whole window, and its groups, those with most requests first."""
    keys = list(dict.fromkeys(kind.by for kind in read.kinds)) if by else []
    place = {key: number for number, key in enumerate(keys)}
    group_of: Codes = np.array([place.get(kind.by, 0) for kind in read.kinds], np.int32)
    spreads = [times.spreads(group_of, len(keys)) for times in (read.latency, read.first_token, read.overhead)]
    every = np.zeros(len(read.kinds), np.int32)
    whole = _Maker(read, list(range(len(read.kinds))), read.verdicts).group({}, read.runs.groups(every, 1, read.answered)[0], [s[0] for s in spreads])
    runs = read.runs.groups(group_of, len(keys), read.answered) if keys else []
    kinds: list[list[int]] = [[] for _ in keys]
    for kind in range(len(read.kinds) if keys else 0):
        kinds[int(group_of[kind])].append(kind)
    verdicts: list[list[Verdict]] = [[] for _ in keys]
    for verdict in read.verdicts if keys else ():
        verdicts[int(group_of[verdict.kind])].append(verdict)
    found = [
        _Maker(read, kinds[number], verdicts[number]).group(dict(zip(by, key, strict=True)), runs[number], [spread[number + 1] for spread in spreads])
        for key, number in place.items()
    ]
    return whole, tuple(sorted(found, key=lambda group: -group.requests))


class _Maker:
    """Figures of the rows of some kinds."""

    def __init__(self, read: Read, kinds: list[int], verdicts: Sequence[Verdict]) -> None:
        self._read, self._kinds, self._verdicts = read, kinds, verdicts
        self._requests = self._sum(read.totals.requests)

    def group(self, of: Mapping[str, str | None], runs: GroupRuns, spreads: Sequence[Spread]) -> Group:
        totals, requests, calls = self._read.totals, self._requests, self._sum(self._read.totals.calls)
        cache, tiers, errors = self._counts()
        latency, first_token, overhead = spreads
        return Group(
            of=of,
            requests=requests,
            runs=runs.runs,
            calls=calls,
            calls_per_run=calls / runs.runs if runs.runs else None,
            latency_ms=latency,
            first_token_ms=first_token,
            overhead_ms=overhead,
            tokens=Tokens(
                input=self._sum(totals.tokens_in),
                output=self._sum(totals.tokens_out),
                cached=self._sum(totals.tokens_cached),
                unknown=self._sum(totals.tokens_unknown),
            ),
            cost=self._cost(runs),
            savings=self._savings(runs),
            account=self._account(runs),
            spending=self._spending(runs),
            cache=dict(cache.most_common()),
            hit_ratio=sum(cache[kind] for kind in HITS) / requests if requests else None,
            tiers=dict(tiers.most_common()),
            errors=dict(errors.most_common()),
            truncated=sum(totals.requests.of([kind]) for kind in self._kinds if self._read.kinds[kind].truncated),
        )

    def _sum(self, sums: Sums) -> int:
        return sums.of(self._kinds)

    def _counts(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        cache: Counter[str] = Counter()
        tiers: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for number in self._kinds:
            kind, count = self._read.kinds[number], self._read.totals.requests.of([number])
            cache[kind.cache] += count
            tiers[kind.tier or "none"] += count
            if kind.error is not None:
                errors[kind.error] += count
        return cache, tiers, errors

    def _cost(self, runs: GroupRuns) -> Cost:
        priced, cost = self._sum(self._read.totals.priced), self._sum(self._read.totals.cost)
        of_requests, of_runs = rates(cost, priced, runs.cost), rates(runs.priced_cost, runs.priced_runs, runs.cost_of_run)
        return Cost(
            total_usd=usd(cost) if priced else None,
            unpriced=self._requests - priced,
            per_1k_requests_usd=of_requests.per_1k.usd if of_requests else None,
            per_1k_runs_usd=of_runs.per_1k.usd if of_runs else None,
            unpriced_runs=runs.runs - runs.priced_runs,
            rates=of_requests,
            rates_of_runs=of_runs,
        )

    def _savings(self, runs: GroupRuns) -> Savings:
        totals = self._read.totals
        counted, cost, baseline = self._sum(totals.compared), self._sum(totals.compared_cost), self._sum(totals.baseline)
        saved = rates(baseline - cost, counted, self._guessed(runs.saved, counted))
        return Savings(
            counted=counted,
            left_out=self._requests - counted,
            baseline_usd=usd(baseline) if counted else None,
            cost_usd=usd(cost) if counted else None,
            saved_usd=usd(baseline - cost) if counted else None,
            saved_ratio=(baseline - cost) / baseline if baseline else None,
            per_1k_usd=saved.per_1k.usd if saved else None,
            per_100k_usd=saved.per_100k.usd if saved else None,
            per_1m_usd=saved.per_1m.usd if saved else None,
            baseline_rates=rates(baseline, counted, self._guessed(runs.baseline, counted)),
            cost_rates=rates(cost, counted, runs.compared_cost),
            saved_rates=saved,
        )

    def _account(self, runs: GroupRuns) -> Account | None:
        totals, counted = self._read.totals, self._sum(self._read.totals.compared)
        charges = self._charges()
        if not counted and not charges:
            return None
        cost, baseline, verdicts = self._sum(totals.compared_cost), self._sum(totals.baseline), sum(charges.values())
        saved = {name: self._sum(sums.saved) for name, sums in self._read.accounts.levers.items() if self._sum(sums.requests)}
        names = [*accounts.in_order([*saved, *(name for name in charges if name != NO_LEVER)]), *([NO_LEVER] if NO_LEVER in charges else [])]
        net = baseline - cost - verdicts
        return Account(
            baseline_usd=usd(baseline),
            cost_usd=usd(cost),
            verdicts_usd=usd(verdicts),
            paid_usd=usd(cost + verdicts),
            paid_rates=rates(cost + verdicts, counted, runs.paid),
            levers=tuple(self._lever(name, saved.get(name, 0), charges.get(name, 0), runs) for name in names),
            not_split=self._sum(self._read.accounts.without),
            not_split_usd=usd(baseline - cost - sum(saved.values())),
            net_usd=usd(net),
            net_ratio=net / baseline if baseline else None,
            net_rates=rates(net, counted, self._guessed(runs.net, counted)),
            unpriced_verdicts=sum(verdict.cost_picousd is None and verdict.judge_model is not None for verdict in self._verdicts),
        )

    def _guessed(self, drawn: Estimate | None, counted: int) -> Estimate | None:
        """Wider by what is estimated of the accounts."""
        read = self._read.accounts
        return _widened(drawn, read.below.root(self._kinds) / counted, read.above.root(self._kinds) / counted) if counted else drawn

    def _charges(self) -> dict[str, int]:
        """What verdicts cost, by the lever that they are charged to."""
        charges: dict[str, int] = {}
        for verdict in self._verdicts:
            if verdict.cost_picousd:
                lever = verdict.lever or NO_LEVER
                charges[lever] = charges.get(lever, 0) + verdict.cost_picousd
        return charges

    def _lever(self, name: str, saved: int, charged: int, runs: GroupRuns) -> LeverPart:
        counted, sums = self._sum(self._read.totals.compared), self._read.accounts.levers.get(name)
        requests = self._sum(sums.requests) if sums else 0
        low, high = (self._sum(sums.low), self._sum(sums.high)) if sums and requests else (saved, saved)
        estimated = (low, high) != (saved, saved)
        drawn = runs.levers.get(name)
        if estimated and sums and counted:
            drawn = _widened(drawn, sums.below.root(self._kinds) / counted, sums.above.root(self._kinds) / counted)
        return LeverPart(
            lever=name,
            requests=requests,
            saved_usd=usd(saved),
            charged_usd=usd(charged),
            net_usd=usd(saved - charged),
            low_usd=usd(low - charged) if estimated else None,
            high_usd=usd(high - charged) if estimated else None,
            rates=rates(saved - charged, counted, drawn),
        )

    def _spending(self, runs: GroupRuns) -> Spending:
        read = self._read
        parts = {name: self._sum(sums) for name, sums in read.spending.parts.items()}
        models: dict[tuple[str | None, str | None], list[int]] = {}
        for number in self._kinds:
            kind = read.kinds[number]
            sums = models.setdefault((kind.provider, kind.model), [0, 0, 0])
            for place, total in enumerate((read.totals.requests, read.totals.calls, read.totals.cost)):
                sums[place] += total.of([number])
        for verdict in self._verdicts:
            if verdict.cost_picousd:
                name = spending.purpose_name(verdict.source)
                parts[name] = parts.get(name, 0) + verdict.cost_picousd
                models.setdefault((None, verdict.judge_model), [0, 0, 0])[2] += verdict.cost_picousd
        spent = self._sum(read.totals.cost) + sum(verdict.cost_picousd or 0 for verdict in self._verdicts)
        ranked = sorted(models.items(), key=lambda item: (-item[1][2], -item[1][0]))
        return Spending(
            spent_usd=usd(spent),
            parts=tuple(Part(name, usd(parts[name]), _share(parts[name], spent)) for name in spending.in_order(list(parts)) if parts[name]),
            models=tuple(ModelSpend(*key, requests, calls, usd(cost), _share(cost, spent)) for key, (requests, calls, cost) in ranked),
            runs=tuple(
                RunsOfLength(name, count, usd(cost), _share(cost, spent)) for name, (count, cost) in zip(LENGTHS, runs.lengths, strict=True) if count
            ),
        )


def _widened(drawn: Estimate | None, below: float, above: float) -> Estimate | None:
    """Chance and the estimates of requests are independent: their reaches add up as the sides of a right triangle do."""
    if drawn is None or drawn.low is None or drawn.high is None:
        return drawn
    return Estimate(
        drawn.value, drawn.value - hypot(drawn.value - drawn.low, below), drawn.value + hypot(drawn.high - drawn.value, above), drawn.runs
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
