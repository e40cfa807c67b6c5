"""A report as one HTML page that needs nothing else: the account as a waterfall, where the money goes, quality, and every table of the terminal."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Literal

from farthing.lab.report import grids, text
from farthing.lab.report.account_table import NO_ACCOUNT, account_grid, estimates_line, words
from farthing.lab.report.figures import Account, Group, Quality, Rates, Report
from farthing.lab.report.spending import DOCUMENTS, HISTORY, INPUT, OUTPUT, SYSTEM, UNTOLD, USER, purpose_name
from farthing.page import Bars, Block, Cell, Column, Note, Page, Section, Stat, Stats, Step, Table, Text, Waterfall, render, show
from farthing.page import Group as Series

_MOST_BARS = 12
_MILLION = 1_000_000
_NOTHING = Decimal(0)
_CHARTED = {SYSTEM: "system prompt", HISTORY: "history", DOCUMENTS: "documents", USER: "user turn", OUTPUT: "output"} | {
    purpose_name(purpose): "second calls" for purpose in ("retry", "repair", "escalate")
}
_OTHER = "routing and judging"


def as_html(report: Report) -> str:
    """The whole file."""
    facts = [
        ("Ledger", report.store),
        ("Window", text.window(report)),
        ("Requests", f"{report.total.requests:,}"),
        ("Runs", f"{report.total.runs:,}"),
    ]
    return render(Page("What LLM calls cost, and what Farthing saved", list(_sections(report)), lead=_lead(report), facts=facts))


def _lead(report: Report) -> str:
    account = report.total.account
    if not report.total.requests:
        return "No request in this window."
    if account is None:
        return NO_ACCOUNT
    share = "" if account.net_ratio is None else f", {account.net_ratio:.1%} of it"
    return (
        f"Without Farthing: {show(account.baseline_usd, 'usd')}. Paid: {show(account.paid_usd, 'usd')}. Saved: {show(account.net_usd, 'usd')}{share}."
    )


def _sections(report: Report) -> Iterator[Section]:
    total = report.total
    if report.notes:
        yield Section("Notes", [Note(note, tone="warn") for note in report.notes])
    if not total.requests:
        return
    if total.account is not None:
        yield Section("The account", list(_account(total, total.account)), lead="The parts add up to the whole. Intervals are drawn over runs.")
    if total.spending.parts:
        yield Section(
            "Where the money goes", list(_spending(report)), lead="Paid calls by what they were spent on. Each list adds up to what was spent."
        )
    if report.margins:
        yield Section("Margin", [_table(grids.margins(report))], lead="What interactions (runs) are worth by the configuration, less what they cost.")
    if report.groups:
        yield Section(f"By {', '.join(report.by)}", list(_groups(report)))
    if report.quality:
        yield Section("Quality", list(_quality(report)), lead="What was said of the answers, beside what they saved.")
    yield Section("Speed and traffic", [Table(("", ""), [(name, figure) for name, figure in grids.facts(total)])])


def _account(total: Group, account: Account) -> Iterator[Block]:
    saved = account.net_rates.per_1m if account.net_rates else None
    yield Stats(
        [
            Stat("Would have paid", show(account.baseline_usd, "usd"), f"{total.savings.counted:,} requests that have a baseline"),
            Stat("Paid", show(account.paid_usd, "usd"), "judging included" if account.verdicts_usd else ""),
            Stat("Saved", text.percent(account.net_ratio), show(account.net_usd, "usd"), tone="good" if account.net_usd > 0 else "bad"),
            Stat("Saved per 1M requests", show(saved.usd if saved else None, "usd"), f"95 %: {text.interval(saved)} USD"),
        ]
    )
    steps = [Step(words(part), float(part.net_usd), *_bounds(part.rates, total.savings.counted)) for part in account.levers]
    if account.not_split or account.not_split_usd:
        steps.append(Step("not split", float(account.not_split_usd), note=f"{account.not_split:,} requests without an account"))
    yield Waterfall(
        title="From what you would have paid to what you paid",
        summary="One step per lever; whiskers hold its saving 19 times in 20. A lever that lost money is a step up.",
        start=float(account.baseline_usd),
        steps=tuple(steps),
    )
    yield _table(account_grid(total))
    for line in estimates_line(account):
        yield Text(line)


def _bounds(rates: Rates | None, counted: int) -> tuple[float | None, float | None]:
    """The interval of the sum, from that of the rate."""
    if rates is None or rates.per_1m.low_usd is None or rates.per_1m.high_usd is None:
        return None, None
    return float(rates.per_1m.low_usd * counted / _MILLION), float(rates.per_1m.high_usd * counted / _MILLION)


def _spending(report: Report) -> Iterator[Block]:
    groups = [group for group in report.groups if group.spending.spent_usd][:_MOST_BARS] or [report.total]
    amounts = [_charted(group) for group in groups]
    names = [name for name in dict.fromkeys([*_CHARTED.values(), _OTHER, UNTOLD]) if any(name in found for found in amounts)]
    series = [Series(name, tuple(_per_1k(found.get(name, _NOTHING), group) for found, group in zip(amounts, groups, strict=True))) for name in names]
    if series:
        yield Bars(
            title="What 1,000 requests are spent on",
            summary="Parts of the prompt, the answer, and every call beyond the answering one.",
            categories=tuple(_name(group) for group in groups),
            series=tuple(series),
            unit="usd",
            stacked=True,
            sideways=True,
            height_px=_height(len(groups), 1),
        )
    yield _table(grids.spending(report.total))


def _charted(group: Group) -> dict[str, Decimal]:
    """The parts in as many colours as can be told apart."""
    found: dict[str, Decimal] = {}
    for part in group.spending.parts:
        name = UNTOLD if part.name in (INPUT, UNTOLD) else _CHARTED.get(part.name, _OTHER)
        found[name] = found.get(name, _NOTHING) + part.usd
    return found


def _per_1k(amount: Decimal, group: Group) -> float | None:
    priced = group.requests - group.cost.unpriced
    return float(amount * 1000 / priced) if priced else None


def _groups(report: Report) -> Iterator[Block]:
    shown = [group for group in report.groups if group.cost.rates is not None][:_MOST_BARS]
    if shown:
        yield Bars(
            title="Cost of 1,000 requests",
            summary="Without and with Farthing, with 95 % intervals over runs.",
            categories=tuple(_name(group) for group in shown),
            series=(
                _with_interval("without Farthing", [group.savings.baseline_rates for group in shown], "baseline"),
                _with_interval("with Farthing", [grids.paid_rates(group) for group in shown], "accent"),
            ),
            unit="usd",
            sideways=True,
            height_px=_height(len(shown), 2),
        )
    for grid in (grids.costs(report), grids.levers(report), grids.traffic(report)):
        yield _table(grid)


def _with_interval(name: str, rates: Sequence[Rates | None], tone: Literal["baseline", "accent"]) -> Series:
    found = [rate.per_1k if rate else None for rate in rates]
    values = tuple(float(money.usd) if money else None for money in found)
    low = tuple(float(money.low_usd) if money and money.low_usd is not None else None for money in found)
    high = tuple(float(money.high_usd) if money and money.high_usd is not None else None for money in found)
    return Series(name, values, low, high, tone)


def _quality(report: Report) -> Iterator[Block]:
    compared = [line for line in report.quality if line.ratio is not None][:_MOST_BARS]
    if compared:
        yield Bars(
            title="Quality, as a share of the expensive tier's",
            summary="By group and lever, judged against the expensive tier's answer to the same question.",
            categories=tuple(_judged(line) for line in compared),
            series=(
                Series(
                    "of expensive",
                    tuple(line.ratio for line in compared),
                    tuple(line.ratio_low for line in compared),
                    tuple(line.ratio_high for line in compared),
                    "good",
                ),
            ),
            unit="percent",
            sideways=True,
            height_px=_height(len(compared), 1),
        )
    yield _table(grids.quality(report))


def _judged(line: Quality) -> str:
    return f"{' '.join(value or text.UNKNOWN for value in line.of.values()) or 'all'}: {line.lever or 'none'}"


def _height(categories: int, bars: int) -> int:
    return 140 + categories * (14 + 20 * bars)


def _name(group: Group) -> str:
    return " ".join(value or text.UNKNOWN for value in group.of.values()) or "all"


def _table(grid: grids.Grid) -> Table:
    columns = [Column(head, right=place >= grid.left) for place, head in enumerate(grid.heads)]
    rows = [[Cell(cell) for cell in row] if row else [Cell("")] * len(columns) for row in grid.rows]
    return Table(columns, rows, caption=grid.title)
