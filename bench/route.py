"""Learned routing: quality kept, cost saved, promises kept, strangers noticed, time taken. Prints a table with the goal beside each figure.

python bench/route.py [SECTION ...]    sections: apgr pairs several promise shift unfamiliar arena time; none: all
    --repeats N   of the random folds (default 5)     --splits N   of each pair's promises (default 200)

No figure is measured on a prompt that trained or tuned what it measures: folds and splits keep equal prompts together. The shape of the models
(number of trees, neighbours, axes) was chosen once, by looking at MMLU and zeroeval folds of other seeds; the mixing weights for few prompts on
grades of models that no figure here reports.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from _harness import OUT, Figure, save
from _routing import FLOORS, PAIRS, TOKENS, Pair, contaminated, graded, show
from farthing.brain.route.learned.base import Floats, Kind
from farthing.brain.route.learned.scorer import Scorer
from farthing.brain.route.learned.watch import FEWEST, WINDOW, Watch
from farthing.lab.router.bounds import p_value
from farthing.lab.router.crossfit import cross_gaps, fit_all, gaps
from farthing.lab.router.fit import fit
from farthing.lab.router.folds import Folds, group_folds, guard, random_folds
from farthing.lab.router.frontier import Frontier, apgr, cpt, random_cost_at, route_frontier
from farthing.lab.router.graded import Graded, for_pair
from farthing.lab.router.matrix import Matrix, matrix
from farthing.lab.router.promise import Setting, Terms, promise, settings_of, wary
from farthing.lab.router.sums import Gaps, outcome, served, spent
from route_decision import decision_times
from route_several import several_section
from route_strangers import arena_section, unfamiliar_section

ROUTELLM = "RouteLLM's best published: MMLU 0.603 / 35.4 % / 71.6 %, GSM8K 0.622 / 33.6 % / 63.3 % (arXiv 2406.18665 v4; other training data)"
COMPARED = 50  # splits on which the conjectured bound is tried as well: it draws much
CHEAP, DEAR = "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"


def interval(values: list[float]) -> str:
    """Give or take 1.96 standard errors over five folds: repeats deal the same prompts anew, which makes the mean steadier, not the sample larger."""
    error = float(np.std(values, ddof=1) / np.sqrt(5)) if len(values) > 1 else float("nan")
    return f"+- {1.96 * error:.3f} over five folds, {len(values) // 5} repeats"


# --- MMLU and GSM8K -------------------------------------------------------------------------------------------------------------------


@cache
def routellm(data: str) -> tuple[Graded, Matrix]:
    rows = graded("routellm")
    out = contaminated("routellm")
    keep = np.array([name.startswith(data) and name not in out for name in rows.ids])
    pair, _ = for_pair(rows.take(keep), (CHEAP, DEAR))
    return pair, matrix(pair, TOKENS, cheap=CHEAP)


def apgr_section(options: argparse.Namespace) -> list[Figure]:
    print(f"\nQuality gap recovered (APGR; chance 0.5). {ROUTELLM}")
    figures: list[Figure] = []
    for data, goal in (("gsm8k", 0.67), ("mmlu", 0.70)):
        figures += _apgr(f"{data} random folds", data, goal, random_folds, options.repeats)
    return figures + _apgr("mmlu subjects held out", "mmlu", 0.63, group_folds, options.repeats)


def _apgr(name: str, data: str, goal: float, split: Callable[[Graded, int, int], Folds], repeats: int) -> list[Figure]:
    rows, numbers = routellm(data)
    found: dict[Kind, list[tuple[float, float, float]]] = {"knn": [], "stack": [], "logistic": [], "boosting": []}
    for seed in range(100, 100 + repeats):
        folds = split(rows, 5, seed)
        for fold in range(5):
            test = folds == fold
            guard(rows.take(~test), rows.take(test))
            learned = numbers.take(~test)
            arrays = fit(learned.surface, learned.embeddings, learned.labels, seed=seed)
            asked = numbers.take(test)
            cheap, dear = asked.labels.T
            scorer = Scorer(arrays, "stack")
            seen = scorer.see(asked.surface, asked.embeddings)
            for kind in found:
                quality = scorer.quality(seen, kind)
                gap = quality[:, 1] - quality[:, 0]
                found[kind].append((apgr(gap, cheap, dear), cpt(gap, cheap, dear, 0.5), cpt(gap, cheap, dear, 0.8)))
    figures: list[Figure] = []
    for kind, values in found.items():
        mean = np.mean(values, axis=0)
        note = f"{interval([value[0] for value in values])}; CPT50 {mean[1]:.1%}, CPT80 {mean[2]:.1%}"
        figures.append(show(Figure(f"{name}: {kind}", float(mean[0]), "APGR", goal if kind == "stack" else None, at_most=False, note=note)))
    return figures


# --- pairs ----------------------------------------------------------------------------------------------------------------------------


@cache
def pair_rows(pair: Pair) -> tuple[Graded, Matrix]:
    rows, _ = for_pair(graded(pair.data), (pair.cheap, pair.dear, pair.second))
    known = ~np.isnan(rows.costs).any(axis=1)
    answered = np.array([rows.answers[pair.cheap][at] is not None and rows.answers[pair.second][at] is not None for at in range(len(rows))])
    rows = rows.take(known & answered)
    return rows, matrix(rows, TOKENS, cheap=pair.cheap, second=pair.second)


@cache
def out_of_fold(pair: Pair) -> tuple[dict[str, Gaps], Floats, Floats]:
    """Gaps by kind, scores and costs; once for all sections, because they take minutes."""
    rows, numbers = pair_rows(pair)
    found = cross_gaps(numbers, random_folds(rows, 5, 100), ("knn", "stack"), seed=100)
    return dict(found), numbers.labels[:, :2], rows.costs


def frontier(gaps: Gaps, scores: Floats, costs: Floats) -> Frontier:
    """Route before, cascade after, and expensive-always: the best of the three at every quality."""
    both = [setting for way in ("route", "cascade") for setting in settings_of(way, gaps, costs, 200)]
    return Frontier(np.array([one.cost for one in both]), np.array([served(one.found, scores).sum() for one in both]) / scores[:, 1].sum())


def pairs_section(_: argparse.Namespace) -> list[Figure]:
    print("\nCost at a share of the expensive model's quality, as a share of its cost: out of fold, best cut in hindsight for every row alike")
    saved: dict[tuple[str, float], float] = {}
    total, figures, cascade_wins = 0.0, [], {0.99: 0}
    for pair in PAIRS:
        found, scores, costs = out_of_fold(pair)
        dear = float(costs[:, 1].sum())
        total += dear
        ours, knn = frontier(found["stack"], scores, costs), route_frontier(found["knn"].before, scores, costs[:, :2])
        router = route_frontier(found["stack"].before, scores, costs[:, :2])
        alone = frontier(replace(found["stack"], agreed=None), scores, costs)
        oracle = route_frontier(scores[:, 1] - scores[:, 0], scores, costs[:, :2])
        ratio = costs[:, 1].mean() / costs[:, 0].mean()
        print(f"  {pair.name} ({ratio:.1f}x, {len(scores)} prompts, quality {scores[:, 0].mean():.3f} -> {scores[:, 1].mean():.3f})")
        for name, curve in (
            ("kNN alone", knn),
            ("router (stack)", router),
            ("with cascade on one answer", alone),
            ("with agreement", ours),
            ("oracle", oracle),
        ):
            print(f"    {name:<28}" + "".join(f"{share:.0%}: {curve.cost_at(share):6.3f}   " for share in FLOORS))
        print(
            f"    {'random mix':<28}" + "".join(f"{share:.0%}: {random_cost_at(scores, costs[:, :2], share):6.3f}   " for share in FLOORS), flush=True
        )
        for share in (0.97, 0.99):
            for name, curve in (("ours", ours), ("knn", knn)):
                saved[name, share] = saved.get((name, share), 0.0) + (1 - curve.cost_at(share)) * dear
        part = ours.cost_at(0.99) / router.cost_at(0.99)
        cascade_wins[0.99] += part <= 0.7
        figures.append(Figure(f"cascade / router cost at 99 %, {pair.name}", part, "ratio", None))
    for share in (0.97, 0.99):
        ours, knn = saved["ours", share] / total, saved["knn", share] / total
        note = f"saved {ours:.1%} of all pairs' cost, kNN alone {knn:.1%}"
        figures.append(show(Figure(f"mixed traffic, saved at {share:.0%} against kNN alone", ours / knn, "ratio", 1.15, at_most=False, note=note)))
    figures.append(show(Figure("pairs where the cascade costs <= 70 % of the router at 99 %", float(cascade_wins[0.99]), "pairs", 2, at_most=False)))
    return figures


# --- promises -------------------------------------------------------------------------------------------------------------------------


def verdict(setting: Setting | None, gaps: Gaps, scores: Floats, costs: Floats, floor: float) -> tuple[bool, bool, float]:
    """Below the floor on the test split at all; by more than its sampling error; and at what cost."""
    if setting is None:
        return False, False, 1.0
    found = outcome(gaps, setting.dials)
    z = floor * scores[:, 1] - served(found, scores)
    error = float(z.std(ddof=1)) / np.sqrt(len(z))
    return bool(z.mean() > 0), bool(z.mean() > 1.645 * error), float(spent(found, costs).sum() / costs[:, 1].sum())


def by_plain_bound(gaps: Gaps, scores: Floats, costs: Floats, floor: float, way: Any) -> Setting | None:
    """The cheapest setting whose normal lower bound holds, tried all."""
    settings = settings_of(way, gaps, costs)
    held = [one for one in settings if p_value(floor * scores[:, 1] - served(one.found, scores), floor, bound="normal") <= 0.05]
    return min(held, key=lambda one: one.cost, default=None)


def by_plug_in(gaps: Gaps, scores: Floats, costs: Floats, floor: float, way: Any) -> Setting | None:
    settings = settings_of(way, gaps, costs)
    return min((one for one in settings if served(one.found, scores).sum() >= floor * scores[:, 1].sum()), key=lambda one: one.cost, default=None)


def promise_section(options: argparse.Namespace) -> list[Figure]:
    print(f"\nPromise: floor 97 %, confidence 95 %, {options.splits} halves of each pair; broken at all / beyond the test half's error / cost")
    terms, figures, worst = Terms(), [], 0.0
    for pair in PAIRS:
        found, scores, costs = out_of_fold(pair)
        results: dict[str, list[tuple[bool, bool, float]]] = {}
        random = np.random.default_rng(5)
        for number in range(options.splits):
            order = random.permutation(len(scores))
            known, asked = order[: len(order) // 2], order[len(order) // 2 :]
            ours, knn = wary(found["stack"], terms), found["knn"]
            a, b = ours.take(known), ours.take(asked)
            for bound in ("gaffke", "betting") if number < COMPARED else ("betting",):
                made = promise(a, scores[known], costs[known], replace(terms, bound=bound))
                setting = None if made.dials is None else Setting(made.dials, outcome(a, made.dials), 0.0)
                seen = b if made.way == "cascade" else replace(b, after=None, agreed=None)
                results.setdefault(f"ours ({bound})", []).append(verdict(setting, seen, scores[asked], costs[asked], 0.97))
            plain = by_plain_bound(a, scores[known], costs[known], 0.97, made.way if made.way != "expensive" else "route")
            results.setdefault("plain lower bound, same router", []).append(verdict(plain, seen, scores[asked], costs[asked], 0.97))
            before, later = (replace(knn.take(part), after=None, agreed=None) for part in (known, asked))
            for name, rule in (("plain lower bound, kNN alone", by_plain_bound), ("plug-in threshold, kNN alone", by_plug_in)):
                setting = rule(before, scores[known], costs[known], 0.97, "route")
                results.setdefault(name, []).append(verdict(setting, later, scores[asked], costs[asked], 0.97))
        print(f"  {pair.name}")
        means = {name: np.mean(values, axis=0) for name, values in results.items()}
        for name, (below, beyond, cost) in means.items():
            print(f"    {name:<34} {below:6.1%} {beyond:6.1%} {cost:6.3f}", flush=True)
        worst = max(worst, float(means["ours (betting)"][1]))
        dearer = float(means["ours (betting)"][2] - means["plain lower bound, same router"][2])
        figures.append(show(Figure(f"dearer than the plain bound on the same router, {pair.name}", dearer * 100, "points", 0.0)))
        against = float(means["ours (betting)"][2] - means["plain lower bound, kNN alone"][2])
        figures.append(show(Figure(f"dearer than the plain bound on kNN alone, {pair.name}", against * 100, "points", 0.0)))
        figures.append(Figure(f"cost under promise, {pair.name}", float(means["ours (betting)"][2]), "ratio", 1.0))
    figures.append(show(Figure("splits that break the promise beyond sampling error, worst pair", worst * 100, "%", 5.0)))
    return figures


def shift_section(_: argparse.Namespace) -> list[Figure]:
    print("\nPromise under shift: trained and certified without a task or a fifth of the subjects, then met only by these")
    broken = noticed = trials = 0
    for pair in (PAIRS[0], PAIRS[1], PAIRS[3], PAIRS[4], PAIRS[5], PAIRS[6]):
        rows, numbers = pair_rows(pair)
        count = 3 if pair.data == "zeroeval" else 5
        folds = group_folds(rows, count, 100)
        for fold in range(count):
            test = folds == fold
            known = numbers.take(~test)
            terms = Terms()
            inner = wary(cross_gaps(known, random_folds(rows.take(~test), 3, 100), ("stack",), seed=100)["stack"], terms)
            made = promise(inner, known.labels[:, :2], rows.costs[~test], terms)
            strange = gaps(fit_all(known, seed=100), numbers.take(test), "stack")
            watch = Watch()
            assert strange.familiarity is not None
            for value in strange.familiarity[np.random.default_rng(0).permutation(len(strange.familiarity))][:WINDOW]:
                watch.note(float(value))
            far = watch.shifted
            seen = wary(strange, terms)
            seen = seen if made.way == "cascade" else replace(seen, after=None, agreed=None)
            setting = None if made.dials is None or far else Setting(made.dials, outcome(seen, made.dials), 0.0)
            _, beyond, cost = verdict(setting, seen, numbers.labels[test][:, :2], rows.costs[test], 0.97)
            trials, broken, noticed = trials + 1, broken + beyond, noticed + far
            held = ", ".join(sorted({group for group, out in zip(rows.groups, test, strict=True) if out}))[:44]
            print(
                f"    {pair.name[:62]:<62} {held:<44} {'to expensive' if setting is None else f'{cost:.2f}':<12} {'BROKEN' if beyond else ''}",
                flush=True,
            )
    note = f"{broken} of {trials}; noticed within {FEWEST} to {WINDOW} prompts and sent to expensive: {noticed}"
    return [show(Figure("promises broken beyond sampling error on held-out tasks and subjects", broken / trials * 100, "%", 10.0, note=note))]


# --- time -----------------------------------------------------------------------------------------------------------------------------


def time_section(_: argparse.Namespace) -> list[Figure]:

    print("\nTime")
    rows, numbers = routellm("mmlu")
    started, cpu = time.perf_counter(), time.process_time()
    arrays = fit_all(numbers)
    for kind in ("stack",):
        cross_gaps(numbers, random_folds(rows, 5, 0), (kind,))
    wall, spent_s = time.perf_counter() - started, time.process_time() - cpu
    figures = [
        show(Figure(f"training on {len(rows)} prompts, five folds and the final fit", spent_s, "s CPU", 180.0, note=f"{wall:.0f} s by the clock"))
    ]
    for size in (1000, 5000):
        some = np.sort(np.random.default_rng(0).permutation(len(rows))[:size])
        figures += [show(figure) for figure in decision_times(fit_all(numbers.take(some)), rows.take(some))[:1]]
    return figures + [show(figure) for figure in decision_times(arrays, rows)]


SECTIONS: dict[str, Callable[[argparse.Namespace], list[Figure]]] = {
    "apgr": apgr_section,
    "pairs": pairs_section,
    "several": several_section,
    "promise": promise_section,
    "shift": shift_section,
    "unfamiliar": unfamiliar_section,
    "arena": arena_section,
    "time": time_section,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--splits", type=int, default=200)
    options = parser.parse_args()
    for name in options.sections or SECTIONS:
        figures = SECTIONS[name](options)
        save(f"route-{name}", figures, None)
    missed = [row for file in sorted(OUT.glob("route-*.json")) for row in json.loads(file.read_text())["figures"] if not row["met"]]
    print("\nMissed:" if missed else "\nAll met.")
    for row in missed:
        print(f"  {row['name']}: {row['value']:.3f} (goal {row['goal']})")


if __name__ == "__main__":
    main()
