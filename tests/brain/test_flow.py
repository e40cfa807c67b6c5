"""The journey with fakes around it: what happens, in which order, and what the book says of it."""

import asyncio
import json
from decimal import Decimal

import pytest

from farthing.brain.flow import journey
from farthing.config import Caps, Check, Endpoint, Guard, GuardRow, Limits, Store, Tiers
from farthing.core.call import Call
from farthing.core.errors import (
    AnswerInvalid,
    BudgetExceeded,
    CapReached,
    GuardrailBlocked,
    RateLimited,
    StoreUnavailable,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from farthing.core.request import Dialect, KeyLimits
from tests.brain.world import ANSWER, CHUNKS, FakeCaller, FakeReply, World

ASKED = {"model": "farthing/cheap", "temperature": 0, "messages": [{"role": "user", "content": "What is a farthing?"}]}


def body(**changes: object) -> bytes:
    return json.dumps(ASKED | changes).encode()


def serve(world: World, asked: bytes = body(), **fields: object) -> FakeCaller:
    caller = world.caller()
    asyncio.run(journey(world.exchange(asked, **fields), world.house, caller))
    return caller


def test_the_order_of_things_whole() -> None:
    world = World()
    caller = serve(world)
    assert world.told == ["reserve", "send small", "settle", "finish"]
    assert caller.body == ANSWER
    row = world.book.rows[0]
    assert (row.outcome, row.tokens_in, row.tokens_out, row.num_llm_calls, row.model_name) == ("ok", 10, 5, 1, "small")
    assert (row.cost_picousd, row.baseline_cost_picousd) == (20_000_000, 200_000_000)
    assert caller.headers[b"x-farthing-cost-usd"] == b"0.00002"


def test_the_ledger_is_written_before_the_last_byte_of_a_stream() -> None:
    world = World([CHUNKS])
    caller = serve(world, body(stream=True, stream_options={"include_usage": True}))
    assert world.told == ["reserve", "send small", "write", "write", "settle", "finish"]
    assert caller.body.endswith(b"data: [DONE]\n\n")
    assert b'"cost":0.00002' in caller.body


def test_a_caller_who_did_not_ask_for_usage_gets_none_and_is_accounted_for() -> None:
    world = World([CHUNKS])
    caller = serve(world, body(stream=True))
    assert b"usage" not in caller.body
    assert world.book.rows[0].tokens_out == 5
    assert json.loads(world.models.calls[0].body)["stream_options"] == {"include_usage": True}


def test_with_every_lever_off_the_upstream_body_is_the_inbound_body() -> None:
    world = World()
    asked = b'{ "model":"small",  "future_field":{"a":[1.0,  2]}, "messages":[{"role":"user","content":"hi \\u00e9"}]}'
    serve(world, asked)
    assert world.models.calls[0].body is asked


def test_the_second_time_is_served_from_memory_in_either_form() -> None:
    for first, second, script in ((False, True, [ANSWER]), (True, False, CHUNKS), (True, True, CHUNKS), (False, False, [ANSWER])):
        world = World([script])
        serve(world, body(stream=first, stream_options={"include_usage": True}) if first else body())
        again = serve(world, body(stream=second, stream_options={"include_usage": True}) if second else body())
        assert len(world.models.calls) == 1
        assert b"A quarter of a penny." in again.body
        assert again.body.startswith(b"data: ") == second
        row = world.book.rows[1]
        assert (row.cache, row.cost_picousd, row.baseline_cost_picousd, row.num_llm_calls) == ("exact", 0, 200_000_000, 0)
        assert again.headers[b"x-farthing-cache"] == b"exact"
        assert world.told[-2:] == ["record", "finish"]


def test_identical_requests_in_flight_share_one_call() -> None:
    world = World([CHUNKS])
    callers = [world.caller() for _ in range(5)]

    async def main() -> None:
        asks = [body(stream=True), body(), body(stream=True, stream_options={"include_usage": True}), body(), body(stream=True)]
        await asyncio.gather(*(journey(world.exchange(ask), world.house, caller) for ask, caller in zip(asks, callers, strict=True)))

    asyncio.run(main())
    assert len(world.models.calls) == 1
    assert all(b"A quarter of a penny." in caller.body for caller in callers)
    assert sorted(row.cache for row in world.book.rows) == ["coalesced"] * 4 + ["miss"]
    assert sum(row.cost_picousd or 0 for row in world.book.rows) == 20_000_000
    assert len(world.house.cache.flights) == 0


def test_failover_goes_to_the_next_model_and_says_so() -> None:
    world = World([UpstreamUnreachable("down"), [ANSWER]], tiers=Tiers(cheap=("small", "big"), expensive=("big",)))
    serve(world)
    assert world.told == ["reserve", "send small", "send big", "settle", "finish"]
    row = world.book.rows[0]
    assert (row.model_name, row.outcome) == ("big", "ok")
    assert '"failover"' in row.decisions
    assert "upstream_unreachable" in (row.attempts or "")


def test_every_call_is_timed_on_its_own() -> None:
    world = World([UpstreamUnreachable("down"), [ANSWER]], tiers=Tiers(cheap=("small", "big"), expensive=("big",)))
    play = world.models.send

    async def slowly(call: Call) -> FakeReply:
        world.clock.advance(2.0)
        return await play(call)

    world.models.send = slowly  # type: ignore[method-assign]
    world.models.on_piece = lambda: world.clock.advance(0.5)
    serve(world)
    attempts = json.loads(world.book.rows[0].attempts or "")
    assert [(one["after_s"], one["latency_s"]) for one in attempts] == [(0.0, 2.0), (2.0, 2.5)]
    assert world.book.rows[0].latency_model_ms == 4500.0


def test_a_failure_before_the_first_byte_is_raised_and_settled_once() -> None:
    world = World([UpstreamUnreachable("down")])
    with pytest.raises(UpstreamUnreachable):
        serve(world)
    row = world.book.rows[0]
    assert (len(world.book.rows), row.outcome, row.status, row.error_code, row.cost_picousd) == (1, "upstream_error", 502, "upstream_unreachable", 0)


def test_a_failure_in_the_middle_of_a_stream_is_told_inside_it() -> None:
    world = World([[*CHUNKS[:2], UpstreamBroken("reset")]])
    caller = serve(world, body(stream=True))
    assert caller.body.startswith(CHUNKS[0])
    assert b'"error"' in caller.body
    row = world.book.rows[0]
    assert (row.outcome, row.usage_estimated) == ("upstream_error", True)
    assert row.tokens_out is not None


def test_a_stream_that_just_ends_is_not_passed_off_as_an_answer() -> None:
    world = World([CHUNKS[:2]])
    caller = serve(world, body(stream=True))
    assert b'"error"' in caller.body
    assert world.book.rows[0].outcome == "upstream_error"
    world.models.scripts = [[ANSWER]]
    serve(world)
    assert len(world.models.calls) == 2


def test_a_refused_limit_costs_nothing_and_is_on_record() -> None:
    limits = Limits(tenant={"acme": KeyLimits(requests_per_minute=1, daily_usd=1.0)})
    for kind, error in (("requests", RateLimited), ("budget", BudgetExceeded)):
        world = World(limits=limits)
        world.book.refuse = lambda hold, kind=kind: hold.kind == kind
        with pytest.raises(error):
            serve(world)
        assert world.told == ["settle"]
        assert (world.book.rows[0].outcome, world.book.rows[0].status, world.book.releases) == ("refused", 429, [])


def test_holds_come_back_as_what_was_used() -> None:
    world = World(limits=Limits(tenant={"acme": KeyLimits(requests_per_minute=9, tokens_per_minute=99_999, concurrent=2, daily_usd=1.0)}))
    caller = serve(world)
    used = {release.meter.split(":")[2]: release.used for release in world.book.releases}
    assert used == {"rpm": 1, "tpm": 15, "concurrent": 0, "usd": 20_000_000}
    assert caller.headers[b"x-ratelimit-limit-requests"] == b"9"


def test_a_latency_cap_cuts_with_what_there_is_streaming_and_whole() -> None:
    endpoints = {"faq": Endpoint(caps=Caps(absolute_latency_s=2.0))}
    for stream in (True, False):
        world = World([[*CHUNKS[:2], UpstreamTimeout("deadline")]], endpoints=endpoints)
        world.models.on_piece = lambda world=world: world.clock.advance(1.0)
        caller = serve(world, body(stream=True) if stream else body(), endpoint="faq")
        assert b"A quarter of a penny." in caller.body
        assert b'"finish_reason":"length"' in caller.body
        assert b'"truncated":true' in caller.body
        row = world.book.rows[0]
        assert (row.outcome, row.finish, row.usage_estimated) == ("truncated", "length", True)
        assert "absolute_latency_s" in (row.truncated or "")
        assert world.models.replies[0].closed


def test_a_token_cap_lowers_the_output_limit() -> None:
    world = World(endpoints={"faq": Endpoint(caps=Caps(absolute_tokens=100))})
    serve(world, endpoint="faq")
    assert 50 < json.loads(world.models.calls[0].body)["max_tokens"] < 100
    assert '"output_limit"' in world.book.rows[0].decisions
    with pytest.raises(CapReached):
        serve(world, body(messages=[{"role": "user", "content": "long " * 200}]), endpoint="faq")


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_ends_at_our_output_limit_says_so(stream: bool) -> None:
    script = [piece.replace(b'"stop"', b'"length"') for piece in (CHUNKS if stream else [ANSWER])]
    world = World([script], endpoints={"faq": Endpoint(caps=Caps(absolute_tokens=100))})
    caller = serve(world, body(stream=stream), endpoint="faq")
    reason = "absolute tokens of endpoint 'faq': 100 (`endpoints.faq.caps.absolute_tokens`)"
    assert json.dumps({"truncated": True, "reason": reason}, separators=(",", ":")).encode() in caller.body
    assert caller.body.count(b'"length"') == 1
    row = world.book.rows[0]
    assert (row.outcome, row.truncated, row.finish) == ("truncated", reason, "length")


@pytest.mark.parametrize("guard", [Guard(), Guard(max_answer_chars=10_000)])
def test_a_token_cap_counts_words_and_not_their_packing(guard: Guard) -> None:
    """Gathered or not, five tokens in a kilobyte of events are far from a cap of 150."""
    world = World([CHUNKS], endpoints={"faq": Endpoint(caps=Caps(absolute_tokens=150))}, guard=guard)
    caller = serve(world, body(stream=True), endpoint="faq")
    assert b"A quarter of a penny." in caller.body
    assert (world.book.rows[0].outcome, world.book.rows[0].truncated) == ("ok", None)


@pytest.mark.parametrize("stream", [False, True])
def test_without_usage_the_words_of_an_answer_are_counted(stream: bool) -> None:
    silent = [piece for piece in CHUNKS if b"usage" not in piece] if stream else [ANSWER.replace(b"usage", b"other")]
    world = World([silent], guard=Guard(max_answer_chars=10_000))
    serve(world, body(stream=stream))
    row = world.book.rows[0]
    assert (row.tokens_out, row.usage_estimated) == (len("A quarter of a penny.") // 4, True)


def test_a_limit_that_the_caller_set_is_no_cap_of_ours() -> None:
    world = World([[ANSWER.replace(b'"stop"', b'"length"')]], endpoints={"faq": Endpoint(caps=Caps(absolute_tokens=10_000))})
    caller = serve(world, body(max_tokens=5), endpoint="faq")
    assert caller.body == ANSWER.replace(b'"stop"', b'"length"')
    assert (world.book.rows[0].outcome, world.book.rows[0].truncated) == ("ok", None)


def test_a_client_that_hangs_up_stops_the_upstream_and_is_settled() -> None:
    world = World([CHUNKS])
    caller = world.caller()

    async def main() -> None:
        hung: list[bool] = []

        def leave() -> None:
            if world.told.count("write") and not hung:
                hung.append(True)
                caller.hang_up()

        world.models.on_piece = leave
        await asyncio.create_task(journey(world.exchange(body(stream=True)), world.house, caller))

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    row = world.book.rows[0]
    assert (len(world.book.rows), row.outcome, row.usage_estimated) == (1, "client_closed", True)
    assert world.models.replies[0].closed
    assert len(world.house.cache.flights) == 0


SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "a", "schema": {"type": "object", "required": ["coin"], "properties": {"coin": {"type": "string"}}}},
}


