"""Every behaviour, through every SDK, to every kind of upstream, whole and streaming: the answer must be the same one.

The table is the promise "any dialect reaches any tier": three client dialects x three upstreams (OpenAI, Anthropic, chat-only) x two modes.
"""

import json
from dataclasses import replace

import pytest

from tests.conformance.speak import SPEAKERS, UPSTREAMS, Answer, Clients, Question
from tests.fakes.gateway import Gateway
from tests.fakes.upstream import FakeUpstream

CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "chatonly": "/v1/chat/completions"}


@pytest.fixture(params=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param == "stream"


@pytest.fixture(params=list(SPEAKERS))
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=list(UPSTREAMS))
def service(request: pytest.FixtureRequest) -> str:
    return request.param


class Talk:
    """A dialect, an upstream and a mode, ready to ask."""

    def __init__(self, gateway: Gateway, clients: Clients, dialect: str, service: str, stream: bool) -> None:
        self.gateway, self.clients, self.dialect, self.service, self.stream = gateway, clients, dialect, service, stream

    def ask(self, text: str, **more: object) -> Answer:
        question = replace(Question(text, UPSTREAMS[self.service], self.stream), **more)
        return SPEAKERS[self.dialect](self.clients, question)

    @property
    def expected_path(self) -> str:
        return "/v1/responses" if self.dialect == "responses" and self.service == "openai" else PATHS[self.service]


@pytest.fixture
def talk(gateway: Gateway, clients: Clients, dialect: str, service: str, stream: bool) -> Talk:
    return Talk(gateway, clients, dialect, service, stream)


def test_echo_with_truthful_usage(talk: Talk, upstream: FakeUpstream) -> None:
    answer = talk.ask("one two three cached:2")
    assert answer.text == "echo: one two three cached:2"
    assert (answer.finish, answer.calls) == ("stop", ())
    assert (answer.input_tokens, answer.output_tokens, answer.cached_tokens) == (4, 5, 2)
    assert [call.path for call in upstream.calls()] == [talk.expected_path]


def test_model_and_id_are_there(talk: Talk) -> None:
    answer = talk.ask("who are you")
    assert answer.model.startswith(UPSTREAMS[talk.service])
    assert answer.id


def test_system_and_history_arrive(talk: Talk, upstream: FakeUpstream) -> None:
    history = (("user", "first question"), ("assistant", "first answer"))
    answer = talk.ask("second question", system="Be brief and kind.", history=history)
    assert answer.text == "echo: second question"
    assert answer.input_tokens == len(["Be", "brief", "and", "kind.", "first", "question", "first", "answer", "second", "question"])
    body = upstream.calls()[-1].body.decode()
    assert all(part in body for part in ("Be brief and kind.", "first question", "first answer"))


def test_unicode_survives(talk: Talk) -> None:
    text = 'naïve 日本語 🙂 "quoted" \\ back\u2028slash'
    assert talk.ask(text).text == f"echo: {text}"


def test_image_arrives(talk: Talk) -> None:
    assert talk.ask("describe", image=True).text == "I see 1 image. echo: describe"


def test_tool_round_trip(talk: Talk) -> None:
    asked = talk.ask("what is the weather", tools=True)
    assert asked.finish == "tool"
    assert [(call.name, call.arguments) for call in asked.calls] == [("get_weather", {"city": "Paris"})]
    answer = talk.ask("what is the weather", tools=True, answered=(asked.calls[0], "sunny, 21 degrees"))
    assert (answer.text, answer.finish, answer.calls) == ("The tool said sunny, 21 degrees", "stop", ())


def test_forced_tool(talk: Talk) -> None:
    answer = talk.ask("say hello", tools=True, force_tool=True)
    assert [call.name for call in answer.calls] == ["get_weather"]
    assert answer.finish == "tool"


def test_tools_that_are_not_needed(talk: Talk) -> None:
    answer = talk.ask("say hello", tools=True)
    assert (answer.text, answer.calls, answer.finish) == ("echo: say hello", (), "stop")


def test_structured_output(talk: Talk) -> None:
    answer = talk.ask("name a city", schema=CITY)
    assert json.loads(answer.text) == {"name": "Paris", "people": 7}
    assert (answer.finish, answer.calls) == ("stop", ())


def test_cut_by_length_is_said(talk: Talk) -> None:
    answer = talk.ask("words:40", max_tokens=16)
    assert answer.finish == "length"
    assert answer.text.split() == [f"word{number}" for number in range(16)]
    assert answer.output_tokens == 16


def test_one_ledger_row_with_the_same_tokens(talk: Talk) -> None:
    before = len(talk.gateway.rows())
    answer = talk.ask("count my row cached:1")
    rows = talk.gateway.rows()
    assert len(rows) == before + 1
    row = rows[-1]
    assert (row["tokens_in"], row["tokens_out"], row["tokens_cached"]) == (answer.input_tokens, answer.output_tokens, 1)
    assert (row["dialect"], bool(row["stream"]), row["outcome"], row["num_llm_calls"]) == (talk.dialect, talk.stream, "ok", 1)
    assert not row["usage_estimated"]
