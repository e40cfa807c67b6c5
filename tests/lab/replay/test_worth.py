"""A new router's quality from an old log with exploration, against a world whose truth is known."""

import json
from pathlib import Path

import msgspec
import numpy as np

from farthing.config import Cache, Config, LearnedRoute, Match, Model, Route, Rule, Tiers
from farthing.lab.compare import compare, open_side
from farthing.lab.logs.base import LoggedCall
from farthing.lab.replay.document import as_json
from farthing.lab.replay.figures import figures
from farthing.lab.replay.stage import unexplored
from farthing.lab.replay.table import worth_lines
from tests.lab.replay.logs import BIG, NOON, PRICES, SMALL, call, config, run

# The small model answers what is asked of "easy" well and what is asked of "hard" badly.
QUALITY = {("easy", SMALL): 0.9, ("hard", SMALL): 0.3, ("easy", BIG): 0.95, ("hard", BIG): 0.9}
BY_ENDPOINT = (Rule(name="easy", tier="cheap", when=Match(endpoint=("easy",))),)


def log(seed: int, count: int = 300, *, explore: float = 0.3) -> list[LoggedCall]:
    """Everything goes to the big model but for a share that chance sends to the small one."""
    random = np.random.default_rng(seed)
    calls: list[LoggedCall] = []
    for number in range(count):
        endpoint = "easy" if random.random() < 0.5 else "hard"
        small = random.random() < explore
        model = SMALL if small else BIG
        calls.append(
            call(
                f"question {number} of {seed}", model=model, endpoint=endpoint, request_id=f"r{number}", received_at=NOON + number,
                score=float(random.random() < QUALITY[endpoint, model]),
                propensity=(explore if small else 1 - explore) if explore else None,
            )
        )  # fmt: skip
    return calls


def routing(*rules: Rule) -> Config:
    return config(route=Route(rules=rules), cache=Cache(enabled=False))


def test_both_estimates_hold_the_truth_and_the_face_of_the_log_does_not() -> None:
    truth = (QUALITY["easy", SMALL] + QUALITY["hard", BIG]) / 2
    everything_cheap = (QUALITY["easy", SMALL] + QUALITY["hard", SMALL]) / 2
    held = wrong = 0
    for seed in range(10):
        _, new, cheap = figures(run(log(seed), routing(*BY_ENDPOINT), routing(Rule(name="all", tier="cheap"))))
        for lane, right in ((new, truth), (cheap, everything_cheap)):
            assert lane.worth is not None
            assert lane.worth.covered == 1.0
            for found in (lane.worth.doubly_robust, lane.worth.inverse_propensity):
                assert found is not None
                held += found.low <= right <= found.high  # type: ignore[operator]
                wrong += abs(found.value - right) > 0.15
    assert held >= 34  # of 40; 38 expected
    assert wrong == 0


def test_without_chance_or_grades_nothing_is_claimed() -> None:
    _, certain = figures(run(log(0, explore=0.0), routing(*BY_ENDPOINT)))
    assert certain.worth is None
    ungraded = [msgspec.structs.replace(one, score=None) for one in log(0)]
    _, unknown = figures(run(ungraded, routing(*BY_ENDPOINT)))
    assert unknown.worth is None
    assert not list(worth_lines([certain, unknown]))


def test_requests_that_could_not_have_gone_that_way_are_counted() -> None:
    calls = [msgspec.structs.replace(one, propensity=None) if one.endpoint == "easy" and one.model == BIG else one for one in log(1)]
    lanes = figures(run(calls, routing(*BY_ENDPOINT)))
    assert lanes[1].worth is not None
    assert 0.5 < lanes[1].worth.covered < 0.8
    assert "could not have gone that way in the log" in "\n".join(worth_lines(lanes))


def test_a_model_that_the_log_never_chose_is_a_guess_even_where_chance_had_a_part() -> None:
    models = {**PRICES, "third-1": Model(service="openai", input_usd_per_mtok=1.0, output_usd_per_mtok=1.0)}
    third = config(models=models, tiers=Tiers(cheap=("third-1",), expensive=(BIG,)), route=Route(rules=BY_ENDPOINT), cache=Cache(enabled=False))
    lanes = figures(run(log(3), third))
    assert lanes[1].worth is not None
    assert 0.4 < lanes[1].worth.covered < 0.6  # only what is asked of "hard"


def test_two_routers_are_compared_request_by_request(tmp_path: Path) -> None:
    found = run(log(2, 600), routing(*BY_ENDPOINT), routing(Rule(name="all", tier="cheap")))
    path = tmp_path / "a.json"
    path.write_bytes(as_json(found, figures(found)))
    line = next(one for one in compare(open_side(f"{path}#config 1"), open_side(f"{path}#config 2")).lines if one.name == "quality off policy")
    truth = (QUALITY["hard", SMALL] - QUALITY["hard", BIG]) / 2
    assert line.pairs == 600
    assert line.difference.low is not None
    assert line.difference.high is not None
    assert line.difference.low <= truth <= line.difference.high < 0
    document = json.loads(path.read_bytes())
    assert len(document["requests"]["propensity"]) == 600
    assert document["lanes"][1]["worth"]["rewarded"] == 600


def test_a_replayed_router_does_not_explore() -> None:
    exploring = config(route=Route(learned=LearnedRoute(artefact="router.npz", explore=0.1)))
    assert unexplored(exploring).route.learned == LearnedRoute(artefact="router.npz")
