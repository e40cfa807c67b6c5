"""`farthing cache`: see what is kept, forget, calibrate, carry over. Works on the store; a gateway that runs on it sees a change within a second."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli.options import ConfigPath, StorePath, loaded

if TYPE_CHECKING:
    from farthing import config as settings
    from farthing.core.call import Call, Reply
    from farthing.lab.cache.calibrate import Outcome
    from farthing.stores.sqlite.cachefile import CacheFile

app = typer.Typer(help="Kept answers: stats, inspect, invalidate, clear, calibrate, export, import.", no_args_is_help=True, rich_markup_mode=None)

OfTenant = Annotated[str | None, typer.Option("--tenant", help="Only this one's; default: everybody's.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("stats")
def stats(tenant: OfTenant = None, json: AsJson = False, config: ConfigPath = None, store: StorePath = None) -> None:
    """Show what is kept by tenant and endpoint, and how far each namespace is with its certificate."""
    from farthing.cli.paper import console
    from farthing.lab.cache.shown import plain, scopes, standings

    with _opened(config, store) as (file, known):
        held, stands = scopes(file, tenant), standings(file, tenant, known.cache.semantic)
        brought, dropped = file.calibrations(tenant), file.drop_counts()
    if json:
        _echo_json({"scopes": plain(held), "namespaces": plain(stands), "calibrations": len(brought), "dropped_within_the_hour": dropped})
        return
    if not held:
        typer.echo("Nothing is kept. A lone worker writes an answer down when it is first reused, or when it stops.")
    rows = [
        (one.tenant, one.endpoint, one.answers, one.normalised, one.by_meaning, one.keys, f"{one.size_bytes:,}", one.hits, one.disputes)
        for one in held
    ]
    head = ("tenant", "endpoint", "exact", "normalised", "by meaning", "keys", "bytes", "hits", "disputes")
    paper = console()
    _table(paper, head, rows)
    _table(
        paper,
        ("namespace", "tenant", "endpoint", "labels", "certified", "bound", "of traffic"),
        [
            (one.scope, one.tenant, one.endpoint, one.labels, "yes" if one.certified else "not yet", _share(one.bound), _share(one.coverage))
            for one in stands
        ],
    )
    for owner, endpoint, embedder, at, _ in brought:
        typer.echo(f"calibrated: tenant {owner}, {endpoint or 'every endpoint'}, {embedder}, {_moment(at)}")
    if dropped:
        typer.echo("dropped within the hour: " + ", ".join(f"{count} x {kind}" for kind, count in dropped.items()))


@app.command("inspect")
def inspect(
    entry: Annotated[str | None, typer.Argument(help="Entry, as x-farthing-cache-entry or the ledger names it; none: the latest.")] = None,
    question: Annotated[
        str | None, typer.Option("--question", help="Which entries are near this question, and why it would be a hit or not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most entries to show.")] = 20,
    tenant: OfTenant = None,
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Show entries with all that is known of them."""
    from farthing.lab.cache.shown import entries, plain

    if entry is not None and question is not None:
        raise typer.BadParameter("Name an entry, or ask with --question, not both.")
    with _opened(config, store) as (file, known):
        if question is not None:
            _near(file, known, question, tenant, limit, json=json)
            return
        found = entries(file, tenant, entry_id=entry)
    if entry is not None and not found:
        typer.echo(
            f"No entry '{entry}' is kept{'' if tenant is None else f' for tenant {tenant!r}'}. It may have expired, or been forgotten.", err=True
        )
        raise typer.Exit(1)
    if json or entry is not None:
        _echo_json(plain(found if entry is None else found[0]))
        return
    _list(found[-limit:])
    if len(found) > limit:
        typer.echo(f"{len(found) - limit} older ones are not shown (--limit).", err=True)


