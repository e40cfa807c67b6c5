"""The account in the terminal: what would have been paid, each lever's part, what was paid. The column adds up, line by line."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise

from rich.console import RenderableType

from farthing.lab.report import text
from farthing.lab.report.figures import Account, Group, LeverPart, Money, Rates
from farthing.lab.report.fitted import fitted
from farthing.lab.report.grids import Grid, Head
from farthing.lab.report.text import short_usd

TITLE = "what you would have paid -> what you paid"
NO_ACCOUNT = "No request has both a cost and a baseline: set the prices of the models that were called, and `tiers.baseline`."
_RATES = ((Head("per 1K", 3), 1_000), (Head("per 100K", 4), 100_000), ("per 1M requests", 1_000_000))
_DIGITS = 5
_WORDS = {
    "cache": "answers reused",
    "route": "cheaper models",
    "diet": "shorter prompts",
    "retrieve": "fewer passages",
    "output": "shorter answers",
    "calls": "calls spared",
    "batch": "batch prices",
    "prompt_cache": "prefixes kept",
    "quantize": "quantized models",
    "check": "valid answers",
    "no lever": "judging for no lever",
}


def account_grid(group: Group) -> Grid:
    """From what would have been paid to what was paid, verdicts included, a line per lever."""
    account, counted = group.account, group.savings.counted
    assert account is not None
    lines = list(_lines(group, account))
    columns: list[tuple[str, Sequence[str]]] = [("USD", [name for name, _, _ in lines]), ("in all", _adding_up([amount for _, amount, _ in lines]))]
    if counted:
        columns += [(head, _adding_up([amount * many / counted for _, amount, _ in lines])) for head, many in _RATES]
    shares = [f"{amount / account.baseline_usd:.1%}" if account.baseline_usd else "" for _, amount, _ in lines]
    columns.append((Head("%", 1), shares))
    columns.append((Head("95 % interval per 1M", 2), [text.interval(rates.per_1m) if rates else "" for _, _, rates in lines]))
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    return Grid(TITLE, [head for head, _ in columns], rows, strong=(0, len(rows) - 2, len(rows) - 1))


def _lines(group: Group, account: Account) -> Iterator[tuple[str, Decimal, Rates | None]]:
    """Name, amount, and rates for the interval: first what would have been paid, then steps, then what was paid and what was saved."""
    yield "would have paid", account.baseline_usd, group.savings.baseline_rates
    for part in account.levers:
        yield f"  {words(part)}{' ~' if part.low_usd is not None else ''}", -part.net_usd, _turned(part.rates)
    if account.not_split or account.not_split_usd:
        yield f"  not split: {account.not_split:,} old requests", -account.not_split_usd, None
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
    return fitted(account_grid(group), width) if group.account is not None else NO_ACCOUNT


def words(part: LeverPart) -> str:
    """The lever and what it does, as people read it."""
    return f"{part.lever.replace('_', ' ')}: {_WORDS.get(part.lever, 'saved')}{' (a loss)' if part.net_usd < 0 else ''}"


def _turned(rates: Rates | None) -> Rates | None:
    """A saving as a step down."""
    if rates is None:
        return None
    return Rates(*(_negative(money) for money in (rates.per_1k, rates.per_100k, rates.per_1m)))


def _negative(money: Money) -> Money:
    low, high = (None if edge is None else -edge for edge in (money.high_usd, money.low_usd))
    return Money(-money.usd, low, high)