def said(text: str) -> list[bytes]:
    answer = json.loads(ANSWER)
    answer["choices"][0]["message"]["content"] = text
    return [json.dumps(answer).encode()]


def content(caller: FakeCaller) -> str:
    return json.loads(caller.body)["choices"][0]["message"]["content"]


def test_a_schema_is_held_repaired_and_escalated_in_that_order() -> None:
    good, bad = '{"coin": "farthing"}', '{"coin": 4}'
    fine = World([said(good)])
    assert content(serve(fine, body(response_format=SCHEMA))) == good
    mended = World([said("```json\n" + good + "\n```")])
    assert json.loads(content(serve(mended, body(response_format=SCHEMA)))) == {"coin": "farthing"}
    assert len(mended.models.calls) == 1
    called = World([said(bad), said(good)])
    assert json.loads(content(serve(called, body(response_format=SCHEMA)))) == {"coin": "farthing"}
    assert [call.model for call in called.models.calls] == ["small", "small"]
    escalated = World([said(bad), said(bad), said(good)])
    assert json.loads(content(serve(escalated, body(response_format=SCHEMA)))) == {"coin": "farthing"}
    row = escalated.book.rows[0]
    assert [call.model for call in escalated.models.calls] == ["small", "small", "big"]
    assert (row.num_llm_calls, row.tokens_in, row.model_name, row.cost_picousd) == (3, 30, "big", 240_000_000)
    hopeless = World([said(bad)])
    with pytest.raises(AnswerInvalid):
        serve(hopeless, body(response_format=SCHEMA))
    assert hopeless.book.rows[0].outcome == "invalid_answer"
    off = World([said(bad)], check=Check(schema=False))
    assert content(serve(off, body(response_format=SCHEMA))) == bad


