"""A report on paper: tables for people, JSON for programs."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import msgspec
from rich.console import Console
from rich.table import Table

from farthing.core.money import format_usd
from farthing.lab.report_figures import Cost, Group, Report, Savings, Spread, Tokens

UNKNOWN = "-"


def as_json(report: Report) -> str:
    """The report as JSON; money as exact decimal text, unknown as null."""
    return msgspec.json.format(msgspec.json.encode(_plain(msgspec.to_builtins(report, builtin_types=(Decimal,))))).decode()


def print_report(report: Report, console: Console) -> None:
    """The whole window, its groups, its levers."""
    console.print(f"{report.store}: {_window(report)}", highlight=False)
    if not report.total.requests:
        console.print("No request in this window.")
        return
    console.print(total_table(report.total))
    if report.groups:
        console.print(groups_table(report))
    if report.levers:
        console.print(levers_table(report))


def total_table(group: Group) -> Table:
    """All figures of one group, a line each."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, figure in _lines(group):
        table.add_row(name, figure)
    return table


def groups_table(report: Report) -> Table:
    """The figures to compare, a line per group."""
    table = Table(title=f"by {', '.join(report.by)}", title_justify="left", box=None, pad_edge=False)
    for name in report.by:
        table.add_column(name)
    heads = (
        "requests",
        "runs",
        "calls/run",
        "P50 ms",
        "P90 ms",
        "P99 ms",
        "tokens in",
        "out",
        "USD/1K req",
        "USD/1K runs",
        "hits",
        "saved USD/1K",
        "unpriced",
    )
    for head in heads:
        table.add_column(head, justify="right")
    for group in report.groups:
        table.add_row(*(group.of[name] or UNKNOWN for name in report.by), *_cells(group))
    return table


def levers_table(report: Report) -> Table:
    """What the decisions of each lever claim. They overlap, so only the total of the ledger counts."""
    table = Table(box=None, pad_edge=False)
    for head in ("by lever, as claimed", "decisions", "saved USD", "saved tokens", "failed open"):
        table.add_column(head, justify="left" if head.startswith("by lever") else "right")
    for line in report.levers:
        table.add_row(line.lever, f"{line.claims:,}", usd(line.saved_usd), _count(line.saved_tokens), f"{line.failed_open:,}")
    return table


def economics_table(group: Group) -> Table:
    """Before and after: the same requests on the baseline model with no lever, and as they were served."""
    savings = group.savings
    before = _per_request(savings.baseline_usd, savings.counted)
    after = _per_request(savings.cost_usd, savings.counted)
    table = Table(title="unit economics", title_justify="left", box=None, pad_edge=False)
    for head in ("", "without Farthing", "with Farthing", "saved"):
        table.add_column(head, justify="right" if head else "left")
    for name, many in (("USD per 1K requests", 1_000), ("USD per 100K requests", 100_000), ("USD per 1M requests", 1_000_000)):
        table.add_row(name, *(_times(each, many) for each in (before, after, _less(before, after))))
    ratio = UNKNOWN if savings.saved_ratio is None else f"{savings.saved_ratio:.1%}"
    table.add_row("of the cost", "", "", ratio)
    table.add_row("model calls", f"{group.requests:,}", f"{group.calls:,}", f"{group.requests - group.calls:,}")
    return table


def usd(amount: Decimal | None, digits: int = 6) -> str:
    """USD to so many digits after the point; `-` when unknown."""
    return UNKNOWN if amount is None else format_usd(round(amount, digits))


def _per_request(amount: Decimal | None, counted: int) -> Decimal | None:
    return None if amount is None or not counted else amount / counted


def _times(each: Decimal | None, many: int) -> str:
    return UNKNOWN if each is None else f"{each * many:,.{6 if many == 1_000 else 2}f}"


def _less(before: Decimal | None, after: Decimal | None) -> Decimal | None:
    return None if before is None or after is None else before - after


def _lines(group: Group) -> Iterator[tuple[str, str]]:
    yield "requests", f"{group.requests:,} in {group.runs:,} runs, {_ratio(group.calls_per_run)} model calls per run"
    for name, spread in (("latency ms", group.latency_ms), ("first token ms", group.first_token_ms), ("overhead ms", group.overhead_ms)):
        yield name, _spread(spread)
    yield "tokens", _tokens(group.tokens)
    yield "cost USD", _cost(group.cost)
    yield "cache", _shares(group.cache, group.requests)
    yield "tiers", _shares(group.tiers, group.requests)
    yield "errors", ", ".join(f"{code} {count:,}" for code, count in group.errors.items()) or "none"
    yield "truncated", f"{group.truncated:,}"
    yield "saved USD", _savings(group.savings)


def _spread(spread: Spread) -> str:
    if not spread.counted:
        return UNKNOWN
    names = ("average", "p50", "p90", "p99", "max")
    return "  ".join(f"{name if name in ('average', 'max') else name.upper()} {_ms(getattr(spread, name))}" for name in names)


def _tokens(tokens: Tokens) -> str:
    unknown = f"; unknown for {tokens.unknown:,} requests" if tokens.unknown else ""
    return f"in {tokens.input:,}  out {tokens.output:,}  of the input cached {tokens.cached:,}{unknown}"


def _cost(cost: Cost) -> str:
    unpriced = f"; unpriced and left out: {cost.unpriced:,} requests, {cost.unpriced_runs:,} runs" if cost.unpriced else "; unpriced: 0"
    return f"{usd(cost.total_usd)} in all, {usd(cost.per_1k_requests_usd)} per 1K requests, {usd(cost.per_1k_runs_usd)} per 1K runs{unpriced}"


def _savings(savings: Savings) -> str:
    if savings.saved_usd is None:
        return f"{UNKNOWN} (no request has both a cost and a baseline)"
    percent = "" if savings.saved_ratio is None else f" ({savings.saved_ratio:.1%} of {usd(savings.baseline_usd)})"
    rates = f"{usd(savings.per_1k_usd)} per 1K, {usd(savings.per_100k_usd)} per 100K, {usd(savings.per_1m_usd)} per 1M requests"
    return f"{usd(savings.saved_usd)}{percent}: {rates}; over {savings.counted:,} requests, {savings.left_out:,} left out"


def _cells(group: Group) -> Iterator[str]:
    yield f"{group.requests:,}"
    yield f"{group.runs:,}"
    yield _ratio(group.calls_per_run)
    for value in (group.latency_ms.p50, group.latency_ms.p90, group.latency_ms.p99):
        yield _ms(value)
    yield f"{group.tokens.input:,}"
    yield f"{group.tokens.output:,}"
    yield usd(group.cost.per_1k_requests_usd)
    yield usd(group.cost.per_1k_runs_usd)
    yield UNKNOWN if group.hit_ratio is None else f"{group.hit_ratio:.1%}"
    yield usd(group.savings.per_1k_usd)
    yield f"{group.cost.unpriced:,}"


def _shares(counts: Mapping[str, int], of: int) -> str:
    return "  ".join(f"{name} {count / of:.1%}" for name, count in counts.items())


def _ms(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f}" if value >= 10 else f"{value:.3f}"


def _ratio(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _window(report: Report) -> str:
    bounds = [f"{word} {_moment(edge)}" for word, edge in (("from", report.since), ("before", report.until)) if edge is not None]
    return " ".join(bounds) or "all of it"


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _plain(value: Any) -> Any:
    """Decimals as plain digits: no reader has to know exponents."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in cast(dict[str, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast(list[Any], value)]
    return format_usd(value) if isinstance(value, Decimal) else value
