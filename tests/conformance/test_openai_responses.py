"""The `openai` SDK's responses API: helpers, typed events, and upstreams that only know chat."""

import pytest
from openai import BadRequestError, OpenAI
from pydantic import BaseModel

from tests.fakes.upstream import FakeUpstream

MODELS = ["gpt-4o-mini", "llama-3.3-70b", "claude-haiku-4-5"]
TEXT_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


class City(BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("model", MODELS)
def test_parse(openai_client: OpenAI, model: str) -> None:
    done = openai_client.responses.parse(model=model, input="name a city", text_format=City)
    assert done.output_parsed == City(name="Paris", people=7)


@pytest.mark.parametrize("model", MODELS)
def test_stream_helper_sees_the_events_in_order(openai_client: OpenAI, model: str) -> None:
    with openai_client.responses.stream(model=model, input="hello you") as stream:
        events = list(stream)
        done = stream.get_final_response()
    kinds = [event.type for event in events]
    assert list(dict.fromkeys(kinds)) == TEXT_EVENTS
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    assert done.output_text == "echo: hello you"


@pytest.mark.parametrize("model", MODELS)
def test_stream_helper_gathers_a_tool_call(openai_client: OpenAI, model: str) -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    with openai_client.responses.stream(model=model, input="weather please", tools=[tool]) as stream:
        kinds = {event.type for event in stream}
        done = stream.get_final_response()
    assert {"response.function_call_arguments.delta", "response.function_call_arguments.done"} <= kinds
    assert [item.name for item in done.output if item.type == "function_call"] == ["get_weather"]


def test_plain_string_input_reaches_native_responses_unchanged(openai_client: OpenAI, upstream: FakeUpstream) -> None:
    openai_client.responses.create(model="gpt-4o-mini", input="as it is", store=False, extra_body={"future_field": [1, {"a": None}]})
    call = upstream.calls()[-1]
    assert call.path == "/v1/responses"
    assert call.fields == {"model": "gpt-4o-mini", "input": "as it is", "store": False, "future_field": [1, {"a": None}]}


@pytest.mark.parametrize("model", MODELS[1:])
def test_state_kept_at_the_provider_is_refused_where_it_has_none(openai_client: OpenAI, upstream: FakeUpstream, model: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        openai_client.responses.create(model=model, input="go on", previous_response_id="resp_1")
    assert caught.value.code == "unsupported_feature"
    assert upstream.calls() == []
