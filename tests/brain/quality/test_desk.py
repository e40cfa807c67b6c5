"""Judging, from a settled answer to a verdict on its row, with models that are scripted and a budget that is hard."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from farthing.assemble import judging_tools
from farthing.config import Endpoint, Guard, GuardRow, Quality, QualityShare, Sampling, Service, Tiers
from farthing.core.errors import UpstreamBroken, UpstreamRefused, UpstreamUnreachable
from farthing.core.request import Principal
from tests.brain.quality.rig import Rig, grades, said

# small: 1 and 2 USD per million tokens; big: 10 and 20. The judge here is big itself.
JUDGED: dict[str, Any] = {"quality": Quality(judge="big"), "sampling": Sampling(judge=1.0)}
SHADOWED: dict[str, Any] = {"quality": Quality(judge="big"), "sampling": Sampling(shadow=1.0)}
LOSS = (said("cheap words", model="small"), said("dear words"), grades(4, 8), grades(9, 5))
HARD = "Prove it. " * 200
PICO_10_5 = 200_000_000  # ten tokens in and five out of big


def test_a_cheap_answer_is_judged_blind_in_both_orders_and_the_row_says_so() -> None:
    rig = Rig(LOSS, **JUDGED)
    (x,) = rig.serve()
    assert x.target.tier == "cheap"
    (row,) = rig.shelf.rows
    assert (row.request_id, row.source, row.label, row.score, row.reference_score) == (x.inbound.request_id, "judge", "loss", 0.45, 0.85)
    assert (row.lever, row.model_tier, row.cache, row.endpoint, row.tenant, row.judge_model) == (
        "route", "cheap", "miss", "default", "acme", "openai/big",
    )  # fmt: skip
    answer, reference, first, second = rig.world.models.calls
    assert (answer.model, reference.model, first.model, second.model) == ("small", "big", "big", "big")
    texts = [msgspec.json.decode(call.body)["messages"][0]["content"] for call in (first, second)]
    assert [text.index("cheap words") < text.index("dear words") for text in texts] == [True, False]


def test_every_call_is_paid_for_and_the_budget_has_exactly_that() -> None:
    rig = Rig(LOSS, **JUDGED)
    rig.serve()
    (row,) = rig.shelf.rows
    assert row.cost_picousd == 3 * PICO_10_5 == rig.shelf.spent
    assert rig.ears.verdicts[0]["cost_picousd"] == row.cost_picousd
    assert rig.shelf.holds[0].amount > row.cost_picousd
    assert rig.world.book.rows[0].cost_picousd == 20_000_000  # the request's own row is untouched by it


def test_nothing_is_sent_that_the_budget_does_not_cover() -> None:
    rig = Rig(LOSS, sampling=Sampling(judge=1.0), quality=Quality(judge="big", daily_usd=0.000001))
    rig.serve()
    assert len(rig.world.models.calls) == 1
    assert (rig.shelf.rows, rig.shelf.spent, rig.ears.unjudged_for) == ([], 0, ["budget"])


def test_a_model_without_a_price_is_not_asked() -> None:
    rig = Rig(LOSS, sampling=Sampling(judge=1.0), quality=Quality(judge="openai/unheard-of"))
    rig.serve()
    assert len(rig.world.models.calls) == 1
    assert rig.ears.unjudged_for == ["price_unknown"]


def test_without_a_judge_nothing_runs() -> None:
    rig = Rig(LOSS, sampling=Sampling(judge=1.0, shadow=1.0))
    rig.serve({}, {})
    assert len(rig.world.models.calls) == 1  # the second came from the cache
    assert (rig.shelf.holds, rig.ears.verdicts, rig.ears.unjudged_for) == ([], [], [])


def test_the_same_words_are_a_tie_without_a_judge() -> None:
    rig = Rig([said("words", model="small"), said(" words\n")], **JUDGED)
    rig.serve()
    (row,) = rig.shelf.rows
    assert (row.label, row.score, row.reference_score, row.judge_model, row.cost_picousd) == ("same", 1.0, 1.0, None, PICO_10_5)


def test_a_hit_is_held_against_a_fresh_answer_of_the_baseline() -> None:
    rig = Rig([*LOSS, said("newer words"), grades(5, 9), grades(9, 5)], **JUDGED)
    rig.serve({}, {})
    assert [(row.lever, row.cache, row.score) for row in rig.shelf.rows] == [("route", "miss", 0.45), ("cache", "exact", 0.5)]
    assert rig.world.models.calls[4].model == "big"


def test_a_hit_of_a_named_model_is_held_against_that_model() -> None:
    rig = Rig([said("old", model="small"), said("new", model="small"), grades(5, 5), grades(5, 5)], **JUDGED)
    rig.serve({"model": "small"}, {"model": "small"})
    assert [call.model for call in rig.world.models.calls] == ["small", "small", "big", "big"]
    assert [(row.lever, row.cache, row.label) for row in rig.shelf.rows] == [("cache", "exact", "tie")]


def test_a_shadow_runs_the_other_tier_on_what_the_expensive_one_served() -> None:
    rig = Rig([said("dear words"), said("cheap words", model="small"), grades(3, 9), grades(9, 3)], **SHADOWED)
    (x,) = rig.serve({"messages": [{"role": "user", "content": HARD}]})
    assert x.target.tier == "expensive"
    (row,) = rig.shelf.rows
    assert (row.source, row.lever, row.model_tier, row.score, row.reference_score) == ("shadow", "route", "cheap", 0.3, 0.9)
    assert row.cost_picousd == 20_000_000 + 2 * PICO_10_5


def test_what_the_expensive_tier_served_is_not_judged_against_itself() -> None:
    rig = Rig([said("dear words")], **JUDGED)
    rig.serve({"messages": [{"role": "user", "content": HARD}]})
    assert (len(rig.world.models.calls), rig.shelf.rows) == (1, [])


def test_a_schema_settles_it_without_a_judge() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    asked = {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        "messages": [{"role": "user", "content": HARD}],
    }
    rig = Rig([said('{"city":"Bonn"}'), said("Bonn", model="small")], **SHADOWED)
    rig.serve(asked)
    (row,) = rig.shelf.rows
    assert (row.label, row.score, row.reference_score, row.judge_model) == ("invalid", 0.0, 1.0, None)


def test_grades_that_nobody_can_read_cost_money_and_say_nothing() -> None:
    rig = Rig([said("cheap", model="small"), said("dear"), said("I like both"), grades(5, 5)], **JUDGED)
    rig.serve()
    (row,) = rig.shelf.rows
    assert (row.label, row.score, row.cost_picousd) == ("unreadable", None, 3 * PICO_10_5)
    assert rig.ears.unjudged_for == ["unreadable"]


def test_a_service_that_is_down_costs_nothing() -> None:
    rig = Rig([said("cheap", model="small"), UpstreamUnreachable("down")], **JUDGED)
    rig.serve()
    (row,) = rig.shelf.rows
    assert (row.label, row.cost_picousd, rig.shelf.spent) == ("failed", 0, 0)


def test_a_call_that_broke_in_its_answer_costs_nobody_knows_what_and_the_budget_keeps_its_quote() -> None:
    rig = Rig([said("cheap", model="small"), [b"{", UpstreamBroken("cut")]], **JUDGED)
    rig.serve()
    (row,) = rig.shelf.rows
    assert (row.label, row.cost_picousd) == ("failed", None)
    assert 0 < rig.shelf.spent < rig.shelf.holds[0].amount


def test_an_answer_without_usage_is_counted_by_us() -> None:
    rig = Rig([said("cheap", model="small"), said("dear", usage=None), grades(5, 5), grades(5, 5)], **JUDGED)
    rig.serve()
    assert rig.shelf.rows[0].cost_picousd not in (None, 2 * PICO_10_5)


def test_the_reply_does_not_wait_for_the_judge() -> None:
    rig = Rig(LOSS, **JUDGED)

    async def main() -> int:
        await rig.ask()
        calls = len(rig.world.models.calls)
        await rig.settle()
        return calls

    assert asyncio.run(main()) == 1
    assert rig.world.told.index("finish") < rig.world.told.index("send big")


def test_what_finds_no_place_is_dropped_and_counted() -> None:
    rig = Rig([said("cheap", model="small"), said("cheap")], sampling=Sampling(judge=1.0), quality=Quality(judge="big", waiting=2, at_once=1))

    async def main() -> None:
        for number in range(5):
            x = await rig.ask({"messages": [{"role": "user", "content": str(number)}]})
            rig.desk.settled(x, rig.world.book.rows[-1])
            rig.desk.settled(x, rig.world.book.rows[-1])
            rig.desk.settled(x, rig.world.book.rows[-1])
            break
        await rig.settle()

    asyncio.run(main())
    assert rig.ears.unjudged_for == ["full", "full"]
    assert len(rig.shelf.rows) == 2


def test_a_drain_lets_what_waits_go_and_cuts_off_what_runs() -> None:
    rig = Rig(LOSS, sampling=Sampling(judge=1.0), quality=Quality(judge="big", at_once=1))
    begun = asyncio.Event()

    async def main() -> None:
        send = rig.world.models.send

        async def hang(call: Any) -> Any:
            if call.model == "big":
                begun.set()
                await asyncio.Event().wait()
            return await send(call)

        rig.world.models.send = hang  # type: ignore[method-assign]
        await rig.ask()
        await rig.ask({"messages": [{"role": "user", "content": "another"}]})
        await begun.wait()
        await rig.desk.close(0.0)

    asyncio.run(main())
    assert rig.desk.idle
    assert sorted(rig.ears.unjudged_for) == ["stopped", "stopped"]
    (row,) = rig.shelf.rows
    assert (row.label, row.score, row.cost_picousd) == ("open", None, rig.shelf.spent)
    assert rig.shelf.spent == rig.shelf.holds[0].amount


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"no_store": True}),
        ({"n": 2}, {}),
        ({"tools": [{"type": "web_search"}]}, {}),
        ({"web_search_options": {}}, {}),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]}, {}),
        ({"model": "small"}, {}),
    ],
)
def test_what_must_not_or_need_not_be_asked_again_is_not(body: dict[str, Any], fields: dict[str, Any]) -> None:
    rig = Rig([said("cheap", model="small")], **JUDGED)
    rig.serve(body, **fields)
    assert (len(rig.world.models.calls), rig.shelf.holds) == (1, [])


def test_a_key_that_may_not_use_the_other_model_is_not_judged_with_it() -> None:
    rig = Rig([said("cheap", model="small")], **JUDGED)

    async def main() -> None:
        from farthing.brain.flow import journey

        x = rig.world.exchange(json.dumps({"model": "farthing/auto", "messages": [{"role": "user", "content": "hi"}]}).encode())
        x.inbound.principal = Principal("key_1", "acme", "app", ("small",))
        await journey(x, rig.world.house, rig.world.caller())
        await rig.settle()

    asyncio.run(main())
    assert (len(rig.world.models.calls), rig.shelf.holds) == (1, [])


def test_personal_data_leaves_for_no_judge_where_it_may_not_leave_for_a_model() -> None:
    rig = Rig([said("write to bob@example.com", model="small"), said("no"), grades(5, 5), grades(5, 5)], guard=Guard(redact_upstream=True), **JUDGED)
    rig.serve({"messages": [{"role": "user", "content": "Mail ann@example.com"}]})
    assert len(rig.world.models.calls) == 4
    assert not any(b"@example.com" in call.body for call in rig.world.models.calls)


def test_a_guardrail_that_blocks_keeps_it_from_the_judge() -> None:
    guard = Guard(rows=(GuardRow("names", "Bob", where="input"),))
    rig = Rig([said("ask Bob", model="small"), said("no")], guard=guard, **JUDGED)
    rig.serve()
    assert (len(rig.world.models.calls), rig.ears.unjudged_for) == (2, ["not_askable"])


def test_a_stream_is_asked_again_whole_and_within_a_limit() -> None:
    from tests.brain.world import CHUNKS

    rig = Rig([CHUNKS, said("dear"), grades(5, 5), grades(5, 5)], **JUDGED)
    rig.serve({"stream": True, "stream_options": {"include_usage": True}})
    asked = msgspec.json.decode(rig.world.models.calls[1].body)
    assert (asked["stream"], asked.get("stream_options"), asked["max_tokens"], asked["model"]) == (False, None, 4096, "big")
    assert rig.shelf.rows[0].label == "tie"


def test_shares_differ_by_endpoint_tier_and_cache_kind() -> None:
    shares = (QualityShare(endpoint=("faq",), cache=("exact",), judge=1.0), QualityShare(endpoint=("faq",), tier=("cheap",)))
    rig = Rig([said("cheap", model="small"), said("cheap")], quality=Quality(judge="big", shares=shares), endpoints={"faq": Endpoint()})
    rig.serve({}, {}, endpoint="faq")
    assert [(row.cache, row.sampled) for row in rig.world.book.rows] == [("miss", None), ("exact", "judge")]
    assert [row.cache for row in rig.shelf.rows] == ["exact"]


def test_a_judge_of_another_dialect_is_asked_in_its_own() -> None:
    from farthing.core.request import Dialect

    rig = Rig(LOSS, **JUDGED)
    spoken = {"small": frozenset({Dialect.CHAT})}
    rig.world.models.dialects = lambda service: spoken.get(service, frozenset({Dialect.CHAT, Dialect.EMBEDDINGS}))  # type: ignore[method-assign]
    house = rig.world.house
    config = msgspec.structs.replace(
        house.config, services=house.config.services | {"claude": Service(dialect="anthropic", base_url="http://y/v1")},
        tiers=Tiers(cheap=("openai/small",), expensive=("openai/big",)), quality=Quality(judge="claude/big"),
    )  # fmt: skip
    from farthing.models.catalog import Catalog

    house.config, house.catalog = config, Catalog(config)
    rig.desk.adopt(judging_tools(house))
    rig.world.models.dialects = lambda service: frozenset({Dialect.MESSAGES if service == "claude" else Dialect.CHAT})  # type: ignore[method-assign]
    grade = [json.dumps({
        "id": "m", "type": "message", "role": "assistant", "model": "big", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": '{"A": 5, "B": 5}'}], "usage": {"input_tokens": 10, "output_tokens": 5},
    }).encode()]  # fmt: skip
    rig.world.models.scripts = [said("cheap", model="small"), said("dear"), grade, grade]
    rig.serve()
    assert rig.shelf.rows[0].label == "tie"
    assert rig.world.models.calls[2].dialect is Dialect.MESSAGES


def test_a_judge_that_takes_no_temperature_says_so_once() -> None:
    refusal = UpstreamRefused("no", status=400, body=b'{"error":{"message":"Unsupported value: temperature"}}')
    rig = Rig([said("a", model="small"), said("b"), refusal, *[grades(5, 5)] * 2, said("c", model="small"), said("d"), grades(5, 5)], **JUDGED)
    rig.serve(*({"messages": [{"role": "user", "content": f"What is {number}?"}]} for number in range(2)))
    assert [row.label for row in rig.shelf.rows] == ["tie", "tie"]
    told = [
        b'"temperature"' in call.body
        for call in rig.world.models.calls
        if call.body.startswith(b'{"model":"big","messages":[{"role":"user","content":"You')
    ]
    assert told == [True, False, False, False, False]


def test_a_judge_that_refuses_for_another_reason_is_not_asked_again() -> None:
    refusal = UpstreamRefused("no", status=400, body=b'{"error":{"message":"context too long"}}')
    rig = Rig([said("a", model="small"), said("b"), refusal], **JUDGED)
    rig.serve()
    assert (len(rig.world.models.calls), rig.shelf.rows[0].label, rig.shelf.rows[0].cost_picousd) == (3, "not_askable", PICO_10_5)
