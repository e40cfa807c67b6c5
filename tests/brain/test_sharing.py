"""Requests that share one call, or an answer that is kept: each is held to what binds it, and to nothing that binds another."""

import asyncio
import json
from typing import Any

import msgspec

from farthing.brain.flow import journey
from farthing.brain.house import House
from farthing.config import Caps, Check, Endpoint, Guard, GuardRow, Limits
from farthing.core.errors import FarthingError, UpstreamTimeout
from farthing.core.exchange import Exchange
from farthing.core.request import KeyLimits, Principal
from tests.brain.test_flow import ASKED, SCHEMA, body, said
from tests.brain.world import ANSWER, CHUNKS, FakeCaller, World

COINS = Guard(rows=(GuardRow("coins", "(?i)penny", where="output"),))
MASKED = Guard(rows=(GuardRow("coins", "(?i)penny", action="redact", where="output"),))


def asked_by(world: World, asked: bytes, key: str | None = None, models: tuple[str, ...] | None = None, **fields: object) -> Exchange:
    x = world.exchange(asked, **fields)
    return Exchange(msgspec.structs.replace(x.inbound, principal=Principal(key, "acme", "app", models)))


async def outcome(x: Exchange, house: House, caller: FakeCaller) -> str:
    """How the journey ended: "", or the code of its error."""
    try:
        await journey(x, house, caller)
    except FarthingError as error:
        return error.code
    except asyncio.CancelledError:
        return "cancelled"
    return ""


def together(world: World, *exchanges: Exchange) -> tuple[list[FakeCaller], list[str]]:
    callers = [world.caller() for _ in exchanges]

    async def main() -> list[str]:
        return await asyncio.gather(*(outcome(x, world.house, caller) for x, caller in zip(exchanges, callers, strict=True)))

    return callers, asyncio.run(main())


def test_a_guardrail_withholds_the_answer_from_all_who_share_it() -> None:
    for stream, script in ((True, CHUNKS), (False, [ANSWER])):
        world = World([script], guard=COINS)
        callers, codes = together(world, *(world.exchange(body(stream=stream)) for _ in range(3)))
        assert codes == ["content_policy_violation"] * 3
        assert [caller.body for caller in callers] == [b""] * 3
        assert len(world.models.calls) == 1


def test_what_a_guardrail_takes_out_is_out_for_all_who_share() -> None:
    for stream, script in ((True, CHUNKS), (False, [ANSWER])):
        world = World([script], guard=MASKED)
        callers, codes = together(world, *(world.exchange(body(stream=stream)) for _ in range(3)))
        assert codes == [""] * 3
        assert all(b"A quarter of a" in caller.body and b"penny" not in caller.body for caller in callers)
        assert len(world.models.calls) == 1


def test_what_is_left_of_a_cut_answer_is_held_to_the_guardrails_too() -> None:
    caps = {"faq": Endpoint(caps=Caps(absolute_latency_s=2.0))}
    for stream in (True, False):
        for guard, codes in ((COINS, ["content_policy_violation"] * 2), (MASKED, ["", ""])):
            world = World([[*CHUNKS[:2], UpstreamTimeout("deadline")]], endpoints=caps, guard=guard)
            world.models.on_piece = lambda world=world: world.clock.advance(1.0)
            callers, ended = together(world, *(world.exchange(body(stream=stream), endpoint="faq") for _ in range(2)))
            assert ended == codes
            assert all(b"penny" not in caller.body for caller in callers)
            assert all((b"A quarter of a" in caller.body) is (guard is MASKED) for caller in callers)
            assert [row.outcome for row in world.book.rows] == ["truncated" if guard is MASKED else "refused"] * 2


def test_an_answer_cut_to_length_is_cut_and_called_so_for_all_who_share() -> None:
    world = World([[ANSWER]], guard=Guard(max_answer_chars=9))
    callers, codes = together(world, *(world.exchange(body()) for _ in range(2)))
    assert codes == ["", ""]
    assert [json.loads(caller.body)["choices"][0]["message"]["content"] for caller in callers] == ["A quarter"] * 2
    assert [(row.outcome, row.finish) for row in world.book.rows] == [("truncated", "length")] * 2


def test_a_mended_answer_is_what_all_who_share_get() -> None:
    good = '{"coin": "farthing"}'
    world = World([said('{"coin": 4}'), said(good)], check=Check(repair_call=True))
    callers, codes = together(world, *(world.exchange(body(response_format=SCHEMA)) for _ in range(2)))
    assert codes == ["", ""]
    assert [json.loads(caller.body)["choices"][0]["message"]["content"] for caller in callers] == [good] * 2
    assert len(world.models.calls) == 2


def test_a_kept_answer_is_held_to_the_guardrails_of_today() -> None:
    world = World()
    assert together(world, world.exchange(body()))[1] == [""]
    stricter = World(guard=COINS)
    stricter.house.cache = world.house.cache
    callers, codes = together(stricter, stricter.exchange(body()))
    assert (codes, callers[0].body) == (["content_policy_violation"], b"")
    row = stricter.book.rows[0]
    assert (row.outcome, row.cost_picousd, row.baseline_cost_picousd) == ("refused", 0, None)


