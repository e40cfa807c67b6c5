"""The model card of a trained router: text for the terminal, a page with the frontier for people."""

import time

import numpy as np

from farthing.brain.route.learned.base import Header, Promise
from farthing.brain.route.learned.choose import pool_of
from farthing.lab.router.frontier import Frontier
from farthing.lab.router.promise import settings_of
from farthing.lab.router.sums import served
from farthing.lab.router.train import Trained
from farthing.page import Column, Dot, Note, Page, Section, Stat, Stats, Table, Text, mark_best, render
from farthing.page import Frontier as Chart

_DRAWS = 200
_POINTS = 24


def card_lines(header: Header) -> list[str]:
    """What an artefact says of itself."""
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(header.created_at))
    second = f", second opinion {header.second}" if header.second and header.cascade else ""
    lines = [
        f"router {header.version} of {when} UTC: {header.kind}, {header.labels} graded prompts",
        f"cheap {header.cheap}, expensive {header.reference}{second}",
        f"embedding: {header.embedder or 'none'} ({header.dims} dimensions); languages seen: {', '.join(header.languages) or 'none recognised'}",
    ]
    if header.candidates:
        named = ", ".join(f"{model} ({ratio:.0%})" for model, ratio in zip(header.candidates, header.cost_ratios, strict=True))
        lines.append(f"chooses among: {named} of the expensive model's cost")
    return lines + [promise_line(endpoint, promise) for endpoint, promise in header.promises.items()]


def promise_line(endpoint: str, promise: Promise) -> str:
    where = "all endpoints without grades of their own" if endpoint == "*" else f"endpoint {endpoint}"
    return f"{where}: {promise.way}, floor {promise.floor * 100:g}%: {promise.reason}"


def comparison(trained: Trained) -> list[tuple[str, str, str]]:
    """Competitor, cost at the floor, gap recovered; the best first."""
    rows = sorted(trained.costs_at_floor.items(), key=lambda item: item[1])
    return [(name, f"{cost:.1%}", f"{trained.recovered[name]:.3f}" if name in trained.recovered else "") for name, cost in rows]


def page(trained: Trained) -> str:
    """One HTML file: what is promised, what competed, the frontier with its intervals, and the limits."""
    header = trained.header
    first = next(iter(header.promises.values()))
    stats = Stats(
        (
            Stat("Graded prompts", f"{header.labels:,}"),
            Stat("Floor", f"{first.floor * 100:g}%", f"of {header.reference}"),
            Stat("Expected cost", f"{first.cost_ratio:.0%}", "of expensive-always"),
            Stat("Chosen", f"{header.kind}, {first.way}"),
        )
    )
    compared = Table((Column("Router"), Column("Cost at the floor", right=True), Column("APGR", right=True)), comparison(trained))
    promised = Table(("Endpoint", "Way", "Promise"), [(name, one.way, one.reason) for name, one in header.promises.items()])
    limits = (
        "Trained on the prompts it was given and certified for traffic like them. Prompts that are unlike them, in other languages, or of endpoints "
        "without a promise go to the expensive tier; when recent traffic as a whole is unlike them, all of it does."
    )
    facts = [("Router", header.version), ("Cheap", header.cheap), ("Expensive", header.reference), ("Training took", f"{trained.took_s:.0f} s")]
    sections = [
        Section("What is promised", [stats, promised, Note(limits)]),
        Section("What competed", [compared, Text("Out of fold: no model judged a prompt that it had seen. Random and oracle are references.")]),
        Section("Cost and quality", [_chart(trained)], "Each point is a setting; the bars hold nineteen times in twenty."),
    ]
    return render(Page("Router model card", sections, facts=facts))


def _chart(trained: Trained) -> Chart:
    dots = [dot for name, frontier in trained.frontiers.items() for dot in _dots(name, frontier, trained)]
    summary = "Quality against cost, both as shares of sending everything to the expensive model."
    return Chart(
        title="Frontier", summary=summary, points=mark_best(dots), x_label="Cost", y_label="Quality", x_unit="percent", y_unit="percent", x_scale=True
    )


def _dots(name: str, frontier: Frontier, trained: Trained) -> list[Dot]:
    """A few settings of one competitor; the chosen way's carry intervals, from resampled prompts."""
    at: list[int] = sorted({int(i) for i in np.linspace(0, len(frontier.cost) - 1, _POINTS)})
    if name not in ("cascade", "choose"):
        return [Dot(f"{name} {i}", float(frontier.cost[i]), float(frontier.quality[i]), group=name) for i in at]
    settings = settings_of("choose" if name == "choose" else "cascade", trained.gaps, trained.costs, 120, pool=pool_of(trained.header))
    draws = np.random.default_rng(0).multinomial(len(trained.scores), np.full(len(trained.scores), 1 / len(trained.scores)), _DRAWS)
    dear = draws @ trained.scores[:, 1]
    dots: list[Dot] = []
    for i in at:
        low, high = np.quantile(draws @ served(settings[i].found, trained.scores) / dear, (0.025, 0.975))
        dots.append(Dot(f"{name} {i}", float(frontier.cost[i]), float(frontier.quality[i]), y_low=float(low), y_high=float(high), group=name))
    return dots
