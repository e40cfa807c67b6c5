"""Bytes are sacred: what no lever changes goes out as it came in, and comes back as the service sent it."""

import http.client
import json

import pytest

from tests.fakes.gateway import Gateway, poll, sse_events
from tests.fakes.upstream import FakeUpstream

ALL_OFF = {"x-farthing-levers": "-cache,-route,-diet,-retrieve,-output,-check"}
ODD_CHAT = (
    b'{ "future_field" : {"nested": [1, 2.50, 1e2, null, "\\u00e9"]},\r\n\t"messages":[ {"role":"user","content":"odd \\"bytes\\" \\u2028 \xc3\xa9"} '
    b'] ,"model" :"gpt-4o-mini", "stream" : false , "metadata": {"b":1, "a":2}, "logit_bias": {"50256": -100}}\n'
)
ODD_MESSAGES = (
    b'{"max_tokens": 64, "model":"claude-haiku-4-5",\n "messages":[{"content":[{"text":"odd","type":"text","cache_control":{"type":"ephemeral"}}],'
    b'"role":"user"}], "future_field": [1.10, {"x": null}]   }'
)
ODD_RESPONSES = b'{"input":[{"role":"user","content":"odd"}],   "model":"gpt-4o-mini","store":false, "future_field":{"z":[ ]}}'


def post(gateway: Gateway, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        connection.request("POST", path, body, {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


NATIVE = [("/v1/chat/completions", ODD_CHAT), ("/v1/messages", ODD_MESSAGES), ("/v1/responses", ODD_RESPONSES)]


@pytest.mark.parametrize(("path", "body"), NATIVE)
@pytest.mark.parametrize("headers", [ALL_OFF, {"x-farthing-endpoint": "plain"}, {}])
def test_body_goes_out_as_it_came(gateway: Gateway, upstream: FakeUpstream, path: str, body: bytes, headers: dict[str, str]) -> None:
    status, _, _ = post(gateway, path, body, headers)
    assert status == 200
    assert upstream.calls()[-1].body == body


@pytest.mark.parametrize(("path", "body"), NATIVE)
def test_streaming_body_goes_out_as_it_came(gateway: Gateway, upstream: FakeUpstream, path: str, body: bytes) -> None:
    extra = b', "stream_options": {"include_usage" :true}' if path.endswith("completions") else b""
    body = body.replace(b' "stream" : false ,', b"").rstrip().removesuffix(b"}") + extra + b', "stream" :true }'
    assert post(gateway, path, body, ALL_OFF)[0] == 200
    assert upstream.calls()[-1].body == body


def test_asking_for_usage_changes_that_field_alone(gateway: Gateway, upstream: FakeUpstream) -> None:
    body = ODD_CHAT.replace(b"false", b"true")
    assert post(gateway, "/v1/chat/completions", body, ALL_OFF)[0] == 200
    sent = upstream.calls()[-1]
    assert sent.fields == json.loads(body) | {"stream_options": {"include_usage": True}}
    assert b'{"nested": [1, 2.50, 1e2, null, "\\u00e9"]}' in sent.body


@pytest.mark.parametrize(("path", "body"), NATIVE)
def test_whole_answer_comes_back_as_sent(gateway: Gateway, upstream: FakeUpstream, path: str, body: bytes) -> None:
    _, _, through = post(gateway, path, body, ALL_OFF)
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    key = "sk-upstream-canary-5e1f"
    connection.request("POST", path, body, {"authorization": f"Bearer {key}", "content-type": "application/json"})
    direct = connection.getresponse().read()
    connection.close()
    assert _without_ids(through) == _without_ids(direct)


def _without_ids(raw: bytes) -> list[tuple[str, object]]:
    """Fields in their order, numbered ids aside."""
    return [(name, value) for name, value in json.loads(raw).items() if name not in ("id", "output", "usage")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True])
def test_openai_error_is_passed_unmodified(gateway: Gateway, status: int, stream: bool) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"fail:{status}"}], "stream": stream}
    got, headers, raw = post(gateway, "/v1/chat/completions", json.dumps(body).encode())
    assert got == status
    assert headers["content-type"] == "application/json"
    assert json.loads(raw)["error"]["message"] == f"The server had an error: scripted {status}."
    assert raw.startswith(b'{\n  "error": {\n    "message"')
    assert raw.endswith(b"}\n")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 529])
@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_error_is_passed_unmodified(gateway: Gateway, status: int, stream: bool) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": f"fail:{status}"}], "stream": stream}
    got, _, raw = post(gateway, "/v1/messages", json.dumps(body).encode())
    assert got == status
    assert json.loads(raw)["request_id"] == "req_fake0000000000000001"


def test_client_key_and_internal_headers_stay_here(gateway: Gateway, upstream: FakeUpstream) -> None:
    mine = {"authorization": "Bearer client-secret", "cookie": "a=b", "x-farthing-endpoint": "plain", "x-forwarded-for": "10.1.2.3"}
    post(gateway, "/v1/chat/completions", ODD_CHAT, mine)
    sent = upstream.calls()[-1]
    names = {name for name, _ in sent.headers}
    assert sent.header("authorization") == "Bearer sk-upstream-canary-5e1f"
    assert not {"cookie", "x-forwarded-for", "x-api-key"} & names
    assert not [name for name in names if name.startswith("x-farthing")]


def _stream(gateway: Gateway, model: str, text: str, headers: dict[str, str] | None = None) -> tuple[dict[str, str], list[dict], str]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, "stream_options": {"include_usage": True}}
    body |= {"temperature": 0, "max_tokens": 100}
    status, found, raw = post(gateway, "/v1/chat/completions", json.dumps(body).encode(), headers)
    assert status == 200, raw
    events = [text for _, text in sse_events(raw)]
    return found, [json.loads(event) for event in events[:-1]], events[-1]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5"])
@pytest.mark.parametrize("cached", [False, True])
def test_rules_of_a_chat_stream(gateway: Gateway, model: str, cached: bool) -> None:
    text = f"rules of a stream {model} {cached}"
    if cached:
        _stream(gateway, model, text)
    headers, chunks, last = _stream(gateway, model, text)
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in headers
    assert headers["x-farthing-cache"] == ("exact" if cached else "miss")
    assert last == "[DONE]"
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[0]["choices"][0]["delta"]["content"] == ""
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert [chunk["choices"] for chunk in chunks if chunk.get("usage")] == [[]]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert finishes == ["stop"]
    assert "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]) == f"echo: {text}"
    assert "cost" in chunks[-1]["usage"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5"])
def test_a_stream_cut_by_the_service_says_so(gateway: Gateway, path: str, model: str) -> None:
    body: dict[str, object] = {"model": model, "stream": True}
    text = "cut:4 and some more words to say"
    body |= {"input": text} if path.endswith("responses") else {"messages": [{"role": "user", "content": text}], "max_tokens": 99}
    status, _, raw = post(gateway, path, json.dumps(body).encode())
    assert status == 200
    events = list(sse_events(raw))
    assert any(name == "error" or '"error"' in data for name, data in events), raw
    assert not {"message_stop", "response.completed"} & {name for name, _ in events}
    assert "[DONE]" not in [data for _, data in events[:-1]]
    row = gateway.rows()[-1]
    assert row["outcome"] in ("upstream_error", "truncated")
    assert row["error_code"]
    poll(lambda: f"request {row['request_id']}: stream ended in {row['error_code']}" in gateway.log, 5, "a line of the log")
