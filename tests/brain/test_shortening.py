"""The output step on the real journey: rule, control, learned limit, truthful cut, and what the account says of it."""

import asyncio
import json

import pytest

from farthing.brain.flow import journey
from farthing.brain.shortening import recall
from farthing.config import Cache, Endpoint, Output
from farthing.core.request import Dialect
from tests.brain.output.test_watch import LOOP, events
from tests.brain.test_accounting import account, answer_of
from tests.brain.test_flow import body, serve
from tests.brain.world import CHUNKS, World

RULED = Endpoint(output=Output(rule="at most 5 bullets", control_share=0.0))
HONEST = " ".join(f"Sentence {number} says something of its own about {number * 7}." for number in range(2000))
LEARNS = Endpoint(output=Output(learn_limit=True, limit_margin=0.0))


def sent(world: World, number: int = -1) -> dict[str, object]:
    return json.loads(world.models.calls[number].body)


def decisions(world: World) -> list[tuple[str, str]]:
    return [(one["lever"], one["action"]) for one in json.loads(world.book.rows[-1].decisions)]


def test_the_rule_goes_upstream_and_is_on_record() -> None:
    world = World(endpoints={"default": RULED})
    serve(world)
    assert str(sent(world)["messages"]).count("at most 5 bullets") == 1
    assert ("output", "rule") in decisions(world)


@pytest.mark.parametrize("off", ["header", "endpoint", "transparent"])
def test_switched_off_the_body_stays(off: str) -> None:
    endpoint = Endpoint(
        output=RULED.output, levers_off=("output",) if off == "endpoint" else (), profile="transparent" if off == "transparent" else "auto"
    )
    world = World(endpoints={"default": endpoint})
    serve(world, body(model="small"), levers_off=frozenset({"output"} if off == "header" else ()))
    assert world.models.calls[0].body == body(model="small")


def test_without_enough_to_compare_with_only_the_cost_of_the_rule_is_counted() -> None:
    world = World(endpoints={"default": RULED})
    serve(world, body(model="big"))
    found = account(world.book.rows[0])
    assert found.saved["output"] < 0
    assert found.high == {}


def test_what_the_rule_saves_is_measured_against_runs_without_it() -> None:
    compared = Endpoint(output=Output(rule="short", control_share=1.0))
    world = World([[answer_of("long", 105)]], endpoints={"default": compared}, cache=Cache(enabled=False))
    for _ in range(20):
        serve(world, body(model="big"))
    assert ("output", "control") in decisions(world)
    control, unruled = account(world.book.rows[-1]), world.house.unruled
    assert "output" not in control.saved
    world = World([[answer_of("short", 5)]], endpoints={"default": RULED})
    world.house.unruled = unruled
    serve(world, body(model="big"))
    rule_tokens = len("Length of the answer, unless the user asks for another: at most 5 bullets.") // 4
    assert account(world.book.rows[0]).saved["output"] == 100 * 20_000_000 - rule_tokens * 10_000_000


def taught(world: World, tokens: int = 80, model: str = "small") -> World:
    recall(world.house, [("default", model, None, tokens, "stop", 0, 0)] * 200)
    return world


def test_a_learned_limit_is_sent_quoted_and_told() -> None:
    world = taught(World([[answer_of("half an ans", 80, "length")]], endpoints={"default": LEARNS}))
    caller = serve(world)
    assert sent(world)["max_tokens"] == 80
    row = world.book.rows[0]
    assert (row.outcome, row.finish) == ("truncated", "length")
    assert row.truncated is not None
    assert "learn_limit" in row.truncated
    assert json.loads(caller.body)["farthing"]["truncated"] is True
    assert ("output", "limit") in decisions(world)
    assert world.house.lengths.known("default", "small")[-1] == 80
    quoted = world.book.intents[0].quoted_picousd
    assert quoted is not None
    assert quoted < 4096 * 2_000_000


@pytest.mark.parametrize(
    ("fields", "levers_off"),
    [({"max_tokens": 700}, ()), ({"response_format": {"type": "json_object"}}, ()), ({}, ("output",))],
)
def test_a_learned_limit_is_not_set(fields: dict[str, object], levers_off: tuple[str, ...]) -> None:
    world = taught(World(endpoints={"default": LEARNS}))
    serve(world, body(**fields), levers_off=frozenset(levers_off))
    assert sent(world).get("max_tokens") == fields.get("max_tokens")


def test_a_limit_of_the_configuration_wins_where_it_is_lower() -> None:
    world = taught(World(endpoints={"default": Endpoint(output=LEARNS.output, max_output_tokens=70)}))
    serve(world)
    assert sent(world)["max_tokens"] == 70


def test_a_looping_stream_ends_truthfully_and_the_upstream_is_stopped() -> None:
    world = World([[CHUNKS[0], *events(LOOP * 1000), *CHUNKS[2:]]])
    caller = serve(world, body(stream=True, stream_options={"include_usage": True}))
    row = world.book.rows[0]
    assert (row.outcome, row.finish, row.usage_estimated) == ("truncated", "length", True)
    assert row.truncated is not None
    assert "repeats itself" in row.truncated
    assert b'"finish_reason":"length"' in caller.body
    assert b"repeats itself" in caller.body
    assert caller.body.endswith(b"data: [DONE]\n\n")
    assert caller.body.count(b"cannot find") < 700
    assert world.models.replies[0].closed
    assert ("output", "cut") in decisions(world)
    assert account(row).high["output"] > 0


def test_a_stream_past_the_limit_that_it_was_given_ends_truthfully_and_the_upstream_is_stopped() -> None:
    """A service that ignores `max_tokens`: the caller is told, and pays for no more."""
    world = World([[CHUNKS[0], *events(HONEST), *CHUNKS[2:]]])
    caller = serve(world, body(stream=True, stream_options={"include_usage": True}, max_tokens=50))
    row = world.book.rows[0]
    assert (row.outcome, row.finish) == ("truncated", "length")
    assert row.truncated == "the model wrote on past its limit of 50 tokens"
    assert b'"finish_reason":"length"' in caller.body
    assert caller.body.endswith(b"data: [DONE]\n\n")
    assert len(caller.body) < len(b"".join(events(HONEST))) / 2
    assert world.models.replies[0].closed


def test_a_looping_stream_goes_on_where_nobody_watches() -> None:
    for endpoint, off in ((Endpoint(output=Output(cut_repeats=False)), ()), (Endpoint(), ("output",))):
        world = World([[CHUNKS[0], *events(LOOP * 300), *CHUNKS[2:]]], endpoints={"default": endpoint})
        serve(world, body(stream=True), levers_off=frozenset(off))
        assert world.book.rows[0].outcome == "ok"


def test_a_cut_answer_is_not_kept_for_others() -> None:
    world = World([[CHUNKS[0], *events(LOOP * 300), *CHUNKS[2:]]])
    for _ in range(2):
        serve(world, body(stream=True))
    assert len(world.models.calls) == 2


def test_embeddings_have_no_output_to_shorten() -> None:
    vectors = b'{"object":"list","data":[],"model":"small","usage":{"prompt_tokens":3,"total_tokens":3}}'
    world = World([[vectors]], endpoints={"default": RULED})
    asyncio.run(journey(world.exchange(b'{"model":"small","input":"hi"}', Dialect.EMBEDDINGS), world.house, world.caller()))
    assert world.models.calls[0].body == b'{"model":"small","input":"hi"}'
