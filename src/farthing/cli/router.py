"""`farthing router`: train a router on graded answers, judge it, look into it, put it in place."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.options import ConfigPath, loaded

if TYPE_CHECKING:
    from farthing.config import Config
    from farthing.core.usage import Rate
    from farthing.lab.router.graded import Graded

app = typer.Typer(help="Train a router on graded answers, judge it, look into it, put it in place.", no_args_is_help=True)

Grades = Annotated[Path, typer.Argument(help="Graded prompts: JSONL rows with `prompt` and `scores`, a NAME.prompts.parquet, or the ledger (.db).")]
Place = Annotated[Path, typer.Argument(help="File of the router.")]
To = Annotated[Path | None, typer.Option(help="Default: route.learned.artefact.")]
Vectors = Annotated[Path | None, typer.Option(help="Embeddings of the same prompts (.npy), to save computing them.")]


@app.command("train")
def train(
    grades: Grades,
    cheap: Annotated[str, typer.Option(help="The cheap model, as the grades name it.")],
    expensive: Annotated[str, typer.Option(help="The expensive model.")],
    second: Annotated[str | None, typer.Option(help="Another cheap model, whose agreement a cascade may ask for.")] = None,
    candidate: Annotated[list[str] | None, typer.Option(help="A further model that may be chosen; repeat it for several.")] = None,
    floor: Annotated[float, typer.Option(help="Least share of the expensive model's quality.", min=0.5, max=1.0)] = 0.97,
    confidence: Annotated[float, typer.Option(help="Of the promise.", min=0.5, max=0.999)] = 0.95,
    bound: Annotated[str, typer.Option(help="betting (proved) or gaffke (a little tighter, unproved).")] = "betting",
    embed: Annotated[bool, typer.Option("--embed/--no-embed", help="Read the prompts' meaning too, with the shipped embedder.")] = True,
    embeddings: Vectors = None,
    out: Annotated[Path, typer.Option(help="Where the router is written; its card goes beside it (.html).")] = Path("router.new.npz"),
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 0,
    config: ConfigPath = None,
) -> None:
    """Let kNN, logistic regression, boosting and their stack compete on cost at the floor; write the winner with its promise."""
    from farthing.brain.route.learned.artefact import save
    from farthing.cli.paper import console
    from farthing.lab.router.card import card_lines, comparison, page
    from farthing.lab.router.promise import Terms
    from farthing.lab.router.train import Plan
    from farthing.lab.router.train import train as fit
    from farthing.models.tokens import TokenCounter

    if bound not in ("gaffke", "betting"):
        raise typer.BadParameter(f"{bound!r} is no bound. Write betting or gaffke.", param_hint="--bound")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"There is no folder {out.parent}. Make it, or write elsewhere.", param_hint="--out")
    rows, notes = _read(grades, config)
    for model in (cheap, expensive, *((second,) if second else ()), *(candidate or ())):
        rows.column(model)  # a name that nobody graded is said before the prompts are embedded
    rows, embedder = _embedded(rows, embed=embed, embeddings=embeddings)
    terms = Terms(floor=floor, confidence=confidence, bound=bound)
    others = tuple(candidate or ())
    plan = Plan(cheap=cheap, reference=expensive, second=second, others=others, terms=terms, seed=seed, embedder=embedder)
    made = fit(rows, plan, TokenCounter())
    card = out.with_suffix(".html")
    shown = page(made)
    save(out, made.header, made.arrays)
    card.write_text(shown)
    screen = console()
    for line in (*card_lines(made.header), *notes, *made.notes):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)
    screen.print(f"\ncost at {floor * 100:g}% of the expensive model's quality, best cut in hindsight, out of fold:")
    for name, cost, recovered in comparison(made):
        screen.print(f"  {name:<12} {cost:>7}{f'   APGR {recovered}' if recovered else ''}", markup=False, highlight=False)
    screen.print(f"\n{made.took_s:.0f} s. Written: {out}, {card}. In place with: farthing router promote {out}", highlight=False, soft_wrap=True)


@app.command("eval")
def evaluate(router: Place, grades: Grades, embeddings: Vectors = None, config: ConfigPath = None) -> None:
    """Run a router over graded prompts that it was not trained on: quality kept and cost, against its promise."""
    from farthing.brain.route.learned.artefact import load
    from farthing.cli.paper import console
    from farthing.lab.router.evaluate import evaluation_lines
    from farthing.models.tokens import TokenCounter

    artefact = load(router)
    rows, notes = _read(grades, config)
    rows, _ = _embedded(rows, embed=artefact.header.dims > 0, embeddings=embeddings)
    for line in (*notes, *evaluation_lines(artefact, rows, TokenCounter())):
        console().print(line, markup=False, highlight=False, soft_wrap=True)


@app.command("explain")
def explain(
    router: Place,
    prompt: Annotated[str | None, typer.Argument(help="A prompt; without one, the router's card.")] = None,
    endpoint: Annotated[str, typer.Option(help="Endpoint that would ask.")] = "default",
) -> None:
    """Say what a router promises, or where it would send a prompt, and why."""
    from farthing.brain.route.learned.artefact import load
    from farthing.brain.route.learned.features import prompt_text
    from farthing.brain.route.learned.router import LearnedRouter
    from farthing.core.request import Turn
    from farthing.lab.router.card import card_lines
    from farthing.lab.router.matrix import signals_of
    from farthing.models.embed import shipped
    from farthing.models.tokens import TokenCounter

    artefact = load(router)
    if prompt is None:
        typer.echo("\n".join(card_lines(artefact.header)))
        return
    turns = (Turn("user", prompt),)
    vector = shipped().embed_now(prompt_text(turns)) if artefact.header.dims else None
    judged = LearnedRouter(artefact).judge(turns, signals_of(turns, TokenCounter()), vector, endpoint=endpoint)
    typer.echo(f"{judged.tier}: {judged.reason}{'; its answer would be read' if judged.dials is not None else ''}")


@app.command("promote")
def promote(
    router: Place, config: ConfigPath = None, to: Annotated[Path | None, typer.Option(help="Default: route.learned.artefact.")] = None
) -> None:
    """Put a router in place, keeping those before it. A running gateway takes it up on SIGHUP."""
    from farthing.lab.router.shelf import promote as put

    place = to or _place(config)
    typer.echo(f"router {put(router, place)} is in place at {place}; reload the gateway (SIGHUP) to use it")


@app.command("rollback")
def rollback(config: ConfigPath = None, to: To = None) -> None:
    """Put the router before this one back."""
    from farthing.lab.router.shelf import rollback as back

    place = to or _place(config)
    typer.echo(f"router {back(place)} is back at {place}; reload the gateway (SIGHUP) to use it")


def _place(config: Path | None) -> Path:
    artefact = loaded(config).config.route.learned.artefact
    if artefact is None:
        raise typer.BadParameter("`route.learned.artefact` is not set. Set it in farthing.toml, or say where with --to.")
    return Path(artefact)


def _read(grades: Path, config: Path | None) -> "tuple[Graded, list[str]]":
    from farthing.lab.router.from_ledger import read_ledger
    from farthing.lab.router.read import read_graded

    if grades.suffix in (".db", ".sqlite"):
        return read_ledger(grades)
    return read_graded(grades, _rates(loaded(config).config))


def _rates(config: "Config") -> "Callable[[str], Rate | None]":
    """Prices of models as grades name them: `service/model`, or `model` at whichever service is priced."""
    from farthing.models.prices import PriceBook

    prices = PriceBook(config.models)

    def rate(name: str) -> "Rate | None":
        service, slash, model = name.partition("/")
        return prices.rate(service, model) if slash else next((found for one in ("", *config.services) if (found := prices.rate(one, name))), None)

    return rate


def _embedded(rows: "Graded", *, embed: bool, embeddings: Path | None) -> "tuple[Graded, str | None]":
    """Vectors from a file, or computed with a progress bar; ~10 ms a prompt."""
    import numpy as np

    from farthing.brain.route.learned.features import prompt_text
    from farthing.lab.router.read import with_embeddings
    from farthing.models.embed import shipped

    embedder = shipped()
    if embeddings is not None:
        return with_embeddings(rows, np.load(embeddings, allow_pickle=False)), embedder.id
    if not embed:
        return rows, None
    with typer.progressbar(rows.prompts, label="embedding", length=len(rows)) as prompts:
        vectors = [embedder.embed_now(prompt_text(prompt)) for prompt in prompts]
    return with_embeddings(rows, np.stack(vectors)), embedder.id
