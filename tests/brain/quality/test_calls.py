"""Answers that want tools run: how alike they are, and what a second opinion makes of two that differ."""

import json
import random
from typing import Any

import pytest

from farthing.brain.quality.asking import told
from farthing.brain.quality.calls import Said, alike, same, vote
from farthing.brain.quality.floor import learn
from farthing.brain.quality.judging import TIE
from farthing.config import Endpoint, Lossy, Quality, Sampling
from farthing.core.conversation import ToolCall
from farthing.core.judgement import Stance
from farthing.core.request import Dialect
from farthing.wire.tools import provider_runs_tools
from tests.brain.quality.rig import Rig, grades, said
from tests.brain.world import World

TOOL = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}
JUDGED: dict[str, Any] = {"quality": Quality(judge="big"), "sampling": Sampling(judge=1.0)}


def call(name: str, **arguments: object) -> ToolCall:
    return ToolCall("c", name, json.dumps(arguments))


def calls(*made: ToolCall) -> Said:
    return Said("", made)


WORDS = Said("It is paid.")


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        (calls(call("pay", to="ann", usd=5)), calls(ToolCall("x", "pay", '{ "usd": 5, "to": "ann" }')), 1.0),
        (calls(call("pay", to="ann", usd=5)), calls(call("pay", to="ann", usd=6)), 0.75),
        (calls(call("pay", to="ann")), calls(call("pay", to="bob")), 0.5),
        (calls(call("pay", to="ann")), calls(call("ask", to="ann")), 0.0),
        (calls(call("a"), call("b")), calls(call("b"), call("a")), 1.0),
        (calls(call("a"), call("b")), calls(call("a")), 0.5),
        (calls(ToolCall("c", "a", "")), calls(ToolCall("c", "a", "{}")), 1.0),
        (calls(ToolCall("c", "a", "{broken")), calls(ToolCall("c", "a", "{}")), 0.5),
        (calls(call("a")), WORDS, 0.0),
        (WORDS, Said("Quite another thing."), 1.0),
    ],
)
def test_how_alike_two_answers_are(one: Said, other: Said, likeness: float) -> None:
    assert alike(one, other) == alike(other, one) == likeness


def test_the_same_calls_need_no_second_opinion_and_others_do() -> None:
    pay = calls(call("pay", to="ann"))
    assert same(pay, calls(call("pay", to="ann"))) == TIE
    assert same(pay, calls(call("pay", to="bob"))) is None
    assert same(pay, WORDS) is None
    assert same(WORDS, pay) is None


def test_the_second_opinion_says_who_lost_something() -> None:
    ann, bob, ask = (calls(call("pay", to="ann")), calls(call("pay", to="bob")), calls(call("ask")))
    assert (vote(ann, bob, bob).label, vote(ann, bob, ann).label, vote(ann, bob, ask).label) == ("call_loss", "call_win", "call_tie")
    assert (vote(ann, ask, ask).score, vote(ann, ask, ask).reference_score) == (0.0, 1.0)


def drawn(chance: random.Random, agreeing: float) -> Said:
    """A model that wants the usual thing so often, and else one of five others."""
    return calls(call("pay", to="ann" if chance.random() < agreeing else chance.choice(["b", "c", "d", "e", "f"])))


def alarms(agreeing_tested: float, agreeing: float, pairs: int, seed: int) -> bool:
    chance, stance = random.Random(seed), Stance()
    rules = Quality(judge="judge")
    for _ in range(pairs):
        tested, reference = drawn(chance, agreeing_tested), drawn(chance, agreeing)
        verdict = same(tested, reference) or vote(tested, reference, drawn(chance, agreeing))
        stance, turns = learn(stance, "default", "lossy", (verdict.score, verdict.reference_score), 0.97, rules, 0.0)
        if turns:
            return True
    return False


def test_a_moody_model_alone_breaks_no_floor_and_a_cut_that_costs_does() -> None:
    assert sum(alarms(0.8, 0.8, 1000, seed) for seed in range(20)) <= 1
    assert sum(alarms(0.55, 0.8, 1000, seed) for seed in range(20)) >= 19


