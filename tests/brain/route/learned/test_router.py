"""A trained router at work: its line, and all that it sends to the expensive tier because it cannot promise it."""

import logging
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from farthing.brain.route.cascade.answers import Read
from farthing.brain.route.learned.artefact import Artefact, assemble, save
from farthing.brain.route.learned.base import Dials, Promise
from farthing.brain.route.learned.desk import open_desk
from farthing.brain.route.learned.router import LearnedRouter, draw
from farthing.brain.route.learned.watch import FEWEST, Watch
from farthing.config import LearnedRoute
from farthing.core.exchange import Target
from farthing.lab.router.crossfit import gaps
from farthing.lab.router.matrix import matrix, signals_of
from farthing.lab.router.promise import Terms
from farthing.lab.router.train import Plan, Trained, train
from tests.lab.router.samples import CHEAP, DEAR, SECOND, WordTokens, graded


@cache
def trained() -> Trained:
    return train(graded(1200), Plan(cheap=CHEAP, reference=DEAR, second=SECOND, folds=3, terms=Terms(floor=0.9), embedder="fake:1"), WordTokens())


def artefact(**header: object) -> Artefact:
    made = trained()
    return assemble(msgspec.structs.replace(made.header, **header), made.arrays)


def asked(at: int, router: LearnedRouter, **options: object):
    rows = graded(200, seed=5)
    assert rows.embeddings is not None
    vector = options.pop("vector", rows.embeddings[at])
    signals = options.pop("signals", signals_of(rows.prompts[at], WordTokens()))
    return router.judge(rows.prompts[at], signals, vector, **{"endpoint": "default", **options})  # type: ignore[arg-type]


def one_of(topic: str) -> int:
    return graded(200, seed=5).groups.index(topic)


def test_an_easy_prompt_goes_cheap_and_the_line_says_by_how_much() -> None:
    router = LearnedRouter(artefact(unfamiliar_below=0.0))
    easy, hard = asked(one_of("capital of"), router), asked(one_of("prove the theorem about"), router)
    assert easy.tier == "cheap"
    assert easy.gap < hard.gap
    assert easy.reason.startswith("mini 0.")
    assert "floor 90%, 1200 graded" in easy.reason
    assert asked(one_of("capital of"), router).reason == easy.reason


def test_without_a_promise_an_embedding_or_a_known_language_it_is_expensive() -> None:
    made, signals = trained().header.promises["*"], signals_of(graded(1).prompts[0], WordTokens())
    few = msgspec.structs.replace(made, way="expensive", dials=None, reason="12 graded prompts are too few")
    faq: dict[str, Promise] = {"faq": made}
    cases = [
        (LearnedRouter(artefact(promises={"*": few})), {}, "12 graded prompts are too few"),
        (LearnedRouter(artefact(promises=faq)), {}, "no graded prompts for endpoint 'default'"),
        (LearnedRouter(artefact()), {"vector": None}, "no embedding"),
        (LearnedRouter(artefact(languages=("en",))), {"signals": msgspec.structs.replace(signals, language="tr")}, "language 'tr'"),
        (LearnedRouter(artefact(unfamiliar_below=1.1)), {}, "unlike the graded prompts"),
        (LearnedRouter(artefact(promises={"*": msgspec.structs.replace(made, way="cascade")})), {"may_read": False}, "rests on reading"),
    ]
    for router, options, reason in cases:
        judged = asked(one_of("capital of"), router, **options)
        assert judged.tier == "expensive"
        assert reason in judged.reason


def test_traffic_that_changes_as_a_whole_ends_the_promise() -> None:
    router = LearnedRouter(artefact(unfamiliar_below=0.0))
    strange = np.random.default_rng(0).normal(size=16).astype(np.float32)
    reasons = [asked(at % 200, router, vector=strange / np.linalg.norm(strange)).reason for at in range(FEWEST + 5)]
    assert "recent traffic is unlike" in reasons[-1]


def test_even_traffic_never_alarms_and_strange_traffic_soon_does() -> None:
    random = np.random.default_rng(3)
    watch = Watch()
    alarms = 0
    for _ in range(20_000):
        watch.note(float(random.random()))
        alarms += watch.shifted
    assert alarms == 0
    for _ in range(60):
        watch.note(float(random.random() * 0.2))
    assert watch.shifted


def test_cheap_answers_are_kept_or_not_by_what_they_say() -> None:
    made = trained().header.promises["*"]
    router = LearnedRouter(artefact(promises={"*": msgspec.structs.replace(made, way="cascade", dials=Dials(0.9, -0.9, 0.9, 0.1))}))
    judged = asked(one_of("integrate the function"), router)
    assert judged.dials is not None
    answer = Read("The answer is 42.")
    assert router.read(judged, "x", answer).action == "ask"
    agreed, differed = router.read(judged, "x", answer, "The answer is 42."), router.read(judged, "x", answer, "The answer is 7777.")
    assert "nano agrees" in agreed.reason
    assert "nano differs" in differed.reason
    assert float(agreed.reason.split()[3]) < float(differed.reason.split()[3])