def test_one_key_s_spent_budget_does_not_refuse_another_key() -> None:
    world = World(limits=Limits(key=KeyLimits(daily_usd=1.0)))
    world.book.refuse = lambda hold: hold.meter.startswith("key:k_poor")
    reserve = world.book.reserve

    async def slowly(intent: Any, holds: Any) -> Any:
        await asyncio.sleep(0)
        return await reserve(intent, holds)

    world.book.reserve = slowly  # type: ignore[method-assign]
    callers, codes = together(world, asked_by(world, body(), "k_poor"), asked_by(world, body(), "k_rich"))
    assert codes == ["budget_exceeded", ""]
    assert callers[1].body == ANSWER


def test_what_a_key_may_not_ask_for_it_does_not_get_from_another_s_call() -> None:
    world = World()
    asked = json.dumps(ASKED | {"model": "big"}).encode()
    callers, codes = together(world, asked_by(world, asked, "k_all"), asked_by(world, asked, "k_small", ("small",)))
    assert codes == ["", "permission_denied"]
    assert together(world, asked_by(world, asked, "k_small", ("small",)))[1] == ["permission_denied"]
    assert callers[1].body == b""


def test_who_boards_a_call_that_is_being_given_up_asks_anew() -> None:
    """The leader's client has left; while that is written down, the same question comes again."""
    world = World([CHUNKS])
    leader, late = world.caller(), world.caller()
    book_settle = world.book.settle
    codes: list[str] = []

    async def main() -> None:
        others: list[asyncio.Task[str]] = []

        async def settle(*given: Any) -> None:
            if not others:
                others.append(asyncio.create_task(outcome(world.exchange(body(stream=True)), world.house, late)))
                for _ in range(20):
                    await asyncio.sleep(0)
            await book_settle(*given)

        world.book.settle = settle  # type: ignore[method-assign]
        world.models.on_piece = lambda: leader.hang_up() if "write" in world.told and not leader.gone else None
        codes.append(await asyncio.create_task(outcome(world.exchange(body(stream=True)), world.house, leader)))
        codes.append(await others[0])

    asyncio.run(main())
    assert codes == ["cancelled", ""]
    assert late.body.endswith(b"data: [DONE]\n\n")
    assert len(world.models.calls) == 2


def test_a_cap_that_cuts_a_shared_answer_cuts_it_truthfully_for_all() -> None:
    for stream in (True, False):
        world = World([[*CHUNKS[:2], UpstreamTimeout("deadline")]], endpoints={"faq": Endpoint(caps=Caps(absolute_latency_s=2.0))})
        world.models.on_piece = lambda world=world: world.clock.advance(1.0)
        callers, codes = together(world, *(world.exchange(body(stream=stream), endpoint="faq") for _ in range(3)))
        assert codes == ["", "", ""]
        for caller in callers:
            assert b"A quarter of a penny." in caller.body
            assert b'"finish_reason":"length"' in caller.body
            assert b'"error"' not in caller.body
        assert [row.outcome for row in world.book.rows] == ["truncated"] * 3
        assert len(world.models.calls) == 1


def test_a_refused_hit_saves_nothing() -> None:
    world = World(limits=Limits(tenant={"acme": KeyLimits(requests_per_minute=1)}))
    assert together(world, world.exchange(body()))[1] == [""]
    world.book.refuse = lambda hold: hold.kind == "requests"
    assert together(world, world.exchange(body()))[1] == ["rate_limit_exceeded"]
    row = world.book.rows[1]
    assert (row.outcome, row.tokens_in, row.baseline_cost_picousd) == ("refused", None, None)
    assert "saved_usd" not in row.decisions.replace('"saved_usd":null', "")


def test_who_has_a_seat_and_finds_the_answer_kept_gives_the_seat_back() -> None:
    """The call it waited for is lost, and before it looks again the answer has come by another way."""
    world = World(limits=Limits(tenant={"acme": KeyLimits(requests_per_minute=9)}))
    leader, follower = world.caller(), world.caller()
    reserve = world.book.reserve
    before = World()
    assert together(before, before.exchange(body()))[1] == [""]

    async def main() -> list[str]:
        async def slowly(intent: Any, holds: Any) -> Any:
            if intent.request_id == "req_2":
                await asyncio.sleep(0)
                first.cancel()
                for _ in range(20):
                    await asyncio.sleep(0)
                world.house.cache.entries = before.house.cache.entries
            else:
                await asyncio.Event().wait()
            return await reserve(intent, holds)

        world.book.reserve = slowly  # type: ignore[method-assign]
        first = asyncio.create_task(outcome(world.exchange(body()), world.house, leader))
        await asyncio.sleep(0)
        second = asyncio.create_task(outcome(world.exchange(body()), world.house, follower))
        return [await first, await second]

    assert asyncio.run(main()) == ["cancelled", ""]
    assert follower.body == ANSWER
    assert [(row.request_id, row.cache) for row in world.book.rows][1:] == [("req_2", "exact")]
    assert [(release.held, release.used) for release in world.book.releases] == [(1, 1)]
    assert "record" not in world.told


def test_a_follower_keeps_its_own_deadline() -> None:
    """It has waited for a call that was lost, and now for a younger one, which may last longer than this request may."""
    world = World([CHUNKS])
    caller = world.caller()

    async def main() -> str:
        x = world.exchange(body(stream=True))
        never = world.house.cache.flights
        probe = world.house.cache.look(x.inbound, world.config.endpoint("default"), words=lambda: (), now=world.clock.now(), off=False)
        assert probe.key is not None
        never.lead(probe.key)
        x.inbound.started_s -= world.config.resilience.deadline_s
        return await outcome(x, world.house, caller)

    assert asyncio.run(main()) == "upstream_timeout"
    assert [row.outcome for row in world.book.rows] == ["upstream_error"]
