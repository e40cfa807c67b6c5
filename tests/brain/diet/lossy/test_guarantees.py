"""What no lossy rule may do, whatever comes: on made-up conversations in every dialect."""

import json
import re
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from farthing.brain.diet.lossy import LossyLever
from farthing.brain.diet.lossy.extract import extract
from farthing.brain.diet.lossy.results import pruned
from farthing.brain.diet.protect import WORDS
from farthing.config import Lossy
from farthing.core.request import Dialect
from farthing.wire.patch import patch
from farthing.wire.slots import slots

RULES = Lossy(rules=("extract", "history", "results"), context_tokens=60, history_tokens=80, keep_turns=1, result_tokens=20, keep_results=1)
LEVER = LossyLever(RULES)
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # making a conversation smaller takes minutes and says little
NOTE = re.compile(r"\[\d+ earlier turns? left out\]\n\n")

WORDS_OF_TEXTS = ("refund", "shoes", "delivery", "4711", "12.50", "customs", "order", "AB-77", "lamp", "broken", "Zürich", "please", "the", "of")
words = st.lists(st.sampled_from(WORDS_OF_TEXTS), min_size=3, max_size=12)
sentence = words.map(lambda some: f"{' '.join(some).capitalize()}.")
quoted = words.map(lambda some: f'He said "{" ".join(some)}. And more." Then he left.')
code = words.map(lambda some: f"\n```\n{' '.join(some)}\n\n\nx = 1. y = 2\n```\n")
inline = words.map(lambda some: f"Call `{' '.join(some)}`.")
prose = st.lists(sentence | quoted | code | inline, min_size=1, max_size=8)
text = st.builds(lambda parts, glue: glue.join(parts), prose, st.sampled_from([" ", "\n", "\n\n"]))
framed = text.map(lambda some: f"<document>\n{some}\n</document>")
documents = st.lists(framed, min_size=1, max_size=4).map(lambda some: "<documents>\n" + "\n".join(some) + "\n</documents>")
scalars = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40) | st.booleans()
values = st.recursive(scalars, lambda i: st.lists(i, max_size=9) | st.dictionaries(st.text(max_size=5), i, max_size=5), max_leaves=40)


def count(some: str) -> int:
    return (len(some) + 3) // 4


