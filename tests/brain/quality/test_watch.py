"""A lever that broke its floor, as requests meet it: down, on trial, and up again."""

import asyncio
from typing import Any

import msgspec

from farthing.config import Endpoint, Quality, Sampling
from farthing.core.errors import StoreUnavailable
from farthing.core.judgement import Stance
from tests.brain.quality.rig import Rig, grades, said

FLOORED: dict[str, Any] = {
    "quality": Quality(judge="big", daily_usd=1000.0, cool_down_s=100.0, trial_share=0.5),
    "sampling": Sampling(judge=1.0),
    "endpoints": {"faq": Endpoint(quality_floor=0.97)},
}


def down(rig: Rig, lever: Any = "route", **fields: Any) -> None:
    now = rig.world.clock.now()
    rig.shelf.known["faq", lever] = msgspec.structs.replace(Stance("down", now, now + 100.0, 100.0, floor=0.97), **fields)
    rig.watch._version = -1  # as if another worker had turned it
    rig.watch.refresh()


def asks(*numbers: int) -> list[dict[str, Any]]:
    return [{"messages": [{"role": "user", "content": f"What is {number}?"}]} for number in numbers]


def test_losses_turn_the_cheap_tier_off_and_every_request_says_why() -> None:
    rig = Rig([said("x")], **FLOORED)
    rig.world.models.scripts = [script for _ in range(60) for script in (said("bad", model="small"), said("good"), grades(2, 9), grades(9, 2))]
    served = rig.serve(*asks(*range(60)), endpoint="faq")
    tiers = [x.target.tier for x in served]
    turned = tiers.index("expensive")
    assert 5 < turned < 40
    assert set(tiers[turned:]) == {"expensive"}
    decision = next(one for one in served[-1].decisions if one.lever == "quality")
    assert (decision.action, "floor of 0.97" in decision.reason) == ("route_down", True)
    assert [turn.phase for turn in rig.shelf.turns] == ["down"]
    assert rig.ears.guarded_as == [("faq", "route", True)]
    assert len(rig.shelf.rows) == turned  # what the expensive tier serves is not judged


def test_other_endpoints_go_on() -> None:
    rig = Rig([said("x", model="small")], **FLOORED)
    down(rig)
    assert rig.serve(*asks(1))[0].target.tier == "cheap"
    assert rig.serve(*asks(1), endpoint="faq")[0].target.tier == "expensive"


def test_a_cheap_answer_in_the_cache_is_not_served_while_the_route_is_down() -> None:
    rig = Rig([said("cheap", model="small"), said("dear")], **{**FLOORED, "sampling": Sampling()})
    first, again = rig.serve(*asks(1, 1), endpoint="faq")
    down(rig)
    (after,) = rig.serve(*asks(1), endpoint="faq")
    assert [(x.cache, x.target.tier) for x in (first, again, after)] == [("miss", "cheap"), ("exact", "cheap"), ("miss", "expensive")]


def test_reuse_that_broke_its_floor_stops() -> None:
    rig = Rig([said("x", model="small")], **{**FLOORED, "sampling": Sampling()})
    down(rig, "cache")
    served = rig.serve(*asks(1, 1), endpoint="faq")
    assert [x.cache for x in served] == ["bypass", "bypass"]
    assert served[0].target.tier == "cheap"


def test_reuse_by_meaning_that_broke_its_floor_leaves_the_stricter_lanes_on() -> None:
    rig = Rig([said("x", model="small")], **{**FLOORED, "sampling": Sampling()})
    before = rig.serve(*asks(1), endpoint="faq")[0]
    down(rig, "semantic")
    same, spelled = rig.serve(
        {"messages": [{"role": "user", "content": "What is 1?"}]}, {"messages": [{"role": "user", "content": "what is 1"}]}, endpoint="faq"
    )
    assert [x.cache for x in (before, same, spelled)] == ["miss", "exact", "normalised"]
    assert {x.inbound.widest_lane for x in (same, spelled)} == {"normalised"}
    assert "semantic_down" in [one.action for one in same.decisions]


def test_after_the_cool_down_a_share_tries_it_and_all_of_that_is_judged() -> None:
    rig = Rig([said("same", model="small")], **{**FLOORED, "sampling": Sampling()})
    down(rig)
    rig.world.clock.advance(100.0)
    served = rig.serve(*asks(*range(40)), endpoint="faq")
    tried = [x for x in served if x.target.tier == "cheap"]
    assert 8 < len(tried) < 32
    assert {row.request_id for row in rig.shelf.rows} == {x.inbound.request_id for x in tried}
    assert {row.sampled for row in rig.world.book.rows} == {None, "judge"}


