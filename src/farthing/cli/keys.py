"""`farthing keys`: make, list and revoke virtual keys. A running gateway takes notice within a second."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from farthing.cli import when
from farthing.cli.options import ConfigPath, loaded

if TYPE_CHECKING:
    from pathlib import Path

    from farthing.stores.sqlite.keys import Key, Keys

app = typer.Typer(help="Virtual keys: create, list, revoke.", no_args_is_help=True, rich_markup_mode=None)


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What it is for; shown in lists.")] = "unnamed",
    tenant: Annotated[str | None, typer.Option(help="Whose traffic it carries, or a viewer sees. Default: 'default'; for a viewer: all.")] = None,
    role: Annotated[
        Literal["app", "viewer", "admin"],
        typer.Option(help="app: call models. viewer: the dashboard and /metrics, of --tenant alone where given. admin: everything, any tenant."),
    ] = "app",
    expires: Annotated[str | None, typer.Option(help="Lifetime, such as 12h, 30d, 52w; default: forever.")] = None,
    models: Annotated[str | None, typer.Option(help="Models it may use, comma-separated shell patterns; default: all.")] = None,
    rpm: Annotated[int | None, typer.Option(min=0, help="Requests a minute.")] = None,
    tpm: Annotated[int | None, typer.Option(min=0, help="Tokens a minute.")] = None,
    concurrent: Annotated[int | None, typer.Option(min=0, help="Requests in flight at once.")] = None,
    daily_usd: Annotated[float | None, typer.Option(min=0, help="Budget of a day (UTC).")] = None,
    monthly_usd: Annotated[float | None, typer.Option(min=0, help="Budget of a month (UTC).")] = None,
    config: ConfigPath = None,
) -> None:
    """Make a key and show its secret, once."""
    from farthing.core.request import KeyLimits

    limits = KeyLimits(requests_per_minute=rpm, tokens_per_minute=tpm, concurrent=concurrent, daily_usd=daily_usd, monthly_usd=monthly_usd)
    allowed = tuple(part.strip() for part in models.split(",") if part.strip()) if models is not None else None
    expires_at = None if expires is None else time.time() + _lifetime_s(expires)
    tenant = tenant if tenant is not None else "*" if role == "viewer" else "default"
    keys = _open(config)
    try:
        key_id, secret = keys.create(name=name, tenant=tenant, role=role, expires_at=expires_at, allowed_models=allowed, limits=limits)
    finally:
        keys.shut()
    typer.echo(secret)
    typer.echo(f"This is the secret of {key_id} ({role}, tenant {tenant}). It is not stored and will not be shown again.", err=True)


@app.command("list")
def list_keys(config: ConfigPath = None) -> None:
    """List all keys, without their secrets."""
    from rich.table import Table

    from farthing.cli.paper import console

    keys = _open(config)
    try:
        found = keys.list()
    finally:
        keys.shut()
    if not found:
        typer.echo("No keys. On loopback the gateway is open; `farthing keys create` makes one and closes it.")
        return
    table = Table("id", "name", "role", "tenant", "state", "models", "limits", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for key in found:
        table.add_row(key.key_id, key.name, key.role, key.tenant, _state(key), ", ".join(key.allowed_models or ("all",)), _limits(key))
    console().print(table)


@app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="Id as `farthing keys list` shows it.")], config: ConfigPath = None) -> None:
    """Refuse a key from now on."""
    keys = _open(config)
    try:
        keys.revoke(key_id)
    finally:
        keys.shut()
    typer.echo(f"{key_id} is revoked; running gateways refuse it within a second.")


def _open(config: "Path | None") -> "Keys":
    from farthing.stores.sqlite.keys import Keys

    return Keys.load(loaded(config).config.store)


def _lifetime_s(text: str) -> float:
    lifetime_s = when.seconds(text)
    if lifetime_s is None:
        raise typer.BadParameter(f"{text!r} is no lifetime. Write a number and s, m, h, d or w: 30d.", param_hint="--expires")
    return lifetime_s


def _state(key: "Key") -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    if key.expires_at is None:
        return "active"
    return f"{'expired' if key.expires_at <= time.time() else 'active until'} {_day(key.expires_at)}"


def _limits(key: "Key") -> str:
    import msgspec

    return ", ".join(f"{name} {value:g}" for name, value in msgspec.to_builtins(key.limits).items()) or "none"


def _day(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d")