def answer(*made: ToolCall, model: str = "big") -> list[bytes]:
    wanted = [{"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}} for one in made]
    message = {"role": "assistant", "content": None, "tool_calls": wanted}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return [json.dumps({"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}).encode()]


def test_calls_are_compared_without_a_judge_and_the_reference_is_asked_twice_where_they_differ() -> None:
    rig = Rig([answer(call("pay", to="bob"), model="small"), answer(call("pay", to="ann")), answer(call("pay", to="ann"))], **JUDGED)
    rig.serve({"tools": [TOOL]})
    (row,) = rig.shelf.rows
    assert (row.label, row.score, row.reference_score, row.judge_model) == ("call_loss", 0.5, 1.0, None)
    assert [one.model for one in rig.world.models.calls] == ["small", "big", "big"]
    assert row.cost_picousd is not None
    assert row.cost_picousd == rig.shelf.spent <= rig.shelf.holds[0].amount


def test_equal_calls_cost_one_question() -> None:
    rig = Rig([answer(call("pay", to="ann"), model="small"), answer(call("pay", to="ann"))], **JUDGED)
    rig.serve({"tools": [TOOL]})
    assert [(row.label, row.score) for row in rig.shelf.rows] == [("same", 1.0)]


def test_words_of_an_agent_are_judged_with_what_its_tools_said() -> None:
    rig = Rig([said("It was paid.", model="small"), said("Ann got 5."), grades(5, 5), grades(5, 5)], **JUDGED)
    made = {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": '{"to":"ann"}'}}
    turns = [
        {"role": "user", "content": "Pay Ann."},
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "c1", "content": "5 USD sent"},
    ]
    rig.serve({"tools": [TOOL], "messages": turns})
    assert [row.label for row in rig.shelf.rows] == ["tie"]
    text = json.loads(rig.world.models.calls[2].body)["messages"][0]["content"]
    assert '[calls pay: {"to":"ann"}]' in text
    assert "[result: 5 USD sent]" in text


def test_the_judge_is_told_of_tools_in_every_dialect() -> None:
    turns = [
        {"role": "user", "content": "Pay Ann."},
        {"type": "function_call", "call_id": "c1", "name": "pay", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "5 USD sent"},
    ]
    x = World([]).exchange(json.dumps({"model": "small", "input": turns}).encode(), dialect=Dialect.RESPONSES)
    assert "[result: 5 USD sent]" in [turn.text for turn in told(x.inbound).turns]


def test_a_prompt_of_which_results_were_cut_is_held_against_the_whole_one() -> None:
    """The rule `results` at work: what was left out of an agent's old result changes what it calls next, and the guard sees it."""
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Who is late?"}]
    for page in range(6):
        made = {"id": f"c{page}", "type": "function", "function": {"name": "list", "arguments": json.dumps({"page": page})}}
        rows = [{"id": f"C-{page}{number:03}", "mail": f"m{page}{number:03}@x.example"} for number in range(60)]
        turns += [
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": f"c{page}", "content": json.dumps(rows)},
        ]
    lossy = Endpoint(quality_floor=0.9, lossy=Lossy(rules=("results",), result_tokens=50, keep_results=1))
    rig = Rig([answer(call("list", page=1), model="small")] + [answer(call("list", page=6), model="small")] * 2, endpoints={"agent": lossy}, **JUDGED)
    (x,) = rig.serve({"model": "small", "messages": turns, "tools": [TOOL]}, endpoint="agent")
    (row,) = rig.shelf.rows
    assert (row.lever, row.label) == ("diet", "call_loss")
    sent, whole, again = (len(one.body) for one in rig.world.models.calls)
    assert sent < whole == again
    assert len(x.inbound.body) >= whole - 100
    assert rig.shelf.known["agent", "lossy"].samples == 1


@pytest.mark.parametrize(
    ("dialect", "body", "provider_s"),
    [
        (Dialect.CHAT, {"tools": [TOOL]}, False),
        (Dialect.CHAT, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, False),
        (Dialect.CHAT, {"web_search_options": {}}, True),
        (Dialect.RESPONSES, {"tools": [{"type": "function", "name": "x"}]}, False),
        (Dialect.RESPONSES, {"tools": [{"type": "code_interpreter"}]}, True),
        (Dialect.RESPONSES, {"tools": [{"type": "mcp", "server_url": "x"}]}, True),
        (Dialect.MESSAGES, {"tools": [{"name": "x", "input_schema": {}}]}, False),
        (Dialect.MESSAGES, {"tools": [{"type": "bash_20250124", "name": "bash"}]}, False),
        (Dialect.MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        (Dialect.MESSAGES, {"mcp_servers": [{"url": "x"}]}, True),
        (Dialect.MESSAGES, {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]}, True),
        (Dialect.CHAT, {"tools": "all"}, True),
    ],
)
def test_whose_tools_they_are(dialect: Dialect, body: dict[str, Any], provider_s: bool) -> None:
    assert provider_runs_tools(dialect, json.dumps(body).encode()) is provider_s
