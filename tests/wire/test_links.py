"""Chains of links, and what marks a prefix in a body: what changes a prefix and what does not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.core.request import Dialect
from farthing.wire.breakpoints import with_breakpoints
from farthing.wire.links import chain
from farthing.wire.patch import patch

TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "Where is my order?"},
    {"role": "assistant", "content": [{"type": "text", "text": "Which one?"}]},
    {"role": "user", "content": "AB-12345"},
]


def links(dialect: Dialect, **fields: Any) -> list[bytes]:
    found = chain(dialect, json.dumps(fields).encode())
    assert found is not None
    return [link.digest for link in found.links]


def test_a_longer_conversation_begins_with_the_links_of_the_shorter() -> None:
    for dialect, system in (
        (Dialect.CHAT, {}),
        (Dialect.MESSAGES, {"system": "Be brief."}),
    ):
        one = links(dialect, messages=TURNS[:1], **system)
        assert links(dialect, messages=TURNS, **system)[: len(one)] == one
    said = links(Dialect.RESPONSES, input=TURNS, instructions="Be brief.")
    assert links(Dialect.RESPONSES, input=TURNS[:2], instructions="Be brief.") == said[:3]


def test_leading_system_messages_are_the_head() -> None:
    system = {"role": "system", "content": "Be brief."}
    found = chain(Dialect.CHAT, json.dumps({"messages": [system, *TURNS]}).encode())
    assert found is not None
    assert len(found.links) == 1 + len(TURNS)
    assert found.head.size < found.links[-1].size
    other = links(Dialect.CHAT, messages=[system | {"content": "Be long."}, *TURNS])
    assert not {link.digest for link in found.links} & set(other)


def test_tools_are_part_of_every_prefix() -> None:
    assert not set(links(Dialect.CHAT, messages=TURNS)) & set(links(Dialect.CHAT, messages=TURNS, tools=[{"type": "function"}]))


@pytest.mark.parametrize("body", [b"{}", b'{"messages": []}', b'{"messages": 3}'])
def test_what_is_no_conversation_has_no_links(body: bytes) -> None:
    assert chain(Dialect.CHAT, body) is None
    assert chain(Dialect.EMBEDDINGS, body) is None


def test_breakpoints() -> None:
    body = json.dumps({"model": "m", "system": "Be brief.", "messages": TURNS}).encode()
    made = json.loads(patch(body, with_breakpoints(body, head=True, talk=True)))
    mark = {"type": "ephemeral"}
    assert made["system"] == [{"type": "text", "text": "Be brief.", "cache_control": mark}]
    assert made["messages"][:2] == TURNS[:2]
    assert made["messages"][2] == {"role": "user", "content": [{"type": "text", "text": "AB-12345", "cache_control": mark}]}
    assert list(with_breakpoints(body, head=True, talk=False)) == ["system"]
    assert with_breakpoints(body, head=False, talk=False) == {}


def test_untouched_messages_keep_their_bytes() -> None:
    body = b'{"system":"s","messages":[{"role":"user","content":"\\u00e9  ", "n": 1.50},{"role":"user","content":"b"}]}'
    assert b'{"role":"user","content":"\\u00e9  ", "n": 1.50}' in patch(body, with_breakpoints(body, head=False, talk=True))


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"system": "", "messages": TURNS}, []),
        ({"tools": [{"name": "a"}, {"name": "b"}], "messages": TURNS}, ["tools"]),
        ({"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "messages": TURNS}, ["system"]),
        ({"system": [{"type": "text", "text": ""}], "messages": TURNS}, []),  # an empty block may carry none
    ],
)
def test_the_head_is_the_system_prompt_else_the_tools(fields: dict[str, Any], changed: list[str]) -> None:
    body = json.dumps(fields).encode()
    made = with_breakpoints(body, head=True, talk=False)
    assert list(made) == changed
    for value in made.values():
        assert ["cache_control" in block for block in json.loads(value)] == [False] * (len(json.loads(value)) - 1) + [True]


def test_thinking_cannot_carry_a_breakpoint() -> None:
    body = json.dumps({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "s"}]}]}).encode()
    assert with_breakpoints(body, head=True, talk=True) == {}


blocks = st.fixed_dictionaries({"type": st.sampled_from(["text", "tool_result", "thinking"]), "text": st.text(max_size=9)})
contents = st.text(max_size=9) | st.lists(blocks, max_size=3)


@given(system=contents | st.none(), said=st.lists(contents, max_size=4), head=st.booleans(), talk=st.booleans())
def test_marking_says_nothing_new(system: Any, said: list[Any], head: bool, talk: bool) -> None:
    body = json.dumps({"system": system, "messages": [{"role": "user", "content": one} for one in said]}).encode()
    marked = patch(body, with_breakpoints(body, head=head, talk=talk))
    assert marked.count(b"cache_control") <= 2
    assert _said(json.loads(marked)) == _said(json.loads(body))


def _said(value: Any) -> Any:
    """Without breakpoints, and one text as a text."""
    if isinstance(value, list):
        parts = [_said(part) for part in value]
        return parts[0]["text"] if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text" else parts
    return {name: _said(inner) for name, inner in value.items() if name != "cache_control"} if isinstance(value, dict) else value
