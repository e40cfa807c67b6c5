"""A report in the terminal: the account first, then where the money goes, the groups, quality, and how fast it was.

Tables fit 100 columns and shed columns on narrower screens; nothing is cut off where it is piped.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.console import Console, RenderableType
from rich.table import Table

from farthing.lab.report import text
from farthing.lab.report.account_table import economics_table, estimates_line
from farthing.lab.report.figures import Cost, Group, Report, Spread, Tokens
from farthing.lab.report.fitted import Head, fits, fitted
from farthing.lab.report.text import UNKNOWN, short_usd, usd

_FEW_MODELS = 8


def print_report(report: Report, console: Console) -> None:
    """The whole window, then its groups."""
    console.print(f"{report.store}: {text.window(report)}", highlight=False, markup=False, soft_wrap=True)
    for note in report.notes:
        console.print(note, highlight=False, markup=False)
    if not report.total.requests:
        console.print("No request in this window.")
        return
    for block in _blocks(report, console.width):
        console.print()
        console.print(block, highlight=False, markup=False)


def _blocks(report: Report, width: int) -> Iterator[RenderableType]:
    yield total_table(report.total)
    yield economics_table(report.total, width)
    if report.total.account is not None:
        yield from estimates_line(report.total.account)
    yield spending_table(report.total, width)
    if report.margins:
        yield margins_table(report, width)
    if report.groups:
        yield groups_table(report, width)
        yield costs_table(report, width)
        if any(group.account is not None for group in report.groups):
            yield levers_table(report, width)
    if report.quality:
        yield quality_table(report, width)
    yield from _claims(report)


def total_table(group: Group) -> Table:
    """All figures of one group but its account, a line each."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, figure in _lines(group):
        table.add_row(name, figure)
    return table


def spending_table(group: Group, width: int) -> RenderableType:
    """Where the money went: parts, models, and runs by their number of calls; each adds up to what was spent."""
    spending, requests = group.spending, group.requests
    rows: list[Sequence[str]] = []

    def add(name: str, amount: Decimal, share: float | None) -> None:
        rows.append(
            (name, short_usd(amount), "" if share is None else text.percent(share), short_usd(amount * 1000 / requests if requests else None))
        )

    for part in spending.parts:
        add(part.name, part.usd, part.share)
    add("spent" + (f" ({group.cost.unpriced:,} unpriced requests left out)" if group.cost.unpriced else ""), spending.spent_usd, None)
    rows.append(())
    for model in spending.models[:_FEW_MODELS]:
        add(f"{'/'.join(part for part in (model.provider, model.model) if part) or 'no model'}, {model.calls:,} calls", model.usd, model.share)
    if rest := spending.models[_FEW_MODELS:]:
        add(f"{len(rest)} more models", sum((model.usd for model in rest), start=Decimal(0)), sum(model.share or 0 for model in rest))
    rows.append(())
    for length in spending.runs:
        add(f"{length.runs:,} runs of {length.calls} calls", length.usd, length.share)
    return fitted("where the money went", ("", "USD", "share", Head("USD per 1K requests", 1)), rows, width)


def margins_table(report: Report, width: int) -> RenderableType:
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
    return fitted("margin, USD per interaction and in all", (*heads, Head("without Farthing", 1)), rows, width)


def groups_table(report: Report, width: int) -> RenderableType:
    """Traffic and speed, a line per group."""
    heads = ("requests", Head("runs", 2), Head("calls/run", 5), Head("P50 ms", 1), Head("P90 ms", 6), Head("P99 ms", 3))
    more = (Head("tokens in", 4), Head("out", 4), Head("hits", 1), "unpriced")
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
            f"{group.cost.unpriced:,}",
        )
        for group in report.groups
    ]
    return fitted(f"by {', '.join(report.by)}", (*report.by, *heads, *more), rows, width, left=len(report.by))


