"""The diet of whole bodies: three dialects, what is pinned, what is the user's own, and what the ledger says of it."""

import asyncio
import json
from typing import Any

import pytest

from farthing.brain.diet import DietLever
from farthing.brain.flow import journey
from farthing.config import Diet, Endpoint
from farthing.core.request import Dialect
from tests.brain.test_accounting import account
from tests.brain.world import FakeTokens, World

RECORD = json.dumps([{"sku": f"A-{number}", "price": number * 1.5, "stock": None} for number in range(12)], indent=2)
PARAGRAPH = "Refunds are given within thirty days of purchase, for unused goods in their original packaging."
POLICY = f"You answer for a shop.\n\n\n\n{PARAGRAPH}\n\n{PARAGRAPH}\n\n<!-- v3 -->Be brief."
QUESTION = "What   is  the\n\n\n\nprice of A-3?  "


def chat(**changes: Any) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": POLICY},
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{ "a" : 1 }'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": RECORD},
        {"role": "user", "content": QUESTION},
    ]
    return {"model": "farthing/cheap", "temperature": 0, "future_field": {"a": 1.0}, "messages": messages} | changes


def dieted(world: World, body: dict[str, Any] | bytes, dialect: Dialect = Dialect.CHAT, **fields: Any) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = world.house.diet.apply(world.exchange(raw, dialect, **fields).inbound, FakeTokens(), off=False)
    return json.loads(raw) | {name: json.loads(value) for name, value in found.fields.items()}


def test_chat() -> None:
    messages = dieted(World(), chat())["messages"]
    assert messages[0]["content"] == f"You answer for a shop.\n\n{PARAGRAPH}\n\nBe brief."
    assert messages[2] == chat()["messages"][2]
    assert messages[3]["content"].startswith("sku,price,stock\nA-0,0.0,\nA-1,1.5,\n")
    assert messages[4]["content"] == QUESTION


def test_documents_in_the_last_user_turn_are_not_the_user_s_words() -> None:
    asked = f"Look   at this:\n<context>\n{RECORD}\n</context>\nWhat   is it?"
    text = dieted(World(), chat(messages=[{"role": "user", "content": asked}]))["messages"][0]["content"]
    assert text.startswith("Look   at this:\n<context>\nsku,price,stock\n")
    assert text.endswith("\n</context>\nWhat   is it?")


def test_responses() -> None:
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{ }"},
        {"type": "function_call_output", "call_id": "c1", "output": RECORD},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
    ]
    made = dieted(World(), {"model": "m", "instructions": POLICY, "input": items}, Dialect.RESPONSES)
    assert made["instructions"].count(PARAGRAPH) == 1
    assert made["input"][2]["output"].startswith("sku,price,stock\n")
    assert [made["input"][place] for place in (0, 1, 3)] == [items[place] for place in (0, 1, 3)]


def test_messages_keep_what_stands_before_a_cache_breakpoint() -> None:
    system = [{"type": "text", "text": POLICY, "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": POLICY}]
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": RECORD}]}
    body = {
        "model": "m",
        "max_tokens": 9,
        "system": system,
        "messages": [{"role": "user", "content": [result]}, {"role": "user", "content": QUESTION}],
    }
    made = dieted(World(), body, Dialect.MESSAGES)
    assert made["system"][0]["text"] == POLICY
    assert PARAGRAPH not in made["system"][1]["text"]  # it stands in the pinned text already
    assert made["messages"][0]["content"][0]["content"][0]["text"].startswith("sku,price,stock\n")
    assert made["messages"][1]["content"] == QUESTION
    pinned = json.loads(json.dumps(body))
    pinned["messages"][0]["content"][0]["cache_control"] = {"type": "ephemeral"}
    assert dieted(World(), pinned, Dialect.MESSAGES) == pinned


@pytest.mark.parametrize(
    "body",
    [
        chat(messages=[{"role": "user", "content": QUESTION * 40}]),
        chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}] * 40),
    ],
)
def test_without_a_saving_there_is_no_change(body: dict[str, Any]) -> None:
    assert dieted(World(), body) == body


def test_small_prompts_are_not_looked_at() -> None:
    world = World(diet=Diet(min_tokens=10_000))
    assert dieted(world, chat()) == chat()


def serve(world: World, body: bytes, **fields: Any) -> None:
    asyncio.run(journey(world.exchange(body, **fields), world.house, world.caller()))


def test_the_ledger_says_what_the_diet_saved() -> None:
    world = World()
    serve(world, json.dumps(chat()).encode())
    row = world.book.rows[0]
    diet = next(one for one in json.loads(row.decisions) if one["lever"] == "diet")
    assert diet["saved_tokens"] > 100
    found = account(row)
    # Without the diet the tokens would have been read by the small model, or without the route by the big one: half of each.
    assert found.saved["diet"] == diet["saved_tokens"] * (1_000_000 + 10_000_000) // 2
    sent = json.loads(world.models.calls[0].body)
    assert sent["messages"][3]["content"].startswith("sku,price,stock")
    assert b'"future_field": {"a": 1.0}' in world.models.calls[0].body


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ({"diet": Diet(enabled=False)}, {}),
        ({"endpoints": {"faq": Endpoint(levers_off=("diet",))}}, {"endpoint": "faq"}),
        ({}, {"levers_off": frozenset({"diet"})}),
        ({"endpoints": {"agent": Endpoint(profile="transparent")}}, {"endpoint": "agent"}),
    ],
)
def test_off_means_the_caller_s_own_bytes(config: dict[str, Any], fields: dict[str, Any]) -> None:
    world = World(**config)
    body = json.dumps(chat(model="small"), indent=1).encode()
    serve(world, body, **fields)
    assert world.models.calls[0].body == body
    assert "diet" not in account(world.book.rows[0]).saved


def test_a_rule_that_breaks_costs_its_saving_and_not_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    def broken(*_: object, **__: object) -> None:
        raise ValueError("unforeseen")

    monkeypatch.setattr(DietLever, "apply", broken)
    serve(world, json.dumps(chat()).encode())
    row = world.book.rows[0]
    assert row.outcome == "ok"
    assert any(one["lever"] == "diet" and one["failed_open"] for one in json.loads(row.decisions) if "failed_open" in one)


def test_the_same_prefix_is_trimmed_the_same_way_in_every_turn() -> None:
    """A provider's prompt cache works on the trimmed prefix as it did on the whole one."""
    first = chat()
    second = chat(messages=[*first["messages"], {"role": "assistant", "content": "4.5"}, {"role": "user", "content": "And A-4?"}])
    one, two = dieted(World(), first)["messages"], dieted(World(), second)["messages"]
    assert two[:5] == one
