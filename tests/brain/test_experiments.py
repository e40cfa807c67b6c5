"""Experiments: runs split over arms, and what is different in each."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from farthing.assemble import build_house
from farthing.brain.cache import CacheLever
from farthing.brain.experiments import overlay, pick
from farthing.brain.flow import journey
from farthing.config import Arm, Config, Endpoint, Experiment, Service, Tiers
from tests.brain.quality.rig import said
from tests.brain.world import World

HALVES = Experiment(arms={"control": Arm(share=0.5, levers_off=("route",)), "cheap": Arm(share=0.5, rules=(), otherwise="cheap")})
RUNS = [f"run_{number}" for number in range(4000)]


def test_runs_are_split_by_their_shares_and_stay_where_they_are() -> None:
    arms = {"a": Arm(share=0.1), "b": Arm(share=0.3)}
    found = [pick({"x": Experiment(arms=arms)}, "faq", run) for run in RUNS]
    assert found == [pick({"x": Experiment(arms=arms)}, "faq", run) for run in RUNS]
    counts = Counter(found)
    assert counts["x=a"] == pytest.approx(400, rel=0.2)
    assert counts["x=b"] == pytest.approx(1200, rel=0.1)
    assert counts[None] == pytest.approx(2400, rel=0.1)


def test_two_experiments_are_split_apart_from_each_other() -> None:
    pairs = Counter((pick({"x": HALVES}, "faq", run), pick({"y": HALVES}, "faq", run)) for run in RUNS)
    assert all(count == pytest.approx(1000, rel=0.15) for count in pairs.values())


def test_the_first_experiment_that_has_the_endpoint_takes_the_run() -> None:
    experiments = {"faq only": Experiment(arms={"a": Arm(share=0.0001), "b": Arm(share=0.0001)}, endpoints=("faq",)), "rest": HALVES}
    assert {pick(experiments, "faq", run) for run in RUNS[:500]} <= {None, "faq only=a", "faq only=b"}
    assert {pick(experiments, "other", run) for run in RUNS[:500]} == {"rest=control", "rest=cheap"}
    assert pick({}, "faq", "run") is None


def test_an_arm_changes_what_it_names_and_nothing_else() -> None:
    config = Config(
        tiers=Tiers(cheap=("small",), expensive=("big",)),
        endpoints={"faq": Endpoint(levers_off=("diet",), system="Be brief."), "other": Endpoint()},
    )
    inside = overlay(config, Experiment(endpoints=("faq",)), Arm(share=1, levers_off=("cache",), cheap=("tiny",), max_output_tokens=9))
    assert (inside.tiers.cheap, inside.tiers.expensive, inside.route) == (("tiny",), ("big",), config.route)
    assert inside.endpoint("faq") == Endpoint(levers_off=("cache",), system="Be brief.", max_output_tokens=9)
    assert inside.endpoint("other") == Endpoint()
    everywhere = overlay(config, Experiment(), Arm(share=1, levers_off=()))
    assert (everywhere.endpoint("faq").levers_off, everywhere.endpoint("unheard of").levers_off) == ((), ())


class Split(World):
    """A world whose house has arms."""

    def __init__(self, **experiments: Experiment) -> None:
        super().__init__([said("words", model="small")], experiments=experiments)
        self.house = build_house(
            self.config,
            clock=self.clock,
            book=self.book,
            models=self.models,
            tokens=self.house.tokens,
            cache=CacheLever(self.config.cache),
        )

    def ask(self, run: str, text: str = "What is a farthing?", **fields: Any) -> Any:
        body = {"model": "farthing/auto", "temperature": 0, "messages": [{"role": "user", "content": text}]}
        x = self.exchange(json.dumps(body).encode(), run_id=run, **fields)
        asyncio.run(journey(x, self.house, self.caller()))
        return x


def test_each_run_is_served_as_its_arm_says_and_its_rows_name_it() -> None:
    world = Split(price=HALVES)
    tiers = {run: world.ask(run).target.tier for run in RUNS[:40]}
    arms = {run: pick({"price": HALVES}, "default", run) for run in tiers}
    assert {run: "cheap" if arm == "price=cheap" else "expensive" for run, arm in arms.items()} == tiers
    assert [row.experiment for row in world.book.rows] == list(arms.values())


def test_arms_do_not_answer_each_other_from_the_cache() -> None:
    world = Split(price=HALVES)
    served = [world.ask(run) for run in RUNS[:40]]
    assert sum(x.cache == "miss" for x in served) == 2
    assert {x.inbound.experiment for x in served if x.cache == "miss"} == {"price=control", "price=cheap"}
    assert world.ask("x", endpoint="elsewhere").cache == "miss"


def test_nobody_takes_part_where_no_experiment_is() -> None:
    world = Split()
    assert world.house.arms is None
    assert world.ask("run").inbound.experiment is None


def test_the_services_of_an_arm_are_those_of_the_house() -> None:
    config = Config(services={"openai": Service(base_url="http://x/v1")}, tiers=Tiers(cheap=("a",), expensive=("b",)), experiments={"x": HALVES})
    assert overlay(config, HALVES, HALVES.arms["cheap"]).services == config.services
    assert overlay(config, HALVES, HALVES.arms["cheap"]).experiments == {}
