"""`farthing batch`: run files of requests on a gateway, watch them, cancel them."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli.gateway import GatewayKey, GatewayUrl, Refused, RemoteGateway

if TYPE_CHECKING:
    from rich.progress import Progress

app = typer.Typer(help="Run files of requests on a gateway while it has room; watch and cancel them.", no_args_is_help=True, rich_markup_mode=None)

BatchId = Annotated[str, typer.Argument(help="As 'farthing batch list' shows it.")]
_ENDED = ("completed", "failed", "expired", "cancelled")
_LOOK_S = 1.0


@app.command("run")
def run(
    file: Annotated[Path, typer.Argument(help="JSONL in OpenAI's form: custom_id, method, url and body a line.", exists=True, dir_okay=False)],
    endpoint: Annotated[str | None, typer.Option(help="Path of the requests; default: the url of the first line.")] = None,
    window: Annotated[str, typer.Option(help="How long it may take: 90m, 24h.")] = "24h",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it has ended.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the answers go; waits for them. Errors go beside it, as NAME.errors.jsonl.")] = None,
    url: GatewayUrl = None,
    key: GatewayKey = None,
) -> None:
    """Order a batch. It goes on whatever becomes of this command."""

    def work(gateway: RemoteGateway) -> None:
        path = endpoint or _url_of(file)
        if out is not None and not out.parent.is_dir():
            raise Refused(f"{out.parent} is no folder; make it, or name another place with --out.")
        brought = gateway.upload(file, "batch")
        batch = gateway.ask("POST", "/v1/batches", {"input_file_id": brought["id"], "endpoint": path, "completion_window": window})
        typer.echo(batch["id"])
        if wait or out is not None:
            _finish(gateway, batch["id"], out)
        else:
            typer.echo(f"farthing batch show {batch['id']} --wait   shows how it goes", err=True)

    _asked(work, url, key)


@app.command("list")
def list_batches(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, newest first.")] = 20, url: GatewayUrl = None, key: GatewayKey = None
) -> None:
    """Show the batches of the key's tenant."""

    def work(gateway: RemoteGateway) -> None:
        from rich.table import Table

        from farthing.cli.paper import console

        found = gateway.ask("GET", f"/v1/batches?limit={limit}")["data"]
        if not found:
            typer.echo("no batches yet; 'farthing batch run FILE' orders one")
            return
        table = Table("batch", "status", "done", "failed", "of", "endpoint", "ordered", box=None, header_style="bold")
        for batch in found:
            counts = batch["request_counts"]
            numbers = (f"{counts[name]:,}" for name in ("completed", "failed", "total"))
            table.add_row(batch["id"], batch["status"], *numbers, batch["endpoint"], _moment(batch["created_at"]))
        console().print(table)

    _asked(work, url, key)


@app.command("show")
def show(
    batch_id: BatchId,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it has ended.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the answers go, once it has ended.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the gateway's own words.")] = False,
    url: GatewayUrl = None,
    key: GatewayKey = None,
) -> None:
    """Show how one batch goes; fetch its answers."""

    def work(gateway: RemoteGateway) -> None:
        if wait or out is not None:
            _finish(gateway, batch_id, out)
            return
        batch = gateway.ask("GET", f"/v1/batches/{batch_id}")
        if json:
            import msgspec

            typer.echo(msgspec.json.format(msgspec.json.encode(batch)).decode())
        else:
            _say(batch)

    _asked(work, url, key)


@app.command("cancel")
def cancel(batch_id: BatchId, url: GatewayUrl = None, key: GatewayKey = None) -> None:
    """Cancel a batch: what runs ends, what has not begun does not."""
    _asked(lambda gateway: _say(gateway.ask("POST", f"/v1/batches/{batch_id}/cancel")), url, key)


def _asked(work: Callable[[RemoteGateway], None], url: str | None, key: str | None) -> None:
    """Do it, and say in one line what went wrong."""
    try:
        work(RemoteGateway(url, key))
    except Refused as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _url_of(file: Path) -> str:
    """What the first request of the file is for."""
    import msgspec

    with file.open("rb") as lines:
        first = next((line for line in lines if line.strip()), b"")
    try:
        said: Any = msgspec.json.decode(first)
        return str(said["url"])
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        message = f"The first line of {file} is no request: expected custom_id, method, url and body."
        raise Refused(message) from error


def _finish(gateway: RemoteGateway, batch_id: str, out: Path | None) -> None:
    """Wait with a bar, then fetch. Ctrl-C leaves the batch alone."""
    try:
        batch = _wait(gateway, batch_id)
    except KeyboardInterrupt:
        typer.echo(f"\nThe batch goes on. Come back with: farthing batch show {batch_id} --wait{'' if out is None else f' --out {out}'}", err=True)
        typer.echo(f"Stop it with: farthing batch cancel {batch_id}", err=True)
        raise typer.Exit(130) from None
    _say(batch)
    if out is not None:
        _fetch(gateway, batch["output_file_id"], out)
        _fetch(gateway, batch["error_file_id"], out.with_name(f"{out.stem}.errors.jsonl"))
    if batch["status"] != "completed" or batch["request_counts"]["failed"]:
        raise typer.Exit(1)


def _wait(gateway: RemoteGateway, batch_id: str) -> Any:
    with _bar() as bar:
        task = bar.add_task("reading", total=None)
        while True:
            batch = gateway.ask("GET", f"/v1/batches/{batch_id}")
            counts = batch["request_counts"]
            waits = batch["farthing"]["waits_until"]
            word = f"waits until {_moment(waits)}" if waits and waits > time.time() else batch["status"]
            bar.update(task, description=word, total=counts["total"] or None, completed=counts["completed"] + counts["failed"])
            if batch["status"] in _ENDED:
                return batch
            time.sleep(_LOOK_S)


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(file=sys.stderr))


def _fetch(gateway: RemoteGateway, file_id: str | None, out: Path) -> None:
    """Whole or not at all: written beside its place, then moved there."""
    if file_id is None:
        return
    beside = out.with_name(f".{out.name}.part")
    try:
        with beside.open("wb") as taking:
            for piece in gateway.download(f"/v1/files/{file_id}/content"):
                taking.write(piece)
        beside.replace(out)
    except OSError as error:
        raise Refused(f"{out} cannot be written: {error.strerror}. The answers stay at the gateway: /v1/files/{file_id}/content.") from error
    finally:
        beside.unlink(missing_ok=True)
    typer.echo(f"written: {out}", err=True)


def _say(batch: Any) -> None:
    counts = batch["request_counts"]
    typer.echo(f"{batch['id']}: {batch['status']}, {counts['completed']:,} of {counts['total']:,} answered, {counts['failed']:,} failed")
    for problem in batch["errors"]["data"] if batch["errors"] else ():
        where = "" if problem["line"] is None else f"line {problem['line']}: "
        typer.echo(f"  {where}{problem['message']}", err=True)
    for name in ("output_file_id", "error_file_id"):
        if batch[name]:
            typer.echo(f"  {name}: {batch[name]}")


def _moment(unix_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
