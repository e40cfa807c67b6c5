"""`farthing docs`: bring documents in, list, remove, search and re-index them. A running gateway sees a change with its next question."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.options import ConfigPath, StorePath, loaded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from farthing import config as settings
    from farthing.lab.ingest.run import Progress, Report
    from farthing.stores.sqlite.documents import Documents

app = typer.Typer(help="Documents for answers: add, list, remove, search, reindex.", no_args_is_help=True, rich_markup_mode=None)

InCollection = Annotated[str, typer.Option("--collection", "-c", help="Collection; made when it is new.")]
OfTenant = Annotated[str, typer.Option("--tenant", help="Whose documents they are; nobody else's questions reach them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("add")
def add(
    paths: Annotated[
        list[Path], typer.Argument(help="Files, and folders to look through: Markdown, HTML, text; PDF and DOCX with the extra `docs`.")
    ],
    collection: InCollection = "default",
    tenant: OfTenant = "default",
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Add files; one that was changed gets a new version, one that was not is passed over. Stopped, it goes on where it was."""
    with _opened(config, store, make=True) as (documents, known):
        _bring_in(documents, known, paths, collection, tenant, json=json, again=False)


@app.command("reindex")
def reindex(
    paths: Annotated[list[Path], typer.Argument(help="The files and folders that the collection was made of.")],
    collection: InCollection = "default",
    tenant: OfTenant = "default",
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Cut and embed everything anew, as after a change of embedder or chunk size. What is no longer among the paths is removed."""
    from farthing.core.errors import ConfigError
    from farthing.lab.ingest.files import find
    from farthing.models.embed import shipped

    with _opened(config, store) as (documents, known):
        if documents.version(tenant, collection) is None:
            raise _unknown(documents, tenant, collection)
        if not any(one.problem is None for one in find(paths, most_bytes=int(known.retrieve.max_file_mb * 1e6))):
            raise ConfigError("None of the paths has a file that can be read; the collection stays as it is.")
        documents.adopt(tenant, collection, embedder=shipped().id, chunking=known.retrieve.chunking)
        began = {document.name: document.version for document in documents.documents(tenant, collection)}
        report = _bring_in(documents, known, paths, collection, tenant, json=json, again=True)
        kept = {document.name for document in documents.documents(tenant, collection) if began.get(document.name) != document.version}
        stale = sorted(set(began) - kept)
        if stale and report.added + report.changed:
            documents.remove(tenant, collection, stale)
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

    with _opened(config, store) as (documents, _):
        if collection is None:
            found = documents.collections(tenant)
            rows = [(one.tenant, one.name, one.documents, one.chunks, one.chunking, one.embedder) for one in found]
            _print(console(), found, ("tenant", "collection", "documents", "chunks", "cut in", "embedder"), rows, json=json)
            return
        if documents.version(tenant or "default", collection) is None:
            raise _unknown(documents, tenant or "default", collection)
        listed = documents.documents(tenant or "default", collection)
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
    with _opened(config, store) as (documents, _):
        if documents.version(tenant, collection) is None:
            raise _unknown(documents, tenant, collection)
        gone = documents.remove(tenant, collection, None if everything else names)
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
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Show what would be sent for a question, and what it takes."""
    import time

    from farthing.brain.retrieve.library import Library
    from farthing.brain.retrieve.rank import shipped as ranker
    from farthing.models.embed import shipped
    from farthing.models.tokens import TokenCounter

    with _opened(config, store) as (documents, known):
        finder = Library(documents, ranker()).finder(tenant, collection)
        counter, embedder = TokenCounter(), shipped()
        embedder.embed_now("warm")
        counter.count("warm", model)
        began = time.perf_counter()
        vector = embedder.embed_now(question)
        found = finder.find(question, vector, budget_tokens=budget or known.retrieve.budget_tokens, count=lambda text: counter.count(text, model))
        took_ms = (time.perf_counter() - began) * 1e3
    if json:
        rows = [{"source": one.passage.source, "heading": one.passage.heading, "text": one.text, "tokens": one.tokens} for one in found.excerpts]
        _echo_json({"excerpts": rows, "tokens": found.tokens, "top_20_tokens": found.usual_tokens, "suspicious": found.flagged, "took_ms": took_ms})
        return
    for one in found.excerpts:
        typer.echo(f"[{one.passage.source}] {one.passage.heading}  ({one.tokens} tokens)\n{one.text}\n")
    typer.echo(
        f"{found.tokens} tokens of {len(found.sources)} documents; the best 20 chunks whole are {found.usual_tokens}; {took_ms:.0f} ms", err=True
    )
    for source in found.flagged:
        typer.echo(f"{source} has text that reads like instructions to a model; it is sent as data.", err=True)


def _bring_in(
    documents: "Documents", known: "settings.Config", paths: list[Path], collection: str, tenant: str, *, json: bool, again: bool
) -> "Report":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from farthing.lab.ingest.run import Ingest
    from farthing.models.embed import shipped

    ingest = Ingest(documents, shipped(), known.retrieve, tenant=tenant, collection=collection)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("")
            report = ingest.add(paths, _shower(bar, task), again=again)
    except KeyboardInterrupt:
        _tell(ingest.report, json=json)
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


def _unknown(documents: "Documents", tenant: str, collection: str) -> Exception:
    from farthing.core.errors import NotFound

    names = ", ".join(one.name for one in documents.collections(tenant)) or "none"
    return NotFound(f"Tenant '{tenant}' has no collection '{collection}'; it has: {names}.")


@contextmanager
def _opened(config: Path | None, store: Path | None, *, make: bool = False) -> "Generator[tuple[Documents, settings.Config]]":
    import msgspec

    from farthing.core.errors import ConfigError
    from farthing.stores.sqlite.documents import Documents

    known = loaded(config).config
    place = known.store if store is None else msgspec.structs.replace(known.store, path=str(store))
    if not make and not Path(place.path).exists():
        raise ConfigError(f"There is no store at {place.path}. Name it with --store or --config; 'farthing docs add' makes one.")
    documents = Documents(place)
    try:
        yield documents, known
    finally:
        documents.close()


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