def test_a_trial_that_holds_brings_it_back() -> None:
    rig = Rig([said("same", model="small")], **FLOORED)
    down(rig)
    rig.world.clock.advance(100.0)
    served = rig.serve(*asks(*range(250)), endpoint="faq")
    assert [turn.phase for turn in rig.shelf.turns] == ["trial", "on"]
    assert {x.target.tier for x in served[-20:]} == {"cheap"}
    assert rig.watch.lowered == {}


def test_a_floor_that_is_taken_away_lets_the_lever_go() -> None:
    rig = Rig([said("x", model="small")], **FLOORED)
    down(rig)
    rig.watch.adopt(msgspec.structs.replace(rig.world.config, endpoints={}))
    assert rig.serve(*asks(1), endpoint="faq")[0].target.tier == "cheap"
    rig.watch.adopt(rig.world.config)
    assert rig.serve(*asks(1), endpoint="faq")[0].target.tier == "expensive"
    rig.watch.adopt(msgspec.structs.replace(rig.world.config, quality=Quality()))
    assert rig.watch.lowered == {}


def test_who_asks_for_the_cheap_tier_gets_it_and_teaches_nothing() -> None:
    rig = Rig([said("bad", model="small"), said("good"), grades(2, 9), grades(9, 2)], **FLOORED)
    down(rig)
    served = rig.serve({"model": "farthing/cheap"}, endpoint="faq")
    assert served[0].target.tier == "cheap"
    assert len(rig.shelf.rows) == 1
    assert rig.shelf.known["faq", "route"].samples == 0


def test_experiments_are_left_alone_and_teach_nothing() -> None:
    rig = Rig([said("bad", model="small"), said("good"), grades(2, 9), grades(9, 2)], **FLOORED)
    down(rig)
    served = rig.serve(*asks(1), endpoint="faq", experiment="x=y")
    assert served[0].target.tier == "cheap"
    assert rig.shelf.rows[0].experiment == "x=y"
    assert rig.shelf.known["faq", "route"].samples == 0


def test_unknown_endpoints_share_the_name_default() -> None:
    rig = Rig([said("x")], **{**FLOORED, "endpoints": {"default": Endpoint(quality_floor=0.97)}})
    rig.world.models.scripts = [said("bad", model="small"), said("good"), grades(2, 9), grades(9, 2)]
    rig.serve(*asks(1), endpoint="made up by a caller")
    assert list(rig.shelf.known) == [("default", "route")]


def test_a_store_that_cannot_be_read_leaves_things_as_they_are() -> None:
    rig = Rig([said("x", model="small")], **FLOORED)
    down(rig)

    def broken() -> int:
        raise StoreUnavailable("disk")

    rig.shelf.version = broken  # type: ignore[method-assign]
    rig.watch.refresh()
    assert list(rig.watch.lowered) == ["faq"]


def test_judging_stops_when_the_reload_takes_the_judge_away() -> None:
    rig = Rig([said("x", model="small")], **FLOORED)
    rig.desk.adopt(None)

    async def main() -> None:
        await rig.ask()
        await rig.settle()

    asyncio.run(main())
    assert rig.shelf.holds == []


def test_reuse_is_judged_on_its_own_and_not_for_the_tier_that_it_repeats() -> None:
    hard = {"messages": [{"role": "user", "content": "Prove it. " * 200}]}
    rig = Rig([said("x")], **FLOORED)
    rig.world.models.scripts = [said("old"), said("new"), grades(2, 9), grades(9, 2)]
    rig.serve(hard, hard, endpoint="faq")
    assert {key: stance.samples for key, stance in rig.shelf.known.items()} == {("faq", "cache"): 1}
    rig.world.models.scripts = [said("bad", model="small"), *[said("good"), grades(2, 9), grades(9, 2)] * 2]
    rig.serve(*asks(1, 1), endpoint="faq")
    assert {key: stance.samples for key, stance in rig.shelf.known.items()} == {("faq", "cache"): 1, ("faq", "route"): 1}
    assert [row.cache for row in rig.shelf.rows] == ["exact", "miss", "exact"]
