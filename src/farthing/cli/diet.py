"""`farthing diet`: what the diet does to a prompt, and how to write it shorter."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from farthing.cli.options import ConfigPath, loaded

if TYPE_CHECKING:
    from rich.console import Console

    from farthing.config import Config
    from farthing.core.usage import Rate
    from farthing.lab.diet import CountTokens, Explained

_MOST_DIFF_LINES = 40
_REQUESTS = ((1_000, "1K"), (100_000, "100K"), (1_000_000, "1M"))


def diet(
    file: Annotated[Path, typer.Argument(help="A prompt as text, or with --lossy a whole request; - reads standard input.", allow_dash=True)],
    part: Annotated[Literal["system", "tool", "documents", "assistant"], typer.Option("--as", help="Which part of a prompt it is.")] = "system",
    model: Annotated[str, typer.Option(help="Model whose tokens and price count; service/model or model.")] = "gpt-4o",
    explain: Annotated[bool, typer.Option("--explain", help="Show what each rule changed.")] = False,
    lint: Annotated[bool, typer.Option("--lint", help="Advice on a system prompt alone: wording, repeats, what changes too early.")] = False,
    lossy: Annotated[bool, typer.Option("--lossy", help="What the lossy rules would leave out of a request body (JSON), or of a text.")] = False,
    question: Annotated[str, typer.Option(help="With --lossy and a text: what is asked of it.")] = "",
    endpoint: Annotated[str | None, typer.Option(help="With --lossy: the endpoint whose rules count; default: all rules, as they come.")] = None,
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

    def count(text: str) -> int:
        return counter.count(text, name if slash else model)

    text = _read(file)
    if lossy:
        found = _lossy(text, question, endpoint, settings, count)
    elif lint:
        found = lab.only_advice(text, count)
    else:
        found = lab.explain(text, part, settings.diet, count)
    if write is not None:
        write.write_text(found.after, encoding="utf-8")
    if json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _print(found, rate, model, console(), explain=explain)


def _lossy(text: str, question: str, endpoint: str | None, settings: "Config", count: "CountTokens") -> "Explained":
    """A request as it is; a text as a document that the question is asked about."""
    from farthing.config import Lossy
    from farthing.core.errors import ConfigError
    from farthing.lab import diet as lab

    if endpoint is not None and endpoint not in settings.endpoints:
        raise ConfigError(f"There is no endpoint '{endpoint}'. Known: {', '.join(settings.endpoints) or 'none'}.")
    rules = Lossy(rules=("extract", "history", "results")) if endpoint is None else settings.endpoint(endpoint).lossy
    if not rules.rules:
        raise ConfigError(f"endpoints.{endpoint}.lossy names no rules, so nothing is left out there.")
    dialect = lab.dialect_of(text)
    if dialect is not None:
        return lab.explain_lossy(text.encode(), dialect, rules, count)
    if not question.strip():
        raise ConfigError("The file is no request body, so it is taken for a document. Say with --question what is asked of it.")
    return lab.explain_document(text, question, rules, count)


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
        if one.saved_tokens and rate is not None:
            worth = (f"{usd(worth_usd(one.saved_tokens, rate, many))} USD per {name}" for many, name in _REQUESTS)
            paper.print(f"    {', '.join(worth)} requests", markup=False, highlight=False)