@app.command("invalidate")
def invalidate(
    kind: Annotated[str, typer.Argument(help="entry, document, source, collection, tenant, endpoint, prompt, policy, tag, age (seconds), or all.")],
    value: Annotated[
        str, typer.Argument(help="Which: 'help/policy.md' drops what rests on it, 'help/policy.md@3' what rests on another version of it.")
    ] = "",
    tenant: OfTenant = None,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Forget answers, in every lane and every worker."""
    import time

    from farthing.core.forgetting import checked

    try:
        drop = checked(kind, value, tenant, time.time())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with _opened(config, store) as (file, _):
        typer.echo(f"forgot {file.forget(drop):,} that were in the store; gateways that run on it forget theirs within a second")


@app.command("clear")
def clear(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tenant: OfTenant = None,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Forget every answer, of one tenant or of all."""
    whose = "every tenant" if tenant is None else f"tenant '{tenant}'"
    if not yes and not typer.confirm(f"Forget all answers of {whose}?"):
        raise typer.Exit(1)
    invalidate("all", "", tenant, config, store)


@app.command("calibrate")
def calibrate(
    pairs: Annotated[Path, typer.Argument(help='JSONL of {"a": question, "b": question, "same": true|false}; answer_a and answer_b if you like.')],
    tenant: Annotated[str, typer.Option("--tenant", help="Whose namespaces learn.")] = "default",
    endpoint: Annotated[str, typer.Option("--endpoint", help="Which endpoint's; default: all that have no labels of their own.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be certified, and keep nothing.")] = False,
    json: AsJson = False,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Teach reuse by meaning from pairs of questions that people have labelled."""
    from farthing.brain.lessons import encode_labels
    from farthing.lab.cache.calibrate import calibrate as learn
    from farthing.lab.cache.calibrate import read_pairs

    found = read_pairs(pairs)
    with _opened(config, store, make=True) as (file, known):
        embedder, vectors = _embedded(known, [text for pair in found for text in (pair.a, pair.b)])
        outcome = learn(found, vectors, known.cache.semantic)
        if not dry_run:
            file.put_calibration(tenant, endpoint, embedder, encode_labels(outcome.labels))
    if json:
        _echo_json({name: getattr(outcome, name) for name in outcome.__struct_fields__ if name != "labels"} | {"labels": len(outcome.labels)})
        return
    _tell(outcome, kept=not dry_run)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="JSONL to write; '-' for standard output.")],
    tenant: OfTenant = None,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Write every live entry to a file. It holds questions and answers: keep it as you keep the store."""
    import sys

    from farthing.core.errors import ConfigError
    from farthing.lab.cache.port import export as write

    with _opened(config, store) as (held, _):
        if str(file) == "-":
            count = write(held, tenant, sys.stdout.buffer)
        else:
            try:
                with file.open("wb") as out:
                    count = write(held, tenant, out)
            except OSError as error:
                raise ConfigError(f"Cannot write {file}: {error.strerror or error}.") from None
    typer.echo(f"{count:,} rows", err=True)


@app.command("import")
def bring_in(
    file: Annotated[Path, typer.Argument(help="What `farthing cache export` wrote.")],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Refuse a file that holds another tenant's entries.")] = None,
    config: ConfigPath = None,
    store: StorePath = None,
) -> None:
    """Bring entries in; all that are usable, or none where a line is broken."""
    from farthing.lab.cache.port import bring_in as read

    with _opened(config, store, make=True) as (held, _):
        done = read(held, file, tenant)
    typer.echo(f"{done.written:,} rows written, {done.expired:,} had expired, {done.left_out:,} are here already, were dropped, or are out of date")


def _near(file: "CacheFile", known: "settings.Config", question: str, tenant: str | None, limit: int, *, json: bool) -> None:
    from farthing.cli.paper import console
    from farthing.lab.cache.shown import entries, nearest, plain, same_spelling

    spelled = same_spelling(entries(file, tenant), question)
    embedder, vectors = _embedded(known, [question])
    near = nearest(file, tenant, question, vectors[0], embedder, limit)
    if json:
        _echo_json({"same_spelling": [card.entry_id for card in spelled], "near": plain(near)})
        return
    for card in spelled:
        typer.echo(f"{card.entry_id} is the same question in {'this' if card.user_query_example == question else 'another'} spelling")
    rows = [
        (one.entry_id, f"{one.similarity:.3f}", f"{one.probability:.3f}", one.veto or "", one.strict_differences, one.question[:80]) for one in near
    ]
    _table(console(), ("entry", "similarity", "one answer for both", "veto", "strict differences", "asked as"), rows)
    if not spelled and not near:
        typer.echo("Nothing that is kept is near it.")


class _Lazily:
    """The configured services, opened when an embedding is asked of one; a shipped or local embedder needs none."""

    def __init__(self, known: "settings.Config") -> None:
        self._known = known

    async def send(self, call: "Call") -> "Reply":
        from farthing.core.clock import SystemClock
        from farthing.models.hub import Hub

        return await Hub(self._known, clock=SystemClock()).send(call)


def _embedded(known: "settings.Config", texts: list[str]) -> tuple[str, Any]:
    """The embedder's id, and a row a text."""
    import asyncio

    import numpy as np

    from farthing.models.embed import LocalEmbedder, choose_embedder

    embedder = choose_embedder(known, _Lazily(known))
    if isinstance(embedder, LocalEmbedder):
        return embedder.id, embedder.embed_many(texts)

    async def far() -> Any:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(embedder.embed(text)) for text in texts]
        return np.stack([task.result() for task in tasks])

    return embedder.id, asyncio.run(far())


def _tell(outcome: "Outcome", *, kept: bool) -> None:
    from farthing.brain.cache.semantic.certify import FEWEST_NEAR
    from farthing.brain.cache.semantic.namespace import STRICT_LABELS

    typer.echo(f"{outcome.pairs:,} pairs, {outcome.same:,} of them the same; {len(outcome.labels):,} labels, {outcome.vetoed:,} kept apart by a veto")
    if outcome.unknown:
        typer.echo(f"{outcome.unknown:,} times another question of the file was nearer, of which it does not say whether it is the same: no label")
    near = f"{outcome.near:,} of the labels are of pairs at least 80 % likely to be the same, where thresholds are decided"
    typer.echo(f"{near}; {FEWEST_NEAR} are needed")
    if outcome.near < len(outcome.labels) / 4 or outcome.unknown:
        typer.echo("random pairs teach next to nothing: bring near-misses of your traffic, and questions asked again in other words")
    if outcome.certified:
        served = f"{outcome.served:,} of the labels lie above it, {outcome.wrong:,} of them wrong"
        typer.echo(f"certified: at most {_share(outcome.bound)} wrong, for {_share(outcome.coverage)} of such questions; {served}")
    else:
        typer.echo("not certified yet: no threshold keeps `max_wrong_per_hit` on these labels")
    typer.echo(f"until a namespace has {STRICT_LABELS} labels of its own traffic it serves only what the shipped verifier alone would vouch for")
    typer.echo("kept; gateways that run on this store learn of it within a second" if kept else "dry run: nothing was kept")


def _list(found: list[Any]) -> None:
    from farthing.cli.paper import console

    rows = [
        (
            card.entry_id,
            "+".join(card.lanes),
            card.tenant,
            card.endpoint,
            card.hits,
            card.disputes,
            _moment(card.created_at),
            card.user_query_example[:80],
        )
        for card in found
    ]
    if rows:
        _table(console(), ("entry", "lanes", "tenant", "endpoint", "hits", "disputes", "asked", "as"), rows)
    else:
        typer.echo("Nothing is kept. A lone worker writes an answer down when it is first reused, or when it stops.")


def _table(paper: Any, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(*head, box=None)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    paper.print(table)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _echo_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


@contextmanager
def _opened(config: Path | None, store: Path | None, *, make: bool = False) -> "Generator[tuple[CacheFile, settings.Config]]":
    import msgspec

    from farthing.core.errors import ConfigError
    from farthing.stores.sqlite.cachefile import CacheFile

    known = loaded(config).config
    place = known.store if store is None else msgspec.structs.replace(known.store, path=str(store))
    if not make and not Path(place.path).exists():
        raise ConfigError(f"There is no store at {place.path}. Name it with --store or --config.")
    file = CacheFile(place)
    try:
        yield file, known
    finally:
        file.close()
