"""`farthing config`: is it good, what does it come to, and where does each value come from. Secrets are never read, so never shown."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.options import ConfigPath, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farthing.config import Config

app = typer.Typer(help="The configuration: check, show.", no_args_is_help=True, rich_markup_mode=None)


@app.command("check")
def check(
    config: ConfigPath = None,
    strict: Annotated[bool, typer.Option("--strict", help="A named key that the environment lacks is an error.")] = False,
) -> None:
    """Say whether the configuration is good, and what a start would note."""
    from farthing.brain.check.guard import Guardrails
    from farthing.core.errors import ConfigError
    from farthing.measure import otel

    found = loaded(config)
    Guardrails(found.config.guard)  # its patterns compile
    otel.require(found.config.telemetry, os.environ)
    if strict and found.unset:
        raise ConfigError("\n".join(f"{line}. Set it, or drop the key." for line in found.unset))
    tiers = found.config.tiers
    typer.echo(f"Good: {found.source}")
    typer.echo(
        f"services: {', '.join(found.config.services)}; cheap: {', '.join(tiers.cheap) or 'none'}; expensive: {', '.join(tiers.expensive) or 'none'}"
    )
    for note in (*found.notes, *_unpriced(found.config), *_unjudged(found.config)):
        typer.echo(f"note: {note}")


@app.command("show")
def show(
    config: ConfigPath = None,
    describe: Annotated[bool, typer.Option("--describe", help="Say what each key does and takes.")] = False,
) -> None:
    """Print the whole configuration as TOML, with where each value came from."""
    from farthing.cli.toml import effective
    from farthing.settings import decode, find

    found = loaded(config)
    file = find(config, os.environ)
    typer.echo(effective(found, decode.read(file) if file else {}, describe=describe), nl=False)


def _unpriced(config: "Config") -> "Iterator[str]":
    from farthing.models.catalog import Catalog
    from farthing.models.prices import PriceBook

    prices, catalog = PriceBook(config.models), Catalog(config)
    for target in (*catalog.tier("cheap"), *catalog.tier("expensive")):
        if config.services[target.service].dialect != "recorded" and prices.rate(target.service, target.model) is None:
            yield (
                f"no price is known for {target.service}/{target.model}: its cost will be counted as unknown. "
                f'Set input_usd_per_mtok and output_usd_per_mtok under [models."{target.model}"].'
            )


def _unjudged(config: "Config") -> "Iterator[str]":
    """A judge that will have nothing to do, or may not be asked."""
    from farthing.models.catalog import Catalog
    from farthing.models.prices import PriceBook

    if config.quality.judge is None:
        return
    judge = Catalog(config).resolve(config.quality.judge)
    if PriceBook(config.models).rate(judge.service, judge.model) is None:
        yield (
            f"no price is known for the judge {judge.service}/{judge.model}, so nothing will be judged. "
            f'Set input_usd_per_mtok and output_usd_per_mtok under [models."{judge.model}"].'
        )
    shares = (config.sampling, *config.quality.shares)
    if not any(share.judge or share.shadow for share in shares):
        yield "quality.judge is set, but no share of the traffic is: set sampling.judge, sampling.shadow or quality.shares."
