"""The playbook as one HTML file, and the folder that an audit writes."""

from collections.abc import Iterator
from pathlib import Path

from farthing.core.errors import ConfigError
from farthing.lab.audit.playbook import EndpointLine, Finding, Playbook
from farthing.lab.audit.table import as_json, avoidable, cost, endpoint_cells, per_many, troubles, usd, window
from farthing.page import Cell, Code, Column, Fold, Note, Page, Section, Stat, Stats, Step, Table, Text, Waterfall, render
from farthing.page.blocks import Block

_TONES = {"counted": "good", "estimated": "warn", "assumed": "muted"}
FILES = ("playbook.html", "playbook.json", "farthing.toml")


def write(playbook: Playbook, folder: Path) -> list[Path]:
    """The three files. Raises `ConfigError` when the folder cannot be written to."""
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in zip(FILES, (as_html(playbook), as_json(playbook), playbook.config), strict=True):
            (folder / name).write_text(text, encoding="utf-8")
            written.append(folder / name)
    except OSError as fault:
        raise ConfigError(f"Cannot write to {folder}: {fault.strerror}. Choose another --out.") from fault
    return written


def as_html(playbook: Playbook) -> str:
    """For people who were not at the terminal."""
    counts = playbook.logs
    facts = [("Calls", f"{playbook.calls:,}"), ("Read", f"{counts.files:,} files, {counts.bytes_total / 1e6:,.1f} MB")]
    if playbook.first_at is not None:
        facts.append(("Window", window(playbook).removeprefix(", ")))
    sections = [Section("What it costs and what of it is avoidable", list(_money(playbook))), _baseline(playbook)]
    sections += [Section("Waste, in order of money", [_overview(playbook)], lead=_HOW)] if playbook.findings else []
    sections += [Section(f"{number}. {one.title}", list(_finding(one))) for number, one in enumerate(playbook.findings, start=1)]
    sections.append(Section("A configuration to begin with", [Code(playbook.config, name="farthing.toml")], lead=_CONFIG))
    return render(Page("Audit of LLM traffic", sections, lead=cost(playbook), facts=facts))


_HOW = (
    "Alone: what acting on one finding and nothing else would have saved. Additive: its part when all are acted on, so that nothing counts twice and "
    "the column adds up. Counted: there twice in the log. Estimated: a measure on the log stands in. Assumed: rests on what is named; try it first."
)
_CONFIG = "Loads as it stands. Try it on this log with 'farthing replay' before it serves anybody."


def _money(playbook: Playbook) -> Iterator[Block]:
    per = playbook.per
    yield Stats(
        [
            Stat("Cost", usd(playbook.usd), f"{usd(per.per_1k)} per 1K, {usd(per.per_100k)} per 100K, {usd(per.per_1m)} per 1M calls"),
            Stat("Avoidable", usd(playbook.avoidable_usd), f"{usd(playbook.avoidable_per.per_1k)} per 1K calls", "good"),
            Stat("Share of the cost", f"{playbook.avoidable_share:.0%}", f"{usd(playbook.avoidable_low_usd)} to {usd(playbook.avoidable_high_usd)}"),
        ]
    )
    steps = [Step(one.title, float(one.additive_usd)) for one in playbook.findings if one.additive_usd]
    if steps:
        yield Text(avoidable(playbook))
        yield Waterfall(
            title="From what was paid to what would have been",
            summary="Each step is one finding's additive part, so that the steps add up.",
            start=float(playbook.usd),
            steps=tuple(sorted(steps, key=lambda step: -step.saved)),
            start_label="Paid",
            end_label="Would have paid",
        )
    else:
        yield Note("No waste found that the audit knows to look for.", "good")
    for line in troubles(playbook):
        yield Note(line, "warn")


def _baseline(playbook: Playbook) -> Section:
    heads = ("calls", "calls/run", "latency average, s", "maximum, s", "tokens in", "out", "USD", "USD per 1K", "unpriced")
    rows = [[line.endpoint, *endpoint_cells(line), _models(line)] for line in playbook.endpoints]
    columns = [Column("endpoint"), *(Column(head, right=True) for head in heads), Column("models")]
    return Section("What it costs now, by endpoint", [Table(columns, rows)])


def _models(line: EndpointLine) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in line.models.items())


def _overview(playbook: Playbook) -> Table:
    columns = [
        Column("finding"),
        *(Column(head, right=True) for head in ("calls", "USD per 1K alone", "range", "of the cost", "USD per 1K additive")),
    ]
    columns += [Column("certainty"), Column("lever")]
    rows = [
        [
            one.title,
            f"{one.calls:,}",
            usd(one.per.per_1k),
            f"{usd(one.low.per_1k)} to {usd(one.high.per_1k)}",
            Cell(f"{one.share:.1%}", share=one.share),
            usd(one.additive_per.per_1k),
            Cell(one.certainty, tone=_TONES[one.certainty]),  # pyright: ignore[reportArgumentType]
            one.lever or "by hand",
        ]
        for one in playbook.findings
    ]
    total = ["All together", "", "", "", f"{playbook.avoidable_share:.1%}", usd(playbook.avoidable_per.per_1k), "", ""]
    return Table(columns, rows, total=total)


def _finding(one: Finding) -> Iterator[Block]:
    low, high = usd(one.low.per_1k), usd(one.high.per_1k)
    yield Text(f"{per_many(one)}; range {low} to {high} per 1K. {one.calls:,} calls, {one.share:.1%} of the cost.")
    yield Text(f"{one.certainty.capitalize()}. {one.how}")
    yield Text(f"Remedy: {one.remedy}")
    if one.endpoints:
        yield Text("Where: " + ", ".join(f"{name} {usd(amount)}" for name, amount in one.endpoints.items()))
    if one.details:
        yield Fold("Details", [Text(line) for line in one.details])
    if one.examples:
        rows = [[Cell(example.source, code=True), usd(example.usd), example.excerpt] for example in one.examples]
        yield Fold("Examples", [Table(["line", Column("USD", right=True), "what it says"], rows)])
