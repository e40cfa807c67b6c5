"""The fake is faithful: real SDKs, pointed straight at it, get whole typed answers. What fails here cannot be blamed on the gateway."""

import http.client

import pytest

from tests.conformance.speak import SPEAKERS, Clients, Question
from tests.fakes.script import example_for
from tests.fakes.upstream import FakeUpstream

NATIVE = [("chat", "gpt-4o-mini"), ("responses", "gpt-4o-mini"), ("messages", "claude-haiku-4-5")]
SCHEMA = {"$ref": "#/$defs/c", "$defs": {"c": {"type": "object", "properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}}}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("dialect", "model"), NATIVE)
def test_sdk_talks_to_the_fake(dialect: str, model: str, stream: bool) -> None:
    with FakeUpstream() as upstream, Clients(upstream.base_url) as clients:
        ask = SPEAKERS[dialect]
        answer = ask(clients, Question("one two cached:1", model, stream))
        assert (answer.text, answer.input_tokens, answer.cached_tokens, answer.output_tokens) == ("echo: one two cached:1", 3, 1, 4)
        called = ask(clients, Question("weather", model, stream, tools=True))
        assert (called.finish, called.calls[0].arguments) == ("tool", {"city": "Paris"})
        told = ask(clients, Question("weather", model, stream, tools=True, answered=(called.calls[0], "rain")))
        assert told.text == "The tool said rain"
        assert ask(clients, Question("words:30", model, stream, max_tokens=16)).finish == "length"
        assert ask(clients, Question("x", model, stream, schema=SCHEMA)).text == '{"n": 7}'
        assert ask(clients, Question("x", model, stream, image=True)).text.startswith("I see 1 image.")
        upstream.wait(lambda: all(call.finished for call in upstream.calls()))


def test_a_client_that_leaves_is_seen() -> None:
    with FakeUpstream() as upstream:
        connection = http.client.HTTPConnection("127.0.0.1", upstream.port)
        body = b'{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"slow:100 words:500"}]}'
        connection.request("POST", "/v1/chat/completions", body, {"authorization": "Bearer k"})
        answer = connection.getresponse()
        answer.read(10)
        answer.close()
        connection.close()
        upstream.wait(lambda: upstream.calls()[0].hung_up_at is not None)
        assert not upstream.calls()[0].finished


def test_examples_meet_their_schema() -> None:
    assert example_for(SCHEMA) == {"n": 7}
    assert example_for({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2}) == ["a", "a"]