def test_exploration_spends_only_what_the_promise_has_to_spare() -> None:
    made = trained().header.promises["*"]
    assert made.dials is not None
    tight = msgspec.structs.replace(made, way="route", dials=msgspec.structs.replace(made.dials, before=-9.0), floor=0.9, least_ratio=0.9)
    hard = one_of("prove the theorem about")
    for number in range(50):
        assert asked(hard, LearnedRouter(artefact(promises={"*": tight}), explore=0.2), request_id=str(number)).tier == "expensive"
    loose = artefact(promises={"*": msgspec.structs.replace(tight, least_ratio=0.95)})
    found = [asked(hard, LearnedRouter(loose, explore=0.2), request_id=str(number)) for number in range(400)]
    cheap = [one for one in found if one.tier == "cheap"]
    assert 0 < len(cheap) < 120
    assert all(one.propensity * one.gap <= 0.05 + 1e-9 for one in cheap)
    assert all(abs(one.propensity - (1 - cheap[0].propensity)) < 1e-9 for one in found if one.tier == "expensive")
    assert draw("a") == draw("a") != draw("b")


class Catalog:
    def __init__(self, cheap: str = CHEAP) -> None:
        self._cheap = cheap

    def tier(self, name: str) -> tuple[Target, ...]:
        return (Target("s", self._cheap if name == "cheap" else DEAR, name),)


class Embedder:
    id = "fake:1"

    async def embed(self, text: str) -> np.ndarray:
        raise AssertionError(text)


def test_a_router_that_does_not_fit_the_gateway_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = tmp_path / "router.npz"
    save(place, trained().header, trained().arrays)
    config = LearnedRoute(artefact=str(place))
    assert open_desk(config, Catalog(), Embedder()).problem is None  # type: ignore[arg-type]
    other = type("Other", (Embedder,), {"id": "fake:2"})()
    with caplog.at_level(logging.ERROR):
        assert "trained on embeddings of fake:1" in str(open_desk(config, Catalog(), other).problem)  # type: ignore[arg-type]
        assert "trained for mini, which is not in `tiers.cheap`" in str(open_desk(config, Catalog("tiny"), Embedder()).problem)  # type: ignore[arg-type]
        place.write_bytes(b"torn")
        assert "cannot be read" in str(open_desk(config, Catalog(), Embedder()).problem)  # type: ignore[arg-type]
    assert len(caplog.records) == 3


def test_all_houses_of_a_process_share_one_artefact_until_its_file_changes(tmp_path: Path) -> None:
    place = tmp_path / "router.npz"
    save(place, trained().header, trained().arrays)
    config = LearnedRoute(artefact=str(place))
    one, other = (open_desk(config, Catalog(), Embedder()) for _ in range(2))  # type: ignore[arg-type]
    assert one._router is not other._router  # pyright: ignore[reportPrivateUsage]
    assert one._router._artefact is other._router._artefact  # type: ignore[union-attr]
    save(place, msgspec.structs.replace(trained().header, version="newer"), trained().arrays)
    assert open_desk(config, Catalog(), Embedder())._router.header.version == "newer"  # type: ignore[arg-type, union-attr]


def test_a_candidate_that_no_tier_has_is_a_router_that_does_not_fit(tmp_path: Path) -> None:
    place = tmp_path / "router.npz"
    header = msgspec.structs.replace(trained().header, candidates=(CHEAP, SECOND, DEAR), cost_ratios=(0.05, 0.1, 1.0))
    save(place, header, trained().arrays)
    problem = open_desk(LearnedRoute(artefact=str(place)), Catalog(), Embedder()).problem  # type: ignore[arg-type]
    assert "trained for nano, which is not in `tiers.cheap`" in str(problem)


def test_prompts_are_judged_by_the_same_numbers_as_in_training() -> None:
    made = trained()
    rows = graded(30, seed=5)
    seen = gaps(made.arrays, matrix(replace(rows, answers={}), WordTokens(), cheap=CHEAP), made.header.kind)
    router = LearnedRouter(artefact(unfamiliar_below=0.0))
    for at in range(30):
        judged = asked_of(rows, at, router)
        assert judged.gap == pytest.approx(seen.before[at], abs=1e-5)


def asked_of(rows, at: int, router: LearnedRouter):
    assert rows.embeddings is not None
    return router.judge(rows.prompts[at], signals_of(rows.prompts[at], WordTokens()), rows.embeddings[at], endpoint="default")
