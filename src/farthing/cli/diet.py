"""`farthing diet`: what the diet does to a prompt, and how to write it shorter."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from farthing.cli.options import ConfigPath, loaded

if TYPE_CHECKING:
    from rich.console import Console

    from farthing.core.usage import Rate
    from farthing.lab.diet import Explained

_MOST_DIFF_LINES = 40


def diet(
    file: Annotated[Path, typer.Argument(help="A prompt as text; - reads standard input.", allow_dash=True)],
    part: Annotated[Literal["system", "tool", "documents", "assistant"], typer.Option("--as", help="Which part of a prompt it is.")] = "system",
    model: Annotated[str, typer.Option(help="Model whose tokens and price count; service/model or model.")] = "gpt-4o",
    explain: Annotated[bool, typer.Option("--explain", help="Show what each rule changed.")] = False,
    write: Annotated[Path | None, typer.Option("--write", help="Write the trimmed text to this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigPath = None,
) -> None:
    """Trim a prompt by the exact rules, advise on shorter wording, and price both per 1K, 100K and 1M requests."""
    from farthing.cli.paper import console
    from farthing.lab import diet as lab
    from farthing.models.prices import PriceBook
    from farthing.models.tokens import TokenCounter

    settings = loaded(config).config
    service, slash, name = model.partition("/")
    counter, rate = TokenCounter(), PriceBook(settings.models).rate(service if slash else "", name if slash else model)
    found = lab.explain(_read(file), part, settings.diet, lambda text: counter.count(text, name if slash else model))
    if write is not None:
        write.write_text(found.after, encoding="utf-8")
    if json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _print(found, rate, model, console(), explain=explain)


def _read(file: Path) -> str:
    from farthing.core.errors import ConfigError

    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigError(f"Cannot read {file}: {error.strerror}. Name a text file, or - for standard input.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no UTF-8 text (byte {error.start}). Convert it, or name another file.") from error


def _print(found: "Explained", rate: "Rate | None", model: str, paper: "Console", *, explain: bool) -> None:
    from rich.table import Table

    from farthing.lab.diet import diff, worth_usd
    from farthing.lab.report.text import usd

    saved, advised = found.tokens_before - found.tokens_after, sum(one.saved_tokens for one in found.advice)
    table = Table(box=None, pad_edge=False)
    for head in (f"as {model}", "tokens", "USD per 1K requests", "per 100K", "per 1M"):
        table.add_column(head, justify="left" if head.startswith("as ") else "right")
    for name, tokens in (("now", found.tokens_before), ("rules save", saved), ("advice would save", advised)):
        table.add_row(name, f"{tokens:,}", *(usd(worth_usd(tokens, rate, many)) for many in (1_000, 100_000, 1_000_000)))
    paper.print(table)
    for trim in found.trims if explain else ():
        lines = diff(trim).split("\n")
        more = f"\n... {len(lines) - _MOST_DIFF_LINES} more lines" if len(lines) > _MOST_DIFF_LINES else ""
        paper.print(f"\n[bold]{trim.rule}[/bold]", highlight=False)
        paper.print("\n".join(lines[:_MOST_DIFF_LINES]) + more, markup=False, highlight=False)
    for one in found.advice:
        paper.print(f"line {one.line}, {one.kind}, {one.saved_tokens} tokens: {one.now!r} -> {one.instead!r}", markup=False, highlight=False)
