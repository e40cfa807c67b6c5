"""Three models: trained, certified and served as one choice, and cheaper than either pair."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from farthing.brain.route.base import Judged
from farthing.brain.route.learned.artefact import Artefact, assemble, load, save
from farthing.brain.route.learned.router import LearnedRouter
from farthing.core.request import Turn
from farthing.lab.router.card import card_lines, page
from farthing.lab.router.crossfit import gaps
from farthing.lab.router.evaluate import evaluation_lines
from farthing.lab.router.graded import Graded, for_pair
from farthing.lab.router.matrix import matrix, signals_of
from farthing.lab.router.promise import Terms
from farthing.lab.router.sums import outcome, served
from farthing.lab.router.train import Plan, Trained, train
from tests.lab.router.samples import WordTokens

MINI, MID, LARGE = "mini", "mid", "large"
TOPICS = ("capital of", "translate the word", "prove the theorem about")
CHANCES = np.array([[0.96, 0.96, 0.96], [0.3, 0.94, 0.95], [0.1, 0.3, 0.9]])  # by topic: mini, mid, large
PLAN = Plan(cheap=MINI, reference=LARGE, others=(MID,), folds=3, terms=Terms(floor=0.95), embedder="fake:1")


@cache
def three(count: int, seed: int = 0) -> Graded:
    random = np.random.default_rng(seed)
    topics = random.integers(0, 3, count)
    vectors = np.random.default_rng(7).normal(size=(3, 16))[topics] + random.normal(scale=0.3, size=(count, 16))
    return Graded(
        ids=tuple(f"p{at}" for at in range(count)),
        prompts=tuple((Turn("user", f"{TOPICS[topic]} thing number {at} of {seed}?"),) for at, topic in enumerate(topics)),
        groups=tuple(TOPICS[topic] for topic in topics), endpoints=("*",) * count, models=(LARGE, MID, MINI),
        scores=(random.random((count, 3)) < CHANCES[topics][:, ::-1]).astype(float), costs=np.tile([20.0, 4.0, 1.0], (count, 1)),
        embeddings=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
    )  # fmt: skip


@cache
def trained() -> Trained:
    return train(three(1500), PLAN, WordTokens())


def test_three_models_cost_less_than_two_at_the_same_floor() -> None:
    made = trained()
    assert made.header.candidates == (MINI, MID, LARGE)
    assert made.header.cost_ratios == (0.05, 0.2, 1.0)
    promised = made.header.promises["*"]
    pair = train(three(1500), replace(PLAN, others=()), WordTokens()).header.promises["*"]
    assert (promised.way, pair.way) == ("choose", "route")
    assert promised.cost_ratio < pair.cost_ratio - 0.1
    assert made.costs_at_floor["choose"] < min(made.costs_at_floor[kind] for kind in ("knn", "logistic", "boosting", "stack"))


def test_the_promise_of_a_choice_holds_on_prompts_never_seen() -> None:
    made = trained()
    rows, _ = for_pair(three(4000, 9), made.header.models)
    seen = matrix(rows, WordTokens(), cheap=MINI)
    dials, artefact = made.header.promises["*"].dials, _artefact(made)
    assert dials is not None
    found = outcome(gaps(made.arrays, seen, made.header.kind), dials, artefact.pool)
    assert set(np.unique(found.column)) == {0, 1, 2}
    assert served(found, seen.labels).sum() / seen.labels[:, 1].sum() >= 0.95
    assert "kept" in evaluation_lines(artefact, three(4000, 9), WordTokens())[-1]


def test_the_gateway_chooses_as_training_did_and_says_among_what(tmp_path: Path) -> None:
    made = trained()
    save(tmp_path / "router.npz", made.header, made.arrays)
    router = LearnedRouter(load(tmp_path / "router.npz"))
    rows, _ = for_pair(three(60, 5), made.header.models)
    dials = made.header.promises["*"].dials
    assert dials is not None
    expected = outcome(gaps(made.arrays, matrix(rows, WordTokens(), cheap=MINI), made.header.kind), dials, _artefact(made).pool).column
    assert rows.embeddings is not None
    for at, prompt in enumerate(rows.prompts):
        judged = router.judge(prompt, signals_of(prompt, WordTokens()), rows.embeddings[at], endpoint="default")
        if "unlike" in judged.reason:
            continue
        assert judged.model == made.header.models[expected[at]]
        assert judged.tier == ("expensive" if judged.model == LARGE else "cheap")
        assert f"{judged.model} loses" in judged.reason
        assert all(f"{model} 0." in judged.reason for model in (MINI, MID))
    assert "chooses among: mini (5%), mid (20%), large (100%) of the expensive model's cost" in card_lines(made.header)
    assert "choose" in page(made)


def test_a_candidate_as_dear_as_the_reference_is_none() -> None:
    dear = three(400)
    costs = dear.costs.copy()
    costs[:, 1] = 25.0
    assert train(replace(dear, costs=costs), PLAN, WordTokens()).header.candidates == ()


def test_exploring_takes_the_best_of_the_cheaper_ones_within_what_is_to_spare() -> None:
    made = trained()
    promised = made.header.promises["*"]
    assert promised.dials is not None
    careful = replace_promise(made, least_ratio=0.97, price=0.0001)
    router = LearnedRouter(careful, explore=0.2)
    rows, _ = for_pair(three(300, 6), made.header.models)
    assert rows.embeddings is not None
    hard = [at for at, group in enumerate(rows.groups) if group == TOPICS[2]]
    went: list[Judged] = []
    for at in hard:
        signals = signals_of(rows.prompts[at], WordTokens())
        went.append(router.judge(rows.prompts[at], signals, rows.embeddings[at], endpoint="x", request_id=str(at)))
    went = [one for one in went if one.tier == "cheap" and "explored" in one.reason]
    assert went
    assert {one.model for one in went} == {MID}
    assert all(one.propensity * one.gap <= 0.02 + 1e-9 for one in went)


def _artefact(made: Trained) -> Artefact:
    return assemble(made.header, made.arrays)


def replace_promise(made: Trained, *, least_ratio: float, price: float) -> Artefact:
    one = made.header.promises["*"]
    assert one.dials is not None
    promised = msgspec.structs.replace(one, least_ratio=least_ratio, dials=msgspec.structs.replace(one.dials, price=price))
    return assemble(msgspec.structs.replace(made.header, promises={"*": promised}, unfamiliar_below=0.0), made.arrays)