@st.composite
def turn(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    """One exchange of a chat: talk, perhaps with documents, perhaps with a tool."""
    asked = draw(text) + (f"\n{draw(documents)}" if draw(st.booleans()) else "")
    if not draw(st.booleans()):
        return [{"role": "user", "content": asked}, {"role": "assistant", "content": draw(text)}]
    call = {"id": f"c{number}", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    result = draw(text | values.map(json.dumps))
    return [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"c{number}", "content": result},
        {"role": "assistant", "content": draw(text)},
    ]


@st.composite
def chats(draw: st.DrawFn) -> list[dict[str, Any]]:
    turns = [message for number in range(draw(st.integers(1, 6))) for message in draw(turn(number))]
    asked = {"role": "user", "content": draw(text) + (f"\n{draw(documents)}" if draw(st.booleans()) else "")}
    return [{"role": "system", "content": draw(text)}, *turns, asked]


def cut(body: dict[str, Any], dialect: Dialect = Dialect.CHAT) -> dict[str, Any]:
    raw = json.dumps(body).encode()
    return json.loads(patch(raw, LEVER.apply(dialect, raw, count).fields))


def own_words(some: str) -> str:
    return re.sub(r"<documents>.*?</documents>", "", NOTE.sub("", some), flags=re.DOTALL)


@settings(deadline=None, max_examples=80, phases=NO_SHRINKING)
@given(messages=chats())
def test_of_a_chat(messages: list[dict[str, Any]]) -> None:
    after = cut({"messages": messages})["messages"]
    assert cut({"messages": after})["messages"] == after, "a second helping"
    assert after[0] == messages[0], "the system prompt"
    assert own_words(after[-1]["content"]) == own_words(messages[-1]["content"]), "the last user turn's own words"
    calls = [call["id"] for message in after for call in message.get("tool_calls") or ()]
    assert calls == [message["tool_call_id"] for message in after if message["role"] == "tool"], "calls and their results"
    assert calls == [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    assert count(json.dumps(after)) <= count(json.dumps(messages)) + 12
    for before_code in re.findall(r"```.*?```", "\n".join(str(message["content"]) for message in messages if message["role"] != "tool"), re.DOTALL):
        assert any(before_code in str(message["content"]) for message in after), "a block of code"
    for message in after:
        if message["role"] == "assistant":
            assert message in messages, "what the model said stays whole or goes"
    assert_json_stays(messages, after)


def assert_json_stays(messages: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    results = {message["tool_call_id"]: message["content"] for message in messages if message["role"] == "tool"}
    for message in after:
        if message["role"] == "tool" and results[message["tool_call_id"]][:1] in ("[", "{"):
            json.loads(message["content"])


@settings(deadline=None, max_examples=100, phases=NO_SHRINKING)
@given(texts=st.lists(documents, min_size=1, max_size=3), question=text, budget=st.integers(10, 200))
def test_of_documents(texts: list[str], question: str, budget: int) -> None:
    after = extract(texts, question, budget, 4.0)
    assert extract(after, question, budget, 4.0) == after
    whole = {piece[0] for some in texts for piece in WORDS.matches(some)}
    for before, now in zip(texts, after, strict=True):
        assert before.count("<document>") == now.count("<document>")
        assert set(re.findall(r"\d[\d.]*\d", now)) <= set(re.findall(r"\d[\d.]*\d", before)), "numbers that stay are as they were"
        assert {piece[0] for piece in WORDS.matches(now)} <= whole, "quoted words are whole, or gone"


@settings(deadline=None, max_examples=100, phases=NO_SHRINKING)
@given(value=values, budget=st.integers(5, 60), indent=st.none() | st.just(2))
def test_of_json_results(value: object, budget: int, indent: int | None) -> None:
    before = json.dumps(value, indent=indent)
    after = pruned(before, budget, count)
    assert pruned(after, budget, count) == after
    if before[:1] in ("[", "{"):
        json.loads(after)
    if isinstance(value, dict):
        assert list(json.loads(after)) == list(value)


def test_numbers_keep_their_spelling() -> None:
    before = "[" + ", ".join(f'{{"price": {number}.50, "n": 12345678901234567890}}' for number in range(60)) + "]"
    after = pruned(before, 40, count)
    assert '{"price": 0.50, "n": 12345678901234567890}' in after
    assert re.search(r'"\[\d+ more entries left out\]"\]$', after)


def items(*more: dict[str, Any]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    for number in range(8):
        said.append({"role": "user", "content": [{"type": "text", "text": f"Tell me of city number {number} and of its many fine old bridges."}]})
        said.append({"role": "assistant", "content": [{"type": "text", "text": f"City {number} has a bridge, a river, a market and some hills."}]})
    return [*said, *more, {"role": "user", "content": "What is the market of city 3?"}]


def test_what_stands_before_a_breakpoint_stays() -> None:
    said = items()
    assert len(cut({"messages": said}, Dialect.MESSAGES)["messages"]) < len(said)
    said[13]["content"][0]["cache_control"] = {"type": "ephemeral"}
    assert cut({"messages": said}, Dialect.MESSAGES)["messages"] == said


def test_results_of_anthropic_and_responses_are_found() -> None:
    long = " ".join(f"Row {number} says nothing of use." for number in range(60))
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": long}
    later = {"type": "tool_result", "tool_use_id": "t2", "content": "ok"}
    talk = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": [use | {"id": "t2"}]},
        {"role": "user", "content": [later]},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "And now?"},
    ]
    made = cut({"messages": talk}, Dialect.MESSAGES)["messages"]
    assert made[2]["content"][0]["content"].endswith("characters left out]")
    assert made[2]["content"][0]["tool_use_id"] == "t1"
    outputs = [
        {"role": "user", "content": "Look."},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": long},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c2", "output": "ok"},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "And now?"},
    ]
    made = cut({"input": outputs}, Dialect.RESPONSES)["input"]
    assert made[2]["output"].endswith("characters left out]")
    assert [made[place] for place in (0, 1, 3, 4, 5, 6)] == [outputs[place] for place in (0, 1, 3, 4, 5, 6)]


@pytest.mark.parametrize("body", [{}, {"messages": "x"}, {"messages": [3, None]}, {"messages": [{"role": "user", "content": 3}]}])
def test_what_is_no_conversation_is_left_alone(body: dict[str, Any]) -> None:
    assert cut(body) == body


def test_texts_have_slots_still() -> None:
    """The harness above looks at what the lever looks at."""
    assert [slot.said for slot in slots(Dialect.CHAT, {"messages": items()})][:2] == ["user", "assistant"]