def costs_table(report: Report, width: int) -> RenderableType:
    """What each group would have cost and did cost, with intervals over runs."""
    heads = ("would have", Head("95 % interval", 3), "paid", Head("95 % interval", 2), "saved", Head("per 1K runs", 4))
    rows: list[Sequence[str]] = []
    for group in report.groups:
        before, after, cost = group.savings.baseline_rates, group.cost.rates, group.cost
        rows.append(
            (
                *_names(report, group),
                short_usd(before.per_1k.usd if before else None),
                text.interval(before.per_1k if before else None),
                short_usd(after.per_1k.usd if after else None),
                text.interval(after.per_1k if after else None),
                text.percent(group.savings.saved_ratio),
                short_usd(cost.per_1k_runs_usd),
            )
        )
    return fitted("USD per 1K requests", (*report.by, *heads), rows, width, left=len(report.by))


def levers_table(report: Report, width: int) -> RenderableType:
    """What each lever saved in each group, verdicts taken off; the levers add up to the last column. Sentences where columns do not fit."""
    listed = [group.account for group in report.groups if group.account is not None]
    levers = list(dict.fromkeys(part.lever for account in (report.total.account, *listed) if account for part in account.levers))
    unsplit = any(account.not_split for account in listed)
    heads = (*report.by, *(lever.replace("_", " ") for lever in levers), *(["not split"] if unsplit else []), "in all")
    title = "saved by lever, USD per 1K requests"
    rows = [(*_names(report, group), *_lever_cells(group, levers, unsplit=unsplit)) for group in report.groups]
    if fits(heads, rows, width):
        return fitted(title, heads, rows, width, left=len(report.by))
    names, lines = len(report.by), [title]
    for row in rows:
        cells = ", ".join(f"{head} {cell}" for head, cell in zip(heads[names:], row[names:], strict=True) if cell)
        lines.append(f"{' '.join(row[:names])}: {cells}")
    return "\n".join(lines)


def _lever_cells(group: Group, levers: Sequence[str], *, unsplit: bool) -> Iterator[str]:
    account, counted = group.account, group.savings.counted
    if account is None or not counted:
        yield from [""] * (len(levers) + unsplit)
        yield UNKNOWN
        return
    parts = {part.lever: part.net_usd for part in account.levers}
    for amount in (*(parts.get(lever) for lever in levers), *([account.not_split_usd] if unsplit else []), account.net_usd):
        yield "" if amount is None else short_usd(amount * 1000 / counted)


def quality_table(report: Report, width: int) -> RenderableType:
    """What was said of the answers, by group and lever."""
    names = tuple(report.by) or ("",)
    heads = ("lever", "verdicts", "score", Head("95 % interval", 2), "of expensive", Head("95 % interval", 1), Head("compared", 3))
    rows = [
        (
            *([line.of.get(name) or UNKNOWN for name in report.by] if line.of else ["all", *[""] * (len(names) - 1)]),
            line.lever or "none",
            f"{line.verdicts:,}",
            text.score(line.score),
            text.score_interval(line.score_low, line.score_high),
            text.percent(line.ratio),
            text.score_interval(line.ratio_low, line.ratio_high),
            f"{line.compared:,}",
        )
        for line in report.quality
    ]
    return fitted("quality of answers", (*names, *heads), rows, width, left=len(names) + 1)


def _names(report: Report, group: Group) -> Sequence[str]:
    return [group.of[name] or UNKNOWN for name in report.by]


def _claims(report: Report) -> Iterator[str]:
    parts: list[str] = []
    for claim in report.claims:
        if claim.saved_tokens is not None:
            parts.append(f"{claim.lever} spared {claim.saved_tokens:,} tokens")
        if claim.failed_open:
            parts.append(f"{claim.lever} failed open {claim.failed_open:,} times")
    if parts:
        yield f"decisions: {', '.join(parts)}"


def _lines(group: Group) -> Iterator[tuple[str, str]]:
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
    return f"{usd(cost.total_usd)} in all, {usd(cost.per_1k_requests_usd)} per 1K requests, {usd(cost.per_1k_runs_usd)} per 1K runs{unpriced}"
