"""What the book says of requests that ended badly: nothing that was spent is forgotten, nothing is counted twice."""

import asyncio

import pytest

from farthing.brain.flow import journey
from farthing.config import Caps, Endpoint, Guard, GuardRow, Limits, Tiers
from farthing.core.call import Call
from farthing.core.errors import GuardrailBlocked, UpstreamTimeout, UpstreamUnreachable
from farthing.core.request import Dialect, KeyLimits
from tests.brain.test_flow import SCHEMA, body, said, serve
from tests.brain.world import CHUNKS, FakeReply, World

LIMITED = Limits(tenant={"acme": KeyLimits(tokens_per_minute=99_999, daily_usd=1.0)})


def used(world: World) -> dict[str, tuple[int, int]]:
    """Held and used, by kind of meter."""
    return {release.meter.split(":")[2]: (release.held, release.used) for release in world.book.releases}


def test_a_fault_of_our_own_books_all_that_was_held_and_calls_the_cost_unknown() -> None:
    world = World([CHUNKS], limits=LIMITED)

    def trip_over() -> None:
        raise RuntimeError("unforeseen")

    world.models.on_piece = trip_over
    with pytest.raises(RuntimeError):
        serve(world, body(stream=True))
    row = world.book.rows[0]
    assert (len(world.book.rows), row.outcome, row.status, row.cost_picousd) == (1, "error", 500, None)
    assert all(held == spent > 0 for held, spent in used(world).values())


def test_who_leaves_before_the_model_begins_pays_for_what_was_asked() -> None:
    """The call had left and the model had read it: hanging up early must not make it free."""
    world = World(limits=LIMITED)
    caller = world.caller()

    async def main() -> None:
        left = asyncio.Event()

        async def send(_call: Call) -> FakeReply:
            left.set()
            await asyncio.Event().wait()
            raise AssertionError

        world.models.send = send  # type: ignore[method-assign]
        task = asyncio.create_task(journey(world.exchange(body()), world.house, caller))
        await left.wait()
        caller.hang_up()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    row = world.book.rows[0]
    assert (row.outcome, row.usage_estimated, row.tokens_out, row.num_llm_calls) == ("client_closed", True, 0, 1)
    assert row.tokens_in
    assert row.cost_picousd == row.tokens_in * 1_000_000
    assert used(world)["usd"][1] == row.cost_picousd


def test_who_leaves_before_a_call_was_made_pays_nothing() -> None:
    world = World(limits=LIMITED)
    caller = world.caller()
    caller.gone = True
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(journey(world.exchange(body()), world.house, caller))
    row = world.book.rows[0]
    assert (row.outcome, row.cost_picousd, row.num_llm_calls) == ("client_closed", 0, 0)
    assert world.models.calls == []


def test_what_ends_a_request_though_its_client_listens_is_an_interruption() -> None:
    world = World([CHUNKS])

    async def main() -> None:
        task = asyncio.create_task(journey(world.exchange(body(stream=True)), world.house, world.caller()))
        world.models.on_piece = lambda: task.cancel() if "write" in world.told else None
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert world.book.rows[0].outcome == "interrupted"


def test_the_time_of_a_model_is_counted_once() -> None:
    """Also when a check refuses the answer after it has come."""
    guard = Guard(rows=(GuardRow("coins", "(?i)penny", where="output"),))
    world = World(guard=guard)
    world.models.on_piece = lambda: world.clock.advance(2.0)
    with pytest.raises(GuardrailBlocked):
        serve(world)
    row = world.book.rows[0]
    assert (row.latency_model_ms, row.overhead_ms) == (2000.0, 0.0)


def test_a_whole_answer_that_a_cap_leaves_nothing_of_is_a_timeout_that_names_the_cap() -> None:
    endpoints = {"faq": Endpoint(caps=Caps(absolute_latency_s=2.0))}
    asked: tuple[tuple[bytes, Dialect], ...] = (
        (b'{"model":"small","input":"What is a farthing?"}', Dialect.EMBEDDINGS),
        (body(n=2), Dialect.CHAT),
    )
    for ask, dialect in asked:
        world = World([[UpstreamTimeout("deadline")]], endpoints=endpoints)
        world.models.on_piece = lambda world=world: world.clock.advance(2.0)
        with pytest.raises(UpstreamTimeout, match="absolute_latency_s"):
            serve(world, ask, dialect=dialect, endpoint="faq")
        assert [row.outcome for row in world.book.rows] == ["upstream_error"]


def test_a_model_that_cannot_be_asked_does_not_hide_why_the_first_one_failed() -> None:
    """The second in line speaks another dialect and the request cannot be said there; the fault is still the first one's."""
    world = World([UpstreamUnreachable("down")], tiers=Tiers(cheap=("small", "big"), expensive=("big",)))

    def dialects(_service: str) -> frozenset[Dialect]:
        return frozenset({Dialect.CHAT} if world.models.calls else {Dialect.CHAT, Dialect.EMBEDDINGS})

    world.models.dialects = dialects  # type: ignore[method-assign]
    with pytest.raises(UpstreamUnreachable):
        serve(world, b'{"model":"farthing/cheap","input":"x"}', dialect=Dialect.EMBEDDINGS)
    assert "unsupported_feature" in world.book.rows[0].decisions


def test_a_repair_that_breaks_is_on_record_and_what_it_cost_is_unknown() -> None:
    world = World([said('{"coin": 4}'), [b"<html>"], said('{"coin": "farthing"}')])
    serve(world, body(response_format=SCHEMA))
    row = world.book.rows[0]
    assert (row.outcome, row.num_llm_calls, row.cost_picousd) == ("ok", 3, None)
    assert '"repair"' in (row.attempts or "")
    world = World([said('{"coin": 4}'), UpstreamUnreachable("down"), said('{"coin": "farthing"}')])
    serve(world, body(response_format=SCHEMA))
    assert (world.book.rows[0].num_llm_calls, world.book.rows[0].cost_picousd) == (3, 220_000_000)
