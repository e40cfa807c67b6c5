"""`farthing docs`: bring documents in, list, remove, search and re-index them. A running gateway sees a change with its next question."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.options import ConfigPath, StorePath, loaded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from farthing import config as settings
    from farthing.lab.ingest.librarian import Librarian, Sought
    from farthing.lab.ingest.run import Progress, Report

app = typer.Typer(help="Documents for answers: add, list, remove, search, reindex.", no_args_is_help=True, rich_markup_mode=None)

InCollection = Annotated[str, typer.Option("--collection", "-c", help="Collection; made when it is new.")]
OfTenant = Annotated[str, typer.Option("--tenant", help="Whose documents they are; nobody else's questions reach them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("add")
def add(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders to look through, https:// addresses: Markdown, HTML, text; PDF and DOCX with the extra `docs`."),
    ] = None,
    urls: Annotated[Path | None, typer.Option(help="A file of addresses, one a line; their hosts must be in retrieve.url_hosts.")] = None,
    collection: InCollection = "default",
    tenant: OfTenant = "default",
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Add documents; one that was changed gets a new version, one that was not is passed over. Stopped, it goes on where it was."""
    from farthing.lab.ingest.files import find
    from farthing.lab.ingest.web import is_url

    paths = [Path(source) for source in sources or () if not is_url(source)]
    addresses = [*(source for source in sources or () if is_url(source)), *_addresses(urls)]
    if not paths and not addresses:
        raise typer.BadParameter("Name files, folders or addresses, or a list of addresses with --urls.")
    with _opened(config, store, make=True) as (librarian, known):
        found = find(paths, most_bytes=int(known.retrieve.max_file_mb * 1e6))
        ingest = librarian.ingest(tenant, collection)
        _watched(ingest.report, lambda show: ingest.take(chain(found, librarian.pages(addresses)), show, of=len(found) + len(addresses)), json=json)


