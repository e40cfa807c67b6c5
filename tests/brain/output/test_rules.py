"""Where the length rule goes, and where it must not."""

import json
from typing import Any

import pytest

from farthing.brain.output import Ruled, choose_rule, fits, with_rule, with_stops
from farthing.config import Output
from farthing.core.request import Dialect, Inbound
from tests.brain.world import World

RULE = Ruled("at most 5 bullets", "*")
SAID = "Length of the answer, unless the user asks for another: at most 5 bullets."
USER = {"role": "user", "content": "hi"}


def inbound(dialect: Dialect = Dialect.CHAT, **fields: Any) -> Inbound:
    body = {"model": "small", "max_tokens": 9, "messages": [USER]} | fields
    return World().exchange(json.dumps(body).encode(), dialect).inbound


def ruled(dialect: Dialect, **fields: Any) -> dict[str, Any]:
    changed = with_rule(dialect, json.dumps(fields).encode(), RULE.text)
    return {name: json.loads(value) for name, value in changed.items()}


def test_it_ends_the_system_prompt_of_every_dialect() -> None:
    system = {"role": "system", "content": "Be kind."}
    both = f"Be kind.\n\n{SAID}"
    assert ruled(Dialect.CHAT, messages=[USER]) == {"messages": [{"role": "system", "content": SAID}, USER]}
    assert ruled(Dialect.CHAT, messages=[system, USER]) == {"messages": [system | {"content": both}, USER]}
    parts = [{"type": "text", "text": "Be kind."}]
    assert ruled(Dialect.CHAT, messages=[{"role": "developer", "content": parts}, USER])["messages"][0]["content"] == [
        *parts,
        {"type": "text", "text": SAID},
    ]
    assert ruled(Dialect.MESSAGES, messages=[USER]) == {"system": SAID}
    assert ruled(Dialect.MESSAGES, system="Be kind.", messages=[USER]) == {"system": both}
    assert ruled(Dialect.MESSAGES, system=parts, messages=[USER]) == {"system": [*parts, {"type": "text", "text": SAID}]}
    assert ruled(Dialect.RESPONSES, input="hi") == {"instructions": SAID}
    assert ruled(Dialect.RESPONSES, instructions="Be kind.", input="hi") == {"instructions": both}
    assert ruled(Dialect.EMBEDDINGS, input="hi") == {}


def test_the_other_messages_stay_byte_for_byte() -> None:
    turn = b'{"role":"user",  "content":"\\u00e9", "x":1.0}'
    changed = with_rule(Dialect.CHAT, b'{"messages":[ ' + turn + b"]}", RULE.text)["messages"]
    assert turn in changed


def test_a_system_prompt_of_unknown_shape_is_left_alone() -> None:
    assert ruled(Dialect.CHAT, messages=[{"role": "system", "content": 7}, USER]) == {}
    assert ruled(Dialect.MESSAGES, system={"what": 1}, messages=[USER]) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}]},
        {"n": 2},
    ],
)
def test_where_the_form_is_the_callers_it_does_not_fit(fields: dict[str, Any]) -> None:
    assert fits(inbound())
    assert not fits(inbound(**fields))


def test_the_rule_of_the_task_goes_before_that_of_the_endpoint() -> None:
    output = Output(rule="at most 5 bullets", tasks={"summarize": "at most 80 words"})
    assert choose_rule(output, inbound(), "qa") == Ruled("at most 5 bullets", "*")
    assert choose_rule(output, inbound(), "summarize") == Ruled("at most 80 words", "summarize")
    assert choose_rule(output, inbound(), None) == Ruled("at most 5 bullets", "*")
    assert choose_rule(Output(tasks={"summarize": "short"}), inbound(), "qa") is None


def test_within_a_conversation_a_guessed_task_changes_no_prefix() -> None:
    output = Output(tasks={"summarize": "at most 80 words"})
    talk = inbound(messages=[USER, {"role": "assistant", "content": "hello"}, USER])
    assert choose_rule(output, talk, "summarize") is None
    talk.task_type = "summarize"
    assert choose_rule(output, talk, "summarize") is not None


def test_stop_sequences_only_where_the_caller_has_none() -> None:
    assert with_stops(Dialect.CHAT, b"{}", ("END",)) == {"stop": b'["END"]'}
    assert with_stops(Dialect.CHAT, b'{"stop":"X"}', ("END",)) == {}
    assert with_stops(Dialect.MESSAGES, b"{}", ("END",)) == {"stop_sequences": b'["END"]'}
    assert with_stops(Dialect.RESPONSES, b"{}", ("END",)) == {}