def test_what_a_check_changed_is_not_kept() -> None:
    world = World([said('```{"coin": "farthing"}```')])
    serve(world, body(response_format=SCHEMA))
    serve(world, body(response_format=SCHEMA))
    assert len(world.models.calls) == 2


def test_guardrails_block_the_same_streaming_and_whole() -> None:
    guard = Guard(rows=(GuardRow("coins", "(?i)penny", where="output"), GuardRow("bombs", "bomb", where="input")))
    for stream, script in ((True, CHUNKS), (False, [ANSWER])):
        world = World([script], guard=guard)
        with pytest.raises(GuardrailBlocked):
            serve(world, body(stream=stream))
        assert (world.book.rows[0].outcome, world.book.rows[0].tokens_out) == ("refused", 5)
        with pytest.raises(GuardrailBlocked):
            serve(world, body(stream=stream, messages=[{"role": "user", "content": "make a bomb"}]))
        assert len(world.models.calls) == 1


def test_personal_data_leaves_only_where_that_is_allowed() -> None:
    asked = body(messages=[{"role": "user", "content": "Write to jane.roe@example.org about it"}])
    for redact in (True, False):
        world = World(guard=Guard(redact_upstream=redact))
        serve(world, asked)
        assert (b"jane.roe@example.org" in world.models.calls[0].body) is not redact


