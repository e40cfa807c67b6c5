"""The playbook on a terminal and as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from farthing.core.money import format_usd
from farthing.lab.audit.playbook import EndpointLine, Finding, Playbook
from farthing.page import show

UNKNOWN = "-"
_ENDPOINTS_SHOWN = 15
_EXAMPLES_SHOWN = 2
_SAMPLES_SHOWN = 3
_LEAST_SHOWN = 0.001  # of the cost; smaller findings have their row and no more


def as_json(playbook: Playbook) -> str:
    """Everything; money as exact decimal text."""
    return msgspec.json.format(msgspec.json.encode(_plain(msgspec.to_builtins(playbook, builtin_types=(Decimal,))))).decode()


def print_playbook(playbook: Playbook, console: Console) -> None:
    """What was read, the baseline, the findings in order of money."""
    for line in summary(playbook):
        console.print(line, highlight=False, markup=False)
    console.print()
    console.print(_endpoints(playbook))
    console.print()
    if not playbook.findings:
        console.print("No waste found that the audit knows to look for.", style="bold")
        return
    console.print(_findings(playbook))
    for number, finding in enumerate(playbook.findings, start=1):
        if finding.share < _LEAST_SHOWN:
            continue
        console.print()
        for line in _one(number, finding):
            console.print(line, highlight=False, soft_wrap=True)


def summary(playbook: Playbook) -> Iterator[str]:
    """What was read and what it came to, in sentences."""
    counts = playbook.logs
    formats = ", ".join(f"{name} {count:,}" for name, count in counts.formats.items())
    yield f"{playbook.calls:,} calls in {counts.files:,} files, {counts.bytes_total / 1e6:,.1f} MB ({formats or 'no format'}){window(playbook)}"
    yield cost(playbook)
    if playbook.avoidable_usd:
        yield avoidable(playbook)
    yield from troubles(playbook)


def cost(playbook: Playbook) -> str:
    logged = playbook.logged_costs
    source = (
        "as logged" if logged == playbook.priced else "from the price list" if not logged else f"{logged:,} as logged, the rest from the price list"
    )
    estimated = f"; {playbook.estimated:,} with tokens estimated from text" if playbook.estimated else ""
    return f"Cost {usd(playbook.usd)}: {usd(playbook.per.per_1k)} per 1K, {usd(playbook.per.per_1m)} per 1M calls ({source}{estimated})."


def avoidable(playbook: Playbook) -> str:
    return (
        f"Avoidable, nothing counted twice: {usd(playbook.avoidable_usd)} ({playbook.avoidable_share:.0%}; if every range is at its low or high end: "
        f"{usd(playbook.avoidable_low_usd)} to {usd(playbook.avoidable_high_usd)}), {usd(playbook.avoidable_per.per_1k)} per 1K calls."
    )


def troubles(playbook: Playbook) -> Iterator[str]:
    """What is missing or could not be read, and was left out."""
    counts = playbook.logs
    if unpriced := playbook.calls - playbook.priced:
        models = ", ".join(f"{model} {count:,}" for model, count in list(playbook.unpriced_models.items())[:4])
        yield f"No cost is known for {unpriced:,} calls, which are in no figure of USD ({models}). Give prices under [models] with --config."
    if counts.without_usage:
        yield f"{counts.without_usage:,} calls do not say how many tokens they took."
    for currency, calls in counts.currencies.items():
        yield f"{calls:,} calls are billed in {currency}; that cost is not used."
    if counts.outside:
        yield f"{counts.outside:,} calls are before --since or have no time, and are left out."
    if counts.skipped:
        yield f"{counts.skipped:,} records are no model calls."
    if counts.broken:
        yield f"{counts.broken:,} broken records were skipped, such as:"
        yield from (f"  {place}: {reason}" for place, reason in counts.broken_samples[:_SAMPLES_SHOWN])
    yield from (f"Unreadable: {file}: {reason}" for file, reason in counts.unreadable[:_SAMPLES_SHOWN])
    if counts.unreadable_files > _SAMPLES_SHOWN:
        yield f"  and {counts.unreadable_files - _SAMPLES_SHOWN:,} more files"
    if counts.empty_files:
        yield f"{counts.empty_files:,} files are empty."


def usd(amount: Decimal | None) -> str:
    return UNKNOWN if amount is None else show(amount, "usd")


def window(playbook: Playbook) -> str:
    if playbook.first_at is None or playbook.last_at is None:
        return ""
    first, last = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in (playbook.first_at, playbook.last_at))
    return f", {first} to {last} UTC"


def _endpoints(playbook: Playbook) -> Table:
    table = Table(title="What it costs now, by endpoint", title_justify="left", box=None, pad_edge=False)
    table.add_column("endpoint", overflow="fold", max_width=52)
    for head in ("calls", "calls/run", "latency avg s", "max s", "tokens in", "out", "USD", "USD/1K", "unpriced"):
        table.add_column(head, justify="right")
    for line in playbook.endpoints[:_ENDPOINTS_SHOWN]:
        table.add_row(Text(line.endpoint), *endpoint_cells(line))
    if len(playbook.endpoints) > _ENDPOINTS_SHOWN:
        table.add_row(f"and {len(playbook.endpoints) - _ENDPOINTS_SHOWN:,} more (--out or --json has them)")
    return table


def endpoint_cells(line: EndpointLine) -> Iterator[str]:
    yield f"{line.calls:,}"
    yield _number(line.calls_per_run, 2)
    yield _number(line.latency_average_s, 2)
    yield _number(line.latency_max_s, 2)
    yield _number(line.tokens_in, 0)
    yield _number(line.tokens_out, 0)
    yield usd(line.usd) if line.unpriced < line.calls else UNKNOWN
    yield usd(line.per_1k)
    yield f"{line.unpriced:,}"


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def _findings(playbook: Playbook) -> Table:
    table = Table(title="Waste, in order of money", title_justify="left", box=None, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("finding", max_width=50)
    for head in ("calls", "USD/1K alone", "range", "of cost", "USD/1K additive", "certainty", "lever"):
        table.add_column(head, justify="right" if head not in ("certainty", "lever") else "left")
    for number, finding in enumerate(playbook.findings, start=1):
        table.add_row(
            str(number),
            finding.title,
            f"{finding.calls:,}",
            usd(finding.per.per_1k),
            f"{usd(finding.low.per_1k)} to {usd(finding.high.per_1k)}",
            f"{finding.share:.1%}",
            usd(finding.additive_per.per_1k),
            finding.certainty,
            finding.lever or "by hand",
        )
    table.add_section()
    table.add_row("", "all together", "", "", "", f"{playbook.avoidable_share:.1%}", usd(playbook.avoidable_per.per_1k), "", "", style="bold")
    return table


def _one(number: int, finding: Finding) -> Iterator[Text]:
    yield Text(f"{number}. {finding.title}: {per_many(finding)}", style="bold")
    yield Text(f"   {finding.certainty}. {finding.how}")
    yield Text(f"   Remedy: {finding.remedy}")
    if finding.endpoints:
        named = ", ".join(f"{name} {usd(amount)}" for name, amount in finding.endpoints.items())
        yield Text(f"   Where: {named}")
    for line in finding.details:
        yield Text(f"   {line}")
    for example in finding.examples[:_EXAMPLES_SHOWN]:
        yield Text(f"   {example.source} ({usd(example.usd)}): {example.excerpt}", style="dim")


def per_many(finding: Finding) -> str:
    return f"{usd(finding.per.per_1k)} per 1K, {usd(finding.per.per_100k)} per 100K, {usd(finding.per.per_1m)} per 1M calls"


def _plain(value: Any) -> Any:
    """Decimals as plain digits: no reader has to know exponents."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in cast(dict[str, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast(list[Any], value)]
    return format_usd(value) if isinstance(value, Decimal) else value
