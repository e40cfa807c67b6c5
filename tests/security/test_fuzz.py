"""S1: mutated valid bodies and raw bytes never make the gateway fail on its own: no status 500, no hang, no closed connection."""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes import openai_service, upstream
from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import Answer, Connection
from tests.fakes.loopback import LoopbackServer, Received, Responder
from tests.fakes.script import Ask, Plan

ASK, PLAN = Ask("m", "hi", "hi"), Plan(('{"city":', ' "Paris"}'), input_tokens=3, output_tokens=2)
PIXEL = "iVBORw0KGgo="
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"city":"x"}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "user", "content": "go on"},
    ],
    "tools": [{"type": "function", "function": {"name": "w", "parameters": TOOL}}],
    "tool_choice": {"type": "function", "function": {"name": "w"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": TOOL}},
    "temperature": 0.1,
    "max_tokens": 20,
    "stop": ["x"],
    "stream": False,
    "stream_options": {"include_usage": True},
    "user": "u1",
    "metadata": {"a": "b"},
}
MESSAGES: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 20,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "w", "input": {"city": "x"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sunny"}]}]},
    ],
    "tools": [{"name": "w", "input_schema": TOOL}],
    "tool_choice": {"type": "tool", "name": "w"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["x"],
    "stream": False,
}
RESPONSES: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "instructions": "s",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c1", "name": "w", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    ],
    "tools": [{"type": "function", "name": "w", "parameters": TOOL}],
    "text": {"format": {"type": "json_schema", "name": "r", "schema": TOOL}},
    "reasoning": {"effort": "low"},
    "max_output_tokens": 20,
    "stream": False,
    "store": False,
}
SEEDS: dict[str, list[dict[str, Any]]] = {
    "/v1/chat/completions": [CHAT, CHAT | {"model": "claude-haiku-4-5"}, CHAT | {"model": "farthing/auto", "stream": True}],
    "/v1/messages": [MESSAGES, MESSAGES | {"model": "gpt-4o-mini"}, MESSAGES | {"model": "llama-3", "stream": True}],
    "/v1/responses": [RESPONSES, RESPONSES | {"model": "claude-haiku-4-5"}, RESPONSES | {"model": "llama-3", "stream": True}],
    "/v1/embeddings": [{"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "float", "dimensions": 3}],
    "/v1/ask": [
        {"user_id": "u", "text": "hi", "task_type": "qa", "metadata": {"tenant": "default", "language": "en", "flags": ["x"], "endpoint": "e"}}
    ],
    "/v1/feedback": [{"request_id": "req_1", "score": 0.5, "label": "good", "comment": "ann@example.com liked it"}],
    "/llm-inference": [{"model_tier": "cheap", "prompt": "hi", "max_tokens": 9, "temperature": 0.2}],
}
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 1, 2**31, 2**53, 2**63, 2**64, 1e308, -0.0, 0.1]),
    st.text(max_size=8),
    st.sampled_from(
        ["", "\x00", "\ud800", "🙂" * 20, "a" * 5000, "gpt-4o", "user", "system", "tool", "json_schema", "data:image/png;base64,", "http://[::1"]
    ),
)
JUNK = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6)


# High enough for everything here, so that every body is counted and nothing is refused for it.
LIMITS = '[limits.tenant."*"]\nrequests_per_minute = 1000000\ntokens_per_minute = 1000000000\ndaily_usd = 1000000\n'


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, inner in items for found in [(*path, key), *_places(inner, (*path, key))]]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A path and a body: a valid one with some of its places changed, dropped, doubled, or its bytes damaged."""
    path = draw(st.sampled_from(sorted(SEEDS)))
    body = copy.deepcopy(draw(st.sampled_from(SEEDS[path])))
    for _ in range(draw(st.integers(1, 3))):
        _mutate(draw, body)
    raw = json.dumps(body, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(raw)))
        raw = raw[:cut] + draw(st.binary(max_size=4)) + raw[cut + draw(st.integers(0, 4)) :]
    return path, raw


def _mutate(draw: st.DrawFn, body: dict[str, Any]) -> None:
    places = _places(body)
    if not places:
        return
    *way, last = draw(st.sampled_from(places))
    node: Any = body
    for step in way:
        node = node[step]
    action = draw(st.sampled_from(["replace", "replace", "drop", "add", "add", "add", "wrap"]))
    if action == "drop":
        del node[last]
    elif action == "add" and isinstance(node, dict):
        node[draw(st.text(max_size=8))] = draw(JUNK)
    elif action == "wrap":
        node[last] = [node[last]]
    else:
        node[last] = draw(JUNK)


async def _agreeable(received: Received, out: Responder) -> None:
    """A service that takes anything, and answers in whatever way it was asked."""
    if received.path == "/v1/embeddings":
        out.whole(200, openai_service.embeddings({"input": "a", "model": "m"}))
    elif b'"stream":true' in received.body.replace(b" ", b""):
        out.start()
        for event in upstream.events_of(received.path, ASK, PLAN, {}, 1):
            out.event(event)
        out.end()
    else:
        out.whole(200, upstream.whole_of(received.path, ASK, PLAN, {}, 1))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with LoopbackServer(_agreeable) as service, Gateway(upstream_config(service.base_url, LIMITS), env=UPSTREAM_ENV) as running:
        yield running


class Line:
    """One connection from a test that is not asynchronous, opened again when the gateway closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._connection: Connection | None = None

    def post(self, path: str, body: bytes) -> Answer:
        return self._loop.run_until_complete(asyncio.wait_for(self._post(path, body), 20))

    async def _post(self, path: str, body: bytes) -> Answer:
        if self._connection is None:
            self._connection = await Connection(self._port).__aenter__()
        answer = await self._connection.post(path, body)
        if answer.headers.get("connection") == "close":
            await self._hang_up()
        return answer

    async def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            await asyncio.sleep(0)
        self._connection = None

    def close(self) -> None:
        self._loop.run_until_complete(self._hang_up())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def test_mutated_bodies_never_break_the_gateway(gateway: Gateway) -> None:
    line = Line(gateway.port)
    seen: dict[int, int] = {}

    @settings(max_examples=rounds(400), deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(bodies())
    def fuzz(case: tuple[str, bytes]) -> None:
        path, body = case
        answer = line.post(path, body)
        seen[answer.status] = seen.get(answer.status, 0) + 1
        assert answer.status != 500, answer.body
        assert b"internal_error" not in answer.body
        if answer.status >= 400:
            assert answer.fields["error"]["message"]

    try:
        fuzz()
    finally:
        line.close()
    own = seen.get(500, 0)
    figure("S1 fuzz", f"{own} own 5xx in {sum(seen.values())} mutated bodies; statuses {dict(sorted(seen.items()))}")
    assert "unforeseen" not in gateway.log