def test_other_dialects_reach_the_same_model() -> None:
    world = World()
    asked = b'{"model":"farthing/cheap","max_tokens":50,"messages":[{"role":"user","content":"What is a farthing?"}]}'
    caller = serve(world, asked, dialect=Dialect.MESSAGES)
    answer = json.loads(caller.body)
    assert answer["content"] == [{"type": "text", "text": "A quarter of a penny."}]
    assert answer["stop_reason"] == "end_turn"
    world = World([CHUNKS])
    caller = serve(world, asked[:-1] + b',"stream":true}', dialect=Dialect.MESSAGES)
    assert caller.body.startswith(b"event: message_start")
    assert caller.body.rstrip().endswith(b'data: {"type":"message_stop"}')
    assert world.told[-2:] == ["settle", "finish"]


def test_a_store_that_cannot_write_serves_nothing() -> None:
    world = World()

    async def unavailable(*_args: object) -> None:
        raise StoreUnavailable("disk full")

    world.book.reserve = unavailable  # type: ignore[method-assign, assignment]
    world.book.settle = unavailable  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        serve(world)
    assert world.models.calls == []


def test_tenants_are_hashed_in_the_ledger_on_request() -> None:
    names = set()
    for hashed in (True, False):
        world = World(store=Store(hash_tenants=hashed))
        serve(world)
        assert world.book.rows[0].tenant == world.book.intents[0].tenant
        names.add(world.book.rows[0].tenant)
    assert "acme" in names
    assert len(names) == 2


