"""S5: planted secrets and personal data are found nowhere that the gateway writes or shows: ledger, logs, metrics, traces, errors."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.figures import figure
from tests.fakes.gateway import Gateway, upstream_config
from tests.fakes.http_client import Answer, bearer, chat, get, post
from tests.fakes.otlp import FakeReceiver
from tests.fakes.upstream import FakeUpstream

UPSTREAM_KEY = "sk-canary-upstream-9f31c7"
CANARIES = {
    "service key": UPSTREAM_KEY,
    "wrong key": "fk-canary-wrong-7d20aa91b3c4",
    "prompt": "canary-prompt-zebra",
    "system prompt": "canary-system-walrus",
    "end user": "canary.user@example.com",
    "e-mail": "canary.mail@example.org",
    "card": "4111 1111 1111 1111",
    "phone": "+49 151 55501234",
    "tool result": "canary-tool-heron",
    "cookie": "canary-cookie-otter",
    "bad body": "canary-broken-json-lynx",
    "telemetry key": "canary-otlp-badger",
}
FAILING = [chat("fail:500 canary-prompt-zebra"), chat("fail:400 canary-prompt-zebra"), chat("cut:2 canary-prompt-zebra and more words", stream=True)]


@pytest.fixture(scope="module")
def receiver() -> Iterator[FakeReceiver]:
    with FakeReceiver() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream, receiver: FakeReceiver) -> Iterator[Gateway]:
    secrets = {"FAKE_OPENAI_KEY": UPSTREAM_KEY, "FAKE_ANTHROPIC_KEY": UPSTREAM_KEY, "OTLP": f"x-key={CANARIES['telemetry key']}"}
    telemetry = f'[telemetry]\nendpoint = "{receiver.base_url}"\nheaders_env = "OTLP"\n'
    with Gateway(upstream_config(upstream.base_url, f'[log]\nlevel = "debug"\n[cache]\nenabled = false\n{telemetry}'), env=secrets) as running:
        yield running


def _body(stream: bool) -> dict[str, object]:
    messages = [
        {"role": "system", "content": CANARIES["system prompt"]},
        {"role": "user", "content": f"{CANARIES['prompt']} {CANARIES['e-mail']} {CANARIES['card']} {CANARIES['phone']}"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "w", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": CANARIES["tool result"]},
    ]
    return {"model": "gpt-4o-mini", "messages": messages, "user": CANARIES["end user"], "stream": stream, "temperature": 0}


async def _traffic(gateway: Gateway, key: str) -> tuple[list[Answer], bytes]:
    """Errors that were answered, and what /metrics says after all of it."""
    port, mine = gateway.port, bearer(key) | {"cookie": f"a={CANARIES['cookie']}"}
    for stream in (False, True):
        assert (await post(port, "/v1/chat/completions", _body(stream), mine)).status == 200
        messages = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": CANARIES["prompt"]}], "stream": stream}
        assert (await post(port, "/v1/messages", messages, mine)).status == 200
    refused = [await post(port, "/v1/chat/completions", body, mine) for body in FAILING]
    refused.append(await post(port, "/v1/chat/completions", _body(False), bearer(CANARIES["wrong key"])))
    refused.append(await post(port, "/v1/chat/completions", b'{"model": "gpt-4o-mini", "messages": [%b' % CANARIES["bad body"].encode(), mine))
    refused.append(await post(port, "/v1/chat/completions", _body(False) | {"temperature": CANARIES["prompt"]}, mine))
    refused.append(await get(port, f"/v1/nonesuch?key={CANARIES['cookie']}", mine))
    return refused, (await get(port, "/metrics", mine)).body


def test_no_canary_is_found(gateway: Gateway, receiver: FakeReceiver) -> None:
    key = gateway.new_key("--tenant", "acme", "--role", "admin")
    asyncio.run(_until_known(gateway, key))
    refused, metrics = asyncio.run(_traffic(gateway, key))
    gateway.stop()
    stored = b"".join(path.read_bytes() for path in Path(gateway.directory).glob("farthing.db*"))
    places = {"log": gateway.log.encode(), "store": stored, "metrics": metrics, "errors": b"".join(answer.body for answer in refused[3:])}
    assert len(receiver.spans()) >= 12
    places["traces"] = b"".join(one.body for one in receiver.requests)
    found = [(name, place) for name, canary in {**CANARIES, "virtual key": key}.items() for place, text in places.items() if canary.encode() in text]
    figure("S5 canaries", f"{len(found)} of {len(CANARIES) + 1} secrets found in {', '.join(places)}")
    assert found == []
    assert len(gateway.rows()) >= 6


async def _until_known(gateway: Gateway, key: str) -> None:
    async with asyncio.timeout(5):
        while (await get(gateway.port, "/v1/models", bearer(key))).status != 200 or (await get(gateway.port, "/v1/models")).status != 401:
            await asyncio.sleep(0.01)
