"""All commands on one screen."""

import typer

from farthing.cli import audit, batch, cache, compare, config, demo, diet, docs, keys, local, quality, quantize, replay, report, router, serve

app = typer.Typer(
    name="farthing",
    help="LLM gateway: change one base URL, and know what every interaction costs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("report")(report.report)
app.command("audit")(audit.audit)
app.command("replay")(replay.replay)
app.command("compare")(compare.compare)
app.command("diet")(diet.diet)
app.add_typer(batch.app, name="batch")
app.command("quantize")(quantize.quantize)
app.add_typer(keys.app, name="keys")
app.add_typer(config.app, name="config")
app.add_typer(docs.app, name="docs")
app.add_typer(cache.app, name="cache")
app.add_typer(router.app, name="router")
app.add_typer(quality.app, name="quality")
app.add_typer(local.app, name="local")


@app.command("version")
def version() -> None:
    """Print the version."""
    import platform

    from farthing import __version__

    typer.echo(f"farthing {__version__} (Python {platform.python_version()})")
