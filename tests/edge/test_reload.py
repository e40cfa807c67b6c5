"""What a reload leaves as it was."""

import asyncio
import signal

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll, upstream_config
from tests.fakes.http_client import chat, post
from tests.fakes.upstream import FakeUpstream

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


def test_a_session_keeps_its_model_over_a_reload() -> None:
    """Another model would have to read the whole conversation again at full price."""
    with FakeUpstream() as upstream, Gateway(upstream_config(upstream.base_url), env=UPSTREAM_ENV) as gateway:

        def ask(domain: str) -> str:
            body = chat("hello", model="farthing/auto", tools=TOOLS)
            headers = {"session-id": "s1", "x-farthing-domain": domain}
            return asyncio.run(post(gateway.port, "/v1/chat/completions", body, headers)).headers["x-farthing-model"]

        first = ask("legal")
        gateway.signal(signal.SIGHUP)
        poll(lambda: "configuration reloaded" in gateway.log, 5.0, "the reload")
        assert (first, ask("smalltalk")) == ("openai/gpt-4o", "openai/gpt-4o")
