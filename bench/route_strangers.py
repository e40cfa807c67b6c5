"""Whether traffic that nothing was learned about is noticed. Sections of bench/route.py."""

import argparse
from collections import Counter

import numpy as np

from _harness import Figure
from _routing import TOKENS, graded, show
from farthing.brain.route.learned.base import Floats
from farthing.brain.route.learned.scorer import Scorer
from farthing.brain.route.learned.watch import FEWEST, Watch
from farthing.lab.router.fit import fit
from farthing.lab.router.folds import random_folds
from farthing.lab.router.graded import for_pair
from farthing.lab.router.matrix import Matrix, matrix


def auroc(inside: Floats, outside: Floats) -> float:
    ranks = np.argsort(np.argsort(np.concatenate([inside, outside]), kind="stable"), kind="stable")
    return 1.0 - float((ranks[len(inside) :].mean() - (len(outside) - 1) / 2) / len(inside))


def unfamiliar_section(_: argparse.Namespace) -> list[Figure]:
    print("\nUnfamiliar traffic: familiarity of a held-out task against unseen prompts of the trained ones")
    rows = graded("zeroeval")
    numbers = matrix(rows, TOKENS, cheap="")
    figures = [_stranger(f"zeroeval without {task}", numbers, np.array(rows.groups), task, goal=0.9) for task in sorted(set(rows.groups))]
    more = graded("routellm")
    wide = matrix(more, TOKENS, cheap="")
    kinds = np.array([name.partition("/")[0] for name in more.ids])
    sample = np.sort(np.random.default_rng(0).permutation(len(more))[:6000])
    both = Matrix(
        surface=np.concatenate([numbers.surface, wide.surface[sample]]),
        embeddings=np.concatenate([numbers.embeddings, wide.embeddings[sample]]),  # pyright: ignore[reportArgumentType, reportOptionalSubscript]
        labels=np.zeros((len(numbers) + len(sample), 2)),
    )
    names = np.concatenate([np.array(rows.groups), np.where(kinds[sample] == "gsm8k", "gsm", kinds[sample])])
    tasks = ("gsm", "math-l5", "crux", "mmlu", "mtbench")
    _say_who_is_near(both, names, np.array([*rows.groups, *(more.groups[at] for at in sample)]), "gsm")
    return figures + [_stranger(f"all sets without {task}", both, names, task, goal=0.9) for task in tasks]


def _say_who_is_near(numbers: Matrix, tasks: np.ndarray, groups: np.ndarray, task: str) -> None:
    """Whether a task that is not noticed has its like among the others."""
    assert numbers.embeddings is not None
    own, away = (tasks != task) & (tasks != "mtbench"), tasks == task
    near = np.argsort(-(numbers.embeddings[away] @ numbers.embeddings[own].T), axis=1)[:, :5]
    found = Counter(groups[own][near].ravel().tolist())
    print(f"  five nearest to {task}: " + ", ".join(f"{name} {count / near.size:.0%}" for name, count in found.most_common(4)), flush=True)


def _stranger(name: str, numbers: Matrix, groups: np.ndarray, task: str, *, goal: float) -> Figure:
    random = np.random.default_rng(1)
    own = np.flatnonzero((groups != task) & (groups != "mtbench"))
    random.shuffle(own)
    train, unseen = numbers.take(own[: len(own) * 3 // 4]), numbers.take(own[len(own) * 3 // 4 :])
    arrays = fit(train.surface, train.embeddings, np.random.default_rng(0).random((len(train), 2)))
    scorer = Scorer(arrays, "knn")
    away = numbers.take(np.flatnonzero(groups == task))
    inside, outside = (scorer.score(part.surface, part.embeddings)[2] for part in (unseen, away))
    noted = f"under the 1 % cut: {np.mean(inside < 0.01):.1%} of the trained, {np.mean(outside < 0.01):.1%} of the held out"
    return show(Figure(name, auroc(inside, outside), "AUROC", goal, at_most=False, note=noted))


def arena_section(_: argparse.Namespace) -> list[Figure]:
    print("\nRouterArena (sub10; never trained on): a router of zeroeval meets prompts of other kinds")
    model = "claude-3-haiku-20240307"
    rows, _ = for_pair(graded("zeroeval"), (model, "claude-3-5-sonnet-20241022"))
    other = graded("routerarena_sub10")
    known, asked = matrix(rows, TOKENS, cheap=""), matrix(other, TOKENS, cheap="")
    held = random_folds(rows, 4, 100) == 0
    learned = known.take(~held)
    scorer = Scorer(fit(learned.surface, learned.embeddings, learned.labels), "stack")
    inside = scorer.score(known.surface[held], known.take(held).embeddings)[2]
    quality, _, outside = scorer.score(asked.surface, asked.embeddings)
    right = other.scores[:, other.models.index(model)] >= 0.5
    watch = Watch()
    for value in outside[np.random.default_rng(0).permutation(len(outside))][:FEWEST]:
        watch.note(float(value))
    noted = f"under the 1 % cut: {np.mean(outside < 0.01):.0%}; as a whole noticed within {FEWEST} prompts: {'yes' if watch.shifted else 'no'}"
    return [
        show(Figure("RouterArena noticed as unfamiliar", auroc(inside, outside), "AUROC", 0.9, at_most=False, note=noted)),
        show(Figure("RouterArena: is claude-3-haiku right, by a router of zeroeval", auroc(quality[~right, 0], quality[right, 0]), "AUROC", None,
                    note="0.5 is chance: why unfamiliar traffic goes to the expensive tier")),
    ]  # fmt: skip
