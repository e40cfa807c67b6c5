"""`langchain-openai` and `instructor`, as people use them: only the base URL differs from talking to the provider."""

from collections.abc import Iterator

import instructor
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import DefaultHttpxClient, OpenAI
from pydantic import BaseModel

from tests.fakes.gateway import Gateway
from tests.fakes.upstream import FakeUpstream

MODELS = ["gpt-4o-mini", "claude-haiku-4-5"]


class City(BaseModel):
    """A city."""

    name: str
    people: int


def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def chat(gateway: Gateway, model: str) -> Iterator[ChatOpenAI]:
    with DefaultHttpxClient() as http:
        yield ChatOpenAI(
            base_url=f"{gateway.base_url}/v1", api_key="unused", model=model, max_retries=0, timeout=15, max_tokens=200, http_client=http
        )


def test_invoke(chat: ChatOpenAI) -> None:
    answer = chat.invoke([SystemMessage("Be brief."), HumanMessage("hello there")])
    assert answer.content == "echo: hello there"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 3


def test_stream(chat: ChatOpenAI, gateway: Gateway) -> None:
    assert "".join(str(chunk.content) for chunk in chat.stream("hello there")) == "echo: hello there"
    assert gateway.rows()[-1]["tokens_out"] == 3


def test_structured_output(chat: ChatOpenAI) -> None:
    for method in ("json_schema", "function_calling"):
        assert chat.with_structured_output(City, method=method).invoke("name a city") == City(name="Paris", people=7)


def test_tools_whole_and_streamed(chat: ChatOpenAI) -> None:
    bound = chat.bind_tools([get_weather])
    asked = bound.invoke("what is the weather")
    assert [(call["name"], call["args"]) for call in asked.tool_calls] == [("get_weather", {"city": "Paris"})]
    gathered = None
    for chunk in bound.stream("what is the weather"):
        gathered = chunk if gathered is None else gathered + chunk
    assert gathered is not None
    assert [call["args"] for call in gathered.tool_calls] == [{"city": "Paris"}]
    call = asked.tool_calls[0]
    history = [HumanMessage("what is the weather"), AIMessage("", tool_calls=[call]), ToolMessage(get_weather("Paris"), tool_call_id=call["id"])]
    assert bound.invoke(history).content == "The tool said sunny in Paris"


def test_responses_mode(gateway: Gateway, model: str) -> None:
    with DefaultHttpxClient() as http:
        base_url = f"{gateway.base_url}/v1"
        chat = ChatOpenAI(base_url=base_url, api_key="unused", model=model, max_retries=0, timeout=15, use_responses_api=True, http_client=http)
        assert chat.invoke("hello there").text == "echo: hello there"
        assert "".join(str(chunk.text) for chunk in chat.stream("hello there")) == "echo: hello there"


def test_embeddings(gateway: Gateway, upstream: FakeUpstream) -> None:
    with DefaultHttpxClient() as http:
        base_url = f"{gateway.base_url}/v1"
        embedder = OpenAIEmbeddings(
            base_url=base_url, api_key="unused", model="text-embedding-3-small", check_embedding_ctx_length=False, http_client=http
        )
        assert embedder.embed_query("abc") == [3.0, 0.0, 0.5]
    assert upstream.calls()[-1].path == "/v1/embeddings"


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])
def test_instructor(gateway: Gateway, model: str, mode: instructor.Mode) -> None:
    with OpenAI(base_url=f"{gateway.base_url}/v1", api_key="unused", max_retries=0, timeout=15) as client:
        patched = instructor.from_openai(client, mode=mode)
        found = patched.chat.completions.create(
            model=model, response_model=City, max_retries=0, max_tokens=200, messages=[{"role": "user", "content": "Name a city."}]
        )
    assert found.model_dump() == {"name": "Paris", "people": 7}
