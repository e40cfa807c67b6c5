"""Training end to end on prompts whose difficulty is known, and what is promised on them."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from farthing.brain.route.learned.artefact import ArtefactUnusable, assemble, load, save
from farthing.brain.route.learned.base import Header
from farthing.lab.router.card import card_lines, page
from farthing.lab.router.crossfit import cross_gaps, gaps
from farthing.lab.router.folds import random_folds
from farthing.lab.router.frontier import apgr, cpt, random_cost_at, route_frontier
from farthing.lab.router.graded import GradesUnusable, for_pair
from farthing.lab.router.matrix import matrix
from farthing.lab.router.promise import Terms, promise, settings_of
from farthing.lab.router.shelf import NothingToRollBack, promote, rollback
from farthing.lab.router.sums import outcome, served
from farthing.lab.router.train import Plan, Trained, train
from tests.lab.router.samples import CHEAP, DEAR, SECOND, WordTokens, graded

PLAN = Plan(cheap=CHEAP, reference=DEAR, second=SECOND, folds=3, terms=Terms(floor=0.9))


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(graded(1200), PLAN, WordTokens())


def test_the_winner_beats_chance_and_promises_something(trained: Trained) -> None:
    made = trained.header.promises["*"]
    assert trained.recovered[trained.header.kind] > 0.6
    assert trained.costs_at_floor[trained.header.kind] < trained.costs_at_floor["random"]
    assert made.dials is not None
    assert made.least_ratio is not None
    assert made.least_ratio >= 0.9
    assert made.cost_ratio < 0.8


def test_the_promise_holds_on_prompts_never_seen(trained: Trained) -> None:
    rows, _ = for_pair(graded(3000, seed=9), trained.header.models)
    seen = matrix(rows, WordTokens(), cheap=CHEAP, second=SECOND)
    found = gaps(trained.arrays, seen, trained.header.kind)
    made = trained.header.promises["*"]
    asked = found if made.way == "cascade" else replace(found, after=None, agreed=None)
    assert made.dials is not None
    quality = served(outcome(asked, made.dials), seen.labels[:, :2]).sum() / seen.labels[:, 1].sum()
    assert quality >= 0.9


def test_training_twice_gives_the_same_router(trained: Trained) -> None:
    again = train(graded(1200), PLAN, WordTokens())
    assert again.header.version == trained.header.version
    assert again.header.promises == trained.header.promises
    assert all((again.arrays[name] == array).all() for name, array in trained.arrays.items())


def test_a_higher_floor_never_serves_less_quality() -> None:
    rows, _ = for_pair(graded(800), (CHEAP, DEAR, SECOND))
    numbers = matrix(rows, WordTokens(), cheap=CHEAP, second=SECOND)
    found = cross_gaps(numbers, random_folds(rows, 3, 0), ("stack",))["stack"]
    for way in ("route", "cascade"):
        settings = settings_of(way, found, rows.costs)
        for tighter, looser in pairwise(settings):
            assert (looser.found.cheap | ~tighter.found.cheap).all()  # what is served cheap only grows
    costs = [promise(found, numbers.labels[:, :2], rows.costs, Terms(floor=floor)).cost_ratio for floor in (0.8, 0.9, 0.95, 0.99)]
    assert costs == sorted(costs)


def test_too_few_grades_say_so_and_promise_the_expensive_tier() -> None:
    made = train(graded(120), replace(PLAN, terms=Terms(floor=0.99)), WordTokens()).header.promises["*"]
    assert (made.way, made.dials, made.cost_ratio) == ("expensive", None, 1.0)
    assert made.reason.startswith("120 graded prompts are too few to promise 99% with 95% confidence; about ")


def test_each_endpoint_has_its_own_promise() -> None:
    one, two = graded(600, endpoint="faq"), graded(150, seed=4, endpoint="agent")
    both = replace(
        one, ids=one.ids + two.ids, prompts=one.prompts + two.prompts, groups=one.groups + two.groups, endpoints=one.endpoints + two.endpoints,
        scores=np.concatenate([one.scores, two.scores]), costs=np.concatenate([one.costs, two.costs]), answers={}, embeddings=None,
    )  # fmt: skip
    made = train(both, replace(PLAN, second=None), WordTokens()).header
    assert set(made.promises) == {"faq", "agent"}
    assert made.promises["agent"].labels == 150
    assert made.dims == 0


def test_one_model_for_both_tiers_and_unknown_costs_are_refused() -> None:
    with pytest.raises(GradesUnusable, match="named as the cheap and as the expensive model"):
        train(graded(), replace(PLAN, cheap=DEAR), WordTokens())
    free = graded()
    free.costs[:, 1] = np.nan
    with pytest.raises(GradesUnusable, match="No cost is known for large"):
        train(free, PLAN, WordTokens())


def test_an_artefact_comes_back_as_it_was(trained: Trained, tmp_path: Path) -> None:
    save(tmp_path / "router.npz", trained.header, trained.arrays)
    back = load(tmp_path / "router.npz")
    rows, _ = for_pair(graded(50, seed=3), trained.header.models)
    seen = matrix(rows, WordTokens(), cheap=CHEAP, second=SECOND)
    before = assemble(trained.header, trained.arrays).scorer.score(seen.surface, seen.embeddings)
    after = back.scorer.score(seen.surface, seen.embeddings)
    assert all((one == other).all() for one, other in zip(before, after, strict=True))
    one_by_one = np.concatenate([back.scorer.score(seen.take(np.array([at])).surface, seen.take(np.array([at])).embeddings)[0] for at in range(50)])
    assert np.allclose(one_by_one, after[0], atol=1e-5)
    assert "cheap mini, expensive large, second opinion nano" in card_lines(back.header)
    assert "<html" in page(trained)


def test_an_interrupted_save_leaves_the_old_router_and_nothing_half_written(trained: Trained, tmp_path: Path) -> None:
    class Interrupted:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise KeyboardInterrupt

    place = tmp_path / "router.npz"
    save(place, trained.header, trained.arrays)
    before = place.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        save(place, trained.header, {**trained.arrays, "zz": Interrupted()})  # type: ignore[dict-item]
    assert place.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["router.npz"]


def test_a_router_of_another_format_or_a_broken_file_is_refused(trained: Trained, tmp_path: Path) -> None:
    fields = {name: getattr(trained.header, name) for name in Header.__struct_fields__}
    save(tmp_path / "old.npz", Header(**{**fields, "format": 0}), trained.arrays)
    with pytest.raises(ArtefactUnusable, match="another version of Farthing"):
        load(tmp_path / "old.npz")
    (tmp_path / "torn.npz").write_bytes((tmp_path / "old.npz").read_bytes()[:4000])
    with pytest.raises(ArtefactUnusable, match="cannot be read"):
        load(tmp_path / "torn.npz")
    save(tmp_path / "short.npz", trained.header, {name: array for name, array in trained.arrays.items() if name != "known"})
    with pytest.raises(ArtefactUnusable, match="cannot be read"):
        load(tmp_path / "short.npz")
    np.savez(tmp_path / "code.npz", header=np.array([object()], dtype=object))
    with pytest.raises(ArtefactUnusable, match="cannot be read"):
        load(tmp_path / "code.npz")
    with pytest.raises(ArtefactUnusable, match="There is no router"):
        load(tmp_path / "none.npz")


def test_promote_puts_a_router_in_place_and_rollback_takes_it_back(trained: Trained, tmp_path: Path) -> None:
    first, second, place = tmp_path / "a.npz", tmp_path / "b.npz", tmp_path / "live" / "router.npz"
    save(first, trained.header, trained.arrays)
    other = train(graded(400, seed=2), PLAN, WordTokens())
    save(second, other.header, other.arrays)
    promote(first, place)
    assert promote(second, place) == load(place).header.version == other.header.version
    assert rollback(place) == load(place).header.version == trained.header.version
    with pytest.raises(NothingToRollBack):
        rollback(place)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(ArtefactUnusable):
        promote(tmp_path / "bad.npz", place)
    assert load(place).header.version == trained.header.version


def test_recovered_gap_is_half_by_chance_and_the_oracle_is_best() -> None:
    random = np.random.default_rng(0)
    cheap, dear = (random.random(4000) < 0.6).astype(float), (random.random(4000) < 0.8).astype(float)
    assert apgr(random.random(4000), cheap, dear) == pytest.approx(0.5, abs=0.04)
    assert apgr(dear - cheap, cheap, dear) > 1
    assert cpt(dear - cheap, cheap, dear, 0.5) < 0.2
    scores, costs = np.stack([cheap, dear], axis=1), np.tile([1.0, 10.0], (4000, 1))
    assert route_frontier(random.random(4000), scores, costs).cost_at(0.9) == pytest.approx(random_cost_at(scores, costs, 0.9), abs=0.1)
    assert route_frontier(dear - cheap, scores, costs).cost_at(0.99) < random_cost_at(scores, costs, 0.99)