@app.command("reindex")
def reindex(
    paths: Annotated[list[Path] | None, typer.Argument(help="The files and folders that the collection was made of; none: what is stored.")] = None,
    collection: InCollection = "default",
    tenant: OfTenant = "default",
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Embed everything anew, as after a change of embedder; with paths, cut anew too, and what is no longer among them is removed."""
    from farthing.core.errors import ConfigError
    from farthing.lab.ingest.files import find
    from farthing.models.embed import shipped

    with _opened(config, store) as (librarian, known):
        if not paths:
            ingest = librarian.ingest(tenant, collection)
            _watched(ingest.report, lambda show: librarian.reindex(tenant, collection, show, ingest=ingest), json=json)
            return
        began = {document.name: document.version for document in librarian.listed(tenant, collection)}
        found = find(paths, most_bytes=int(known.retrieve.max_file_mb * 1e6))
        if not any(one.problem is None for one in found):
            raise ConfigError("None of the paths has a file that can be read; the collection stays as it is.")
        librarian.documents.adopt(tenant, collection, embedder=shipped().id, chunking=known.retrieve.chunking)
        ingest = librarian.ingest(tenant, collection)
        report = _watched(ingest.report, lambda show: ingest.take(found, show, again=True), json=json)
        kept = {document.name for document in librarian.listed(tenant, collection) if began.get(document.name) != document.version}
        stale = sorted(set(began) - kept)
        if stale and report.added + report.changed:
            librarian.remove(tenant, collection, stale)
            typer.echo(f"removed {len(stale)} that were not among the paths, or can no longer be read: {', '.join(stale[:5])}", err=True)


@app.command("list")
def list_documents(
    collection: Annotated[str | None, typer.Option("--collection", "-c", help="Only this one, with its documents.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this one's; default: everybody's.")] = None,
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """List collections, or the documents of one."""
    from farthing.cli.paper import console

    with _opened(config, store) as (librarian, _):
        if collection is None:
            found = librarian.collections(tenant)
            rows = [(one.tenant, one.name, one.documents, one.chunks, one.chunking, one.embedder) for one in found]
            _print(console(), found, ("tenant", "collection", "documents", "chunks", "cut in", "embedder"), rows, json=json)
            return
        listed = librarian.listed(tenant or "default", collection)
        rows = [(one.name, one.version, one.chunks, f"{one.size_bytes:,}", _moment(one.added_at)) for one in listed]
        _print(console(), listed, ("document", "version", "chunks", "bytes", "added"), rows, json=json)


@app.command("remove")
def remove(
    names: Annotated[list[str] | None, typer.Argument(help="Documents by name, as `farthing docs list` shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All documents of the collection.")] = False,
    collection: InCollection = "default",
    tenant: OfTenant = "default",
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Take documents out."""
    if bool(names) == everything:
        raise typer.BadParameter("Name documents, or say --all.")
    with _opened(config, store) as (librarian, _):
        gone = librarian.remove(tenant, collection, None if everything else names)
    typer.echo(f"removed {gone}")
    if names and gone < len(set(names)):
        typer.echo(
            f"{len(set(names)) - gone} of the names are not in '{collection}'; 'farthing docs list -c {collection} --tenant {tenant}' shows what is.",
            err=True,
        )
        raise typer.Exit(1)


@app.command("search")
def search(
    question: Annotated[str, typer.Argument(help="In the words that a caller would use.")],
    collection: InCollection = "default",
    tenant: OfTenant = "default",
    budget: Annotated[int | None, typer.Option(min=1, help="Most tokens to send; default: retrieve.budget_tokens.")] = None,
    model: Annotated[str, typer.Option(help="Whose tokens count.")] = "gpt-4o",
    explain: Annotated[bool, typer.Option("--explain", help="Show what was looked for by words, and why.")] = False,
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Show what would be sent for a question, and what it takes."""
    import time

    import msgspec

    from farthing.models.tokens import TokenCounter

    with _opened(config, store) as (librarian, _):
        counter = TokenCounter()
        librarian.search(tenant, collection, "warm", tokens=counter, model=model)
        began = time.perf_counter()
        found = librarian.search(tenant, collection, question, tokens=counter, budget_tokens=budget, model=model)
        took_ms = (time.perf_counter() - began) * 1e3
    if json:
        _echo_json(msgspec.to_builtins(found) | {"took_ms": took_ms})
        return
    if explain:
        typer.echo(_explained(found.sought), err=True)
    for one in found.excerpts:
        typer.echo(f"[{one.source}] {one.heading}  ({one.tokens} tokens)\n{one.text}\n")
    typer.echo(f"{found.tokens} tokens of {found.sources} documents; the best 20 chunks whole are {found.top_20_tokens}; {took_ms:.0f} ms", err=True)
    if found.least_tokens is not None:
        typer.echo(f"The budget holds nothing of what was found; the shortest takes {found.least_tokens} tokens.", err=True)
    for source in found.suspicious:
        typer.echo(f"{source} has text that reads like instructions to a model; it is sent as data.", err=True)


def _explained(sought: "Sequence[Sought]") -> str:
    own = ", ".join(f"{one.words} ({one.weight:g})" for one in sought if one.instead_of is None)
    others = [f"  {one.words} ({one.weight:g}) for {one.instead_of}: {one.rule}" for one in sought if one.instead_of is not None]
    return "\n".join([f"by words: {own or 'nothing'}", *others, ""])


def _addresses(urls: Path | None) -> list[str]:
    from farthing.core.errors import ConfigError
    from farthing.lab.ingest.web import is_url, listed

    if urls is None:
        return []
    try:
        found = listed(urls.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The list of addresses {urls} cannot be read: {error}.") from error
    odd = next((line for line in found if not is_url(line)), None)
    if odd is not None:
        raise ConfigError(f"{urls} holds {odd[:100]!r}, which is no http:// or https:// address. One a line; lines that begin with # are left out.")
    return found


def _watched(report: "Report", run: "Callable[[Progress], Report]", *, json: bool) -> "Report":
    """With a bar; stopped by Ctrl-C, it says how far it came. `report` fills while it runs."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    try:
        with Bars(*columns, console=Console(stderr=True), transient=True) as bar:
            run(_shower(bar, bar.add_task("")))
    except KeyboardInterrupt:
        _tell(report, json=json)
        typer.echo("Stopped. The same command goes on from here.", err=True)
        raise typer.Exit(130) from None
    _tell(report, json=json)
    if not report.added + report.changed + report.unchanged:
        raise typer.Exit(1)
    return report


def _shower(bar: "Bar", task: "TaskID") -> "Progress":
    def show(name: str, done: int, of: int) -> None:
        bar.update(task, description=name[-60:], completed=done, total=of)

    return show


def _tell(report: "Report", *, json: bool) -> None:
    if json:
        _echo_json(report)
        return
    typer.echo(
        f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged; {report.chunks} chunks, {report.embedded} of them embedded"
    )
    for path, problem in report.problems:
        typer.echo(f"  {path}: {problem}", err=True)


@contextmanager
def _opened(config: Path | None, store: Path | None, *, make: bool = False) -> "Generator[tuple[Librarian, settings.Config]]":
    import msgspec

    from farthing.core.errors import ConfigError
    from farthing.lab.ingest.opened import open_librarian

    known = loaded(config).config
    place = known.store if store is None else msgspec.structs.replace(known.store, path=str(store))
    if not make and not Path(place.path).exists():
        raise ConfigError(f"There is no store at {place.path}. Name it with --store or --config; 'farthing docs add' makes one.")
    librarian = open_librarian(msgspec.structs.replace(known, store=place))
    try:
        yield librarian, known
    finally:
        librarian.close()


def _print(paper: "Console", found: object, heads: tuple[str, ...], rows: "Sequence[tuple[object, ...]]", *, json: bool) -> None:
    from rich.table import Table

    if json:
        _echo_json(found)
        return
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right" if head in ("documents", "chunks", "version", "bytes") else "left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    paper.print(table)


def _echo_json(what: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(what)).decode())


def _moment(unix_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
