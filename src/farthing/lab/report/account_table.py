"""The account in the terminal: what would have been paid, each lever's part, what was paid. The column adds up, line by line."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise

from rich.console import RenderableType
from rich.table import Table

from farthing.lab.report import text
from farthing.lab.report.figures import Account, Group, LeverPart, Money, Rates
from farthing.lab.report.fitted import titled
from farthing.lab.report.text import short_usd

_WIDE, _MEDIUM, _NARROW = 110, 84, 60
_COLUMNS = (("in all", 0, None), ("per 1K", _MEDIUM, 1_000), ("per 100K", _WIDE, 100_000), ("per 1M requests", 0, 1_000_000))
_DIGITS = 5
WORDS = {
    "cache": "answers reused",
    "route": "cheaper models",
    "diet": "shorter prompts",
    "retrieve": "fewer passages",
    "output": "shorter answers",
    "calls": "calls spared",
    "batch": "batch prices",
    "prompt_cache": "provider's prompt cache",
    "quantize": "quantized models",
    "check": "checks and repairs",
    "no lever": "judging for no lever",
}


def account_table(group: Group, width: int = 100) -> RenderableType:
    """From what would have been paid to what was paid, verdicts included, a line per lever, with as many columns as the screen holds."""
    account = group.account
    assert account is not None
    lines = list(_lines(group, account))
    table = Table(box=None, pad_edge=False)
    table.add_column("USD", overflow="fold")
    columns = [[name for name, _, _ in lines]]
    for head, least, many in _COLUMNS:
        if width >= least and (many is None or group.savings.counted):
            table.add_column(head, justify="right", no_wrap=True)
            columns.append(_adding_up([amount if many is None else amount * many / group.savings.counted for _, amount, _ in lines]))
    if width >= _NARROW:
        table.add_column("%", justify="right", no_wrap=True)
        columns.append([f"{amount / account.baseline_usd:.1%}" if account.baseline_usd else "" for _, amount, _ in lines])
    if width >= _MEDIUM:
        table.add_column("95 % interval per 1M", justify="right", no_wrap=True)
        columns.append([text.interval(rates.per_1m) if rates else "" for _, _, rates in lines])
    for place, cells in enumerate(zip(*columns, strict=True)):
        table.add_row(*cells, style=None if 0 < place < len(lines) - 2 else "bold")
    return titled("what you would have paid -> what you paid", table)


def _lines(group: Group, account: Account) -> Iterator[tuple[str, Decimal, Rates | None]]:
    """Name, amount, and rates for the interval: first what would have been paid, then steps, then what was paid and what was saved."""
    yield "would have paid", account.baseline_usd, group.savings.baseline_rates
    for part in account.levers:
        yield _name(part), -part.net_usd, _turned(part.rates)
    if account.not_split or account.not_split_usd:
        yield f"  not split ({account.not_split:,} requests without account)", -account.not_split_usd, None
    yield "paid" + (", judging included" if account.verdicts_usd else ""), account.paid_usd, account.paid_rates
    yield "saved", account.net_usd, account.net_rates


def _adding_up(amounts: Sequence[Decimal]) -> list[str]:
    """A start, steps, an end and their difference, as they are written: running totals are rounded, so that what is shown adds up as well."""
    start, *steps, _, _ = amounts
    places = min(max(_DIGITS - 1 - max(amounts, key=abs).adjusted(), 2), 12) if any(amounts) else 2
    totals = [round(total, places) for total in accumulate(steps, initial=start)]
    changes = [after - before for before, after in pairwise(totals)]
    return [f"{amount:,.{places}f}" for amount in (totals[0], *changes, totals[-1], totals[0] - totals[-1])]


def estimates_line(account: Account) -> Iterator[str]:
    """What rests on estimates, and what was left out."""
    if estimated := [part for part in account.levers if part.low_usd is not None]:
        ranges = ", ".join(f"{part.lever} {short_usd(part.low_usd)} to {short_usd(part.high_usd)} USD" for part in estimated)
        yield f"~ partly estimated (lengths of answers that nobody wrote); at worst, were every estimate wrong the same way: {ranges}."
    if charged := [part for part in account.levers if part.charged_usd]:
        listed = ", ".join(f"{part.lever} {short_usd(part.charged_usd)} USD" for part in charged)
        yield f"Judging is charged to the lever that it watches: {listed}."
    if account.unpriced_verdicts:
        yield f"{account.unpriced_verdicts:,} verdicts are of models without a known price; what they cost is missing above."


def economics_table(group: Group, width: int = 100) -> RenderableType:
    """The account where there is one; else a line that says why not."""
    if group.account is not None:
        return account_table(group, width)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("No request has both a cost and a baseline: set the prices of the models that were called, and `tiers.baseline`.")
    return table


def _name(part: LeverPart) -> str:
    loss = " (a loss)" if part.net_usd < 0 else ""
    return f"  {part.lever.replace('_', ' ')}: {WORDS.get(part.lever, 'saved')}{' ~' if part.low_usd is not None else ''}{loss}"


def _turned(rates: Rates | None) -> Rates | None:
    """A saving as a step down."""
    if rates is None:
        return None
    return Rates(*(_negative(money) for money in (rates.per_1k, rates.per_100k, rates.per_1m)))


def _negative(money: Money) -> Money:
    low, high = (None if edge is None else -edge for edge in (money.high_usd, money.low_usd))
    return Money(-money.usd, low, high)
