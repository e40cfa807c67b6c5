"""The tables of a report as text in cells: the terminal and the HTML page show the same ones."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from farthing.lab.report import text
from farthing.lab.report.figures import Cost, Group, Rates, Report, Spread, Tokens
from farthing.lab.report.text import UNKNOWN, short_usd

_FEW_MODELS = 8


class Head(str):
    """A column's head. On a narrow screen rank 0 stays; of the others, the highest goes first."""

    rank: int

    def __new__(cls, name: str, rank: int = 0) -> "Head":
        made = super().__new__(cls, name)
        made.rank = rank
        return made


class Grid(msgspec.Struct, frozen=True):
    """A table. The first `left` columns are names, the others numbers; a row without cells is a gap."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    strong: Sequence[int] = ()  # rows


def spending(group: Group) -> Grid:
    """Where the money went: parts, models, and runs by their number of calls; each adds up to what was spent."""
    spending, priced = group.spending, group.requests - group.cost.unpriced
    rows: list[Sequence[str]] = []

    def add(name: str, amount: Decimal, share: float | None) -> None:
        rows.append((name, short_usd(amount), "" if share is None else text.percent(share), short_usd(amount * 1000 / priced if priced else None)))

    for part in spending.parts:
        add(part.name, part.usd, part.share)
    add("spent" + (f" ({group.cost.unpriced:,} unpriced requests left out)" if group.cost.unpriced else ""), spending.spent_usd, None)
    rows.append(())
    for model in spending.models[:_FEW_MODELS]:
        name = "/".join(part for part in (model.provider, model.model) if part) or "no model"
        add(f"{name}, {_counted(model.calls, 'call') if model.requests else 'judging'}", model.usd, model.share)
    if rest := spending.models[_FEW_MODELS:]:
        add(f"{len(rest)} more models", sum((model.usd for model in rest), start=Decimal(0)), sum(model.share or 0 for model in rest))
    rows.append(())
    for length in spending.runs:
        add(f"{_counted(length.runs, 'run')} of {length.calls} call{'' if length.calls == '1' else 's'}", length.usd, length.share)
    return Grid("where the money went", ("", "USD", "share", Head("USD per 1K requests", 1)), rows)


def _counted(many: int, what: str) -> str:
    return f"{many:,} {what}{'' if many == 1 else 's'}"


def margins(report: Report) -> Grid:
    """What interactions earn, less what they cost."""
    heads = ("endpoint", "interactions", Head("value", 1), "cost", "margin", Head("95 % interval", 2), "in all", Head("of value", 3))
    rows: list[Sequence[str]] = []
    for line in report.margins:
        cost, left = line.cost_per_interaction, line.margin_per_interaction
        rows.append(
            (
                line.endpoint + (f" ({line.unpriced:,} unpriced)" if line.unpriced else ""),
                f"{line.interactions:,}",
                short_usd(line.value_usd),
                short_usd(cost.usd if cost else None),
                short_usd(left.usd if left else None),
                text.interval(left),
                short_usd(line.margin_usd),
                text.percent(line.margin_ratio),
                short_usd(line.baseline_margin_usd),
            )
        )
    return Grid("margin, USD per interaction and in all", (*heads, Head("without Farthing", 1)), rows)


def traffic(report: Report) -> Grid:
    """Traffic and speed, a line per group."""
    heads = ("requests", Head("runs", 2), Head("calls/run", 5), Head("P50 ms", 1), Head("P90 ms", 6), Head("P99 ms", 3))
    more = (Head("tokens in", 4), Head("out", 4), Head("hits", 1), Head("USD/1K runs", 2), "unpriced")
    rows = [
        (
            *_names(report, group),
            f"{group.requests:,}",
            f"{group.runs:,}",
            text.ratio(group.calls_per_run),
            *(text.milliseconds(value) for value in (group.latency_ms.p50, group.latency_ms.p90, group.latency_ms.p99)),
            text.short_count(group.tokens.input),
            text.short_count(group.tokens.output),
            text.percent(group.hit_ratio),
            short_usd(group.cost.per_1k_runs_usd),
            f"{group.cost.unpriced:,}",
        )
        for group in report.groups
    ]
    return Grid(f"by {', '.join(report.by)}", (*report.by, *heads, *more), rows, left=len(report.by))


def costs(report: Report) -> Grid:
    """What each group would have cost and did cost, with intervals over runs."""
    heads = ("would have paid", Head("95 % interval", 3), "paid", Head("95 % interval", 2), "saved")
    rows: list[Sequence[str]] = []
    for group in report.groups:
        before, after = group.savings.baseline_rates, paid_rates(group)
        rows.append(
            (
                *_names(report, group),
                short_usd(before.per_1k.usd if before else None),
                text.interval(before.per_1k if before else None),
                short_usd(after.per_1k.usd if after else None),
                text.interval(after.per_1k if after else None),
                text.percent(group.account.net_ratio if group.account else None),
            )
        )
    judged = report.total.account is not None and report.total.account.verdicts_usd
    return Grid(f"USD per 1K requests{', judging included' if judged else ''}", (*report.by, *heads), rows, left=len(report.by))


def paid_rates(group: Group) -> Rates | None:
    """What was paid, judging included, over the same requests as the baseline; where there is none, the plain cost."""
    return group.account.paid_rates if group.account and group.account.paid_rates else group.cost.rates


def levers(report: Report) -> Grid:
    """What each lever saved in each group, verdicts taken off; the levers add up to the last column."""
    listed = [group.account for group in report.groups if group.account is not None]
    names = list(dict.fromkeys(part.lever for account in (report.total.account, *listed) if account for part in account.levers))
    unsplit = any(account.not_split for account in listed)
    heads = (*report.by, *(lever.replace("_", " ") for lever in names), *(["not split"] if unsplit else []), "in all")
    rows = [(*_names(report, group), *_lever_cells(group, names, unsplit=unsplit)) for group in report.groups]
    return Grid("saved by lever, USD per 1K requests", heads, rows, left=len(report.by))


def _lever_cells(group: Group, levers: Sequence[str], *, unsplit: bool) -> Iterator[str]:
    account, counted = group.account, group.savings.counted
    if account is None or not counted:
        yield from [""] * (len(levers) + unsplit)
        yield UNKNOWN
        return
    parts = {part.lever: part.net_usd for part in account.levers}
    for amount in (*(parts.get(lever) for lever in levers), *([account.not_split_usd] if unsplit else []), account.net_usd):
        yield "" if amount is None else short_usd(amount * 1000 / counted)


def quality(report: Report) -> Grid:
    """What was said of the answers, by group and lever."""
    names = tuple(report.by) or ("",)
    heads = ("lever", "by", "verdicts", "score", Head("95 % interval", 2), "of expensive", Head("95 % interval", 1), Head("compared", 3))
    rows = [
        (
            *([line.of.get(name) or UNKNOWN for name in report.by] if line.of else ["all", *[""] * (len(names) - 1)]),
            line.lever or "none",
            line.source,
            f"{line.verdicts:,}",
            text.score(line.score),
            text.score_interval(line.score_low, line.score_high),
            text.percent(line.ratio),
            text.percent_interval(line.ratio_low, line.ratio_high),
            f"{line.compared:,}",
        )
        for line in report.quality
    ]
    return Grid("quality of answers", (*names, *heads), rows, left=len(names) + 2)


def _names(report: Report, group: Group) -> Sequence[str]:
    return [group.of[name] or UNKNOWN for name in report.by]


def claims(report: Report) -> str:
    """What decisions say besides money, in a sentence; empty where they say nothing."""
    parts: list[str] = []
    for claim in report.claims:
        if claim.saved_tokens is not None:
            parts.append(f"{claim.lever} spared {claim.saved_tokens:,} tokens")
        if claim.failed_open:
            parts.append(f"{claim.lever} failed open {claim.failed_open:,} times")
    return f"decisions: {', '.join(parts)}" if parts else ""


def facts(group: Group) -> Iterator[tuple[str, str]]:
    """All figures of one group but its account, a line each."""
    yield "requests", f"{group.requests:,} in {group.runs:,} runs, {text.ratio(group.calls_per_run)} model calls per run"
    for name, spread in (("latency ms", group.latency_ms), ("first token ms", group.first_token_ms), ("overhead ms", group.overhead_ms)):
        yield name, _spread(spread)
    yield "tokens", _tokens(group.tokens)
    yield "cost USD", _cost(group.cost)
    yield "cache", text.shares(group.cache, group.requests)
    yield "tiers", text.shares(group.tiers, group.requests)
    yield "errors", ", ".join(f"{code} {count:,}" for code, count in group.errors.items()) or "none"
    yield "truncated", f"{group.truncated:,}"


def _spread(spread: Spread) -> str:
    if not spread.counted:
        return UNKNOWN
    names = ("average", "p50", "p90", "p99", "max")
    return "  ".join(f"{name if name in ('average', 'max') else name.upper()} {text.milliseconds(getattr(spread, name))}" for name in names)


def _tokens(tokens: Tokens) -> str:
    unknown = f"; unknown for {tokens.unknown:,} requests" if tokens.unknown else ""
    return f"in {tokens.input:,}  out {tokens.output:,}  of the input cached {tokens.cached:,}{unknown}"


def _cost(cost: Cost) -> str:
    unpriced = f"; unpriced and left out: {cost.unpriced:,} requests, {cost.unpriced_runs:,} runs" if cost.unpriced else "; unpriced: 0"
    rates = f"{short_usd(cost.per_1k_requests_usd)} per 1K requests, {short_usd(cost.per_1k_runs_usd)} per 1K runs"
    return f"{short_usd(cost.total_usd)} in all, {rates}{unpriced}"