def test_an_unknown_price_is_none_and_never_zero() -> None:
    world = World()
    caller = serve(world, body(model="mystery"))
    assert (world.book.rows[0].cost_picousd, world.book.rows[0].baseline_cost_picousd) == (None, None)
    assert caller.headers[b"x-farthing-cost-usd"] == b"unknown"


def test_the_parts_that_levers_saved_add_up() -> None:
    world = World()
    for _ in range(3):
        serve(world, body(model="farthing/auto"))
    saved = sum(Decimal(str(step.get("saved_usd", 0))) for row in world.book.rows for step in json.loads(row.decisions, parse_float=Decimal))
    total = sum((row.baseline_cost_picousd or 0) - (row.cost_picousd or 0) for row in world.book.rows)
    assert saved == Decimal(total) / 10**12 > 0


TIMED = json.dumps(json.loads(ANSWER) | {"timings": {"prompt_ms": 1000.0, "predicted_ms": 2500.0}}).encode()
TIMED_END = b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5},"timings":{"prompt_ms":1000,"predicted_ms":900}}\n\n'


def test_what_an_engine_did_not_work_a_call_waited_in_its_queue() -> None:
    world = World([[TIMED]])
    world.models.on_piece = lambda: world.clock.advance(5.0)
    serve(world)
    assert (world.book.rows[0].latency_model_ms, world.book.rows[0].latency_queue_ms) == (5000.0, 1500.0)


def test_a_wait_before_the_engine_is_counted_once() -> None:
    world = World([[TIMED]])
    world.models.queue_s = 0.5
    world.models.on_piece = lambda: world.clock.advance(5.0)
    serve(world)
    assert world.book.rows[0].latency_queue_ms == 1500.0


def test_the_queue_of_a_stream_ends_before_its_first_byte() -> None:
    world = World([[CHUNKS[0], *CHUNKS[1:-1], TIMED_END, b"data: [DONE]\n\n"]])
    world.models.on_piece = lambda: world.clock.advance(3.0)
    serve(world, body(stream=True))
    assert world.book.rows[0].latency_queue_ms == 2000.0


def test_an_engine_that_says_nothing_leaves_the_queue_as_it_was() -> None:
    world = World()
    world.models.on_piece = lambda: world.clock.advance(5.0)
    serve(world)
    assert world.book.rows[0].latency_queue_ms == 0.0
