"""A scripted model service that speaks OpenAI and Anthropic natively, whole and streaming, on a real loopback port.

    with FakeUpstream() as upstream:
        client = OpenAI(base_url=upstream.base_url + "/v1", api_key="sk-upstream")

Point `base_url` of a service at `upstream.base_url + "/v1"`. What it answers is in `script.py`; what it received is in `upstream.requests`.
It refuses calls without a key, as the real services do.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from tests.fakes import anthropic_service, openai_service, responses_service
from tests.fakes.loopback import LoopbackServer, Received, Responder
from tests.fakes.script import Ask, Plan, plan

GENERATE = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings")


class FakeUpstream(LoopbackServer):
    """The service. `key` is the only API key that it takes; `None` takes any."""

    def __init__(self, key: str | None = None, *, responses: bool = True) -> None:
        super().__init__(self._handle)
        self._key = key
        self._responses = responses
        self._failed_once: set[str] = set()
        self._number = 0

    def calls(self, path: str | None = None) -> list[Received]:
        """Requests to a model so far, in order."""
        with self.changed:
            return [received for received in self.requests if received.path in GENERATE and path in (None, received.path)]

    async def _handle(self, received: Received, out: Responder) -> None:
        anthropic = received.path == "/v1/messages"
        if not self._admits(received):
            message = "Incorrect API key provided."
            out.whole(401, anthropic_service.error(401, message) if anthropic else openai_service.error(401, message))
        elif received.path == "/v1/models":
            out.whole(200, b'{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1721172741,"owned_by":"system"}]}')
        elif received.path not in GENERATE or (received.path == "/v1/responses" and not self._responses):
            out.whole(404, openai_service.error(404, f"Invalid URL ({received.method} {received.path})"))
        else:
            await self._generate(received, out)

    def _admits(self, received: Received) -> bool:
        bearer = (received.header("authorization") or "").removeprefix("Bearer ")
        given = bearer or received.header("x-api-key") or received.header("api-key") or ""
        return bool(given) and self._key in (None, given)

    async def _generate(self, received: Received, out: Responder) -> None:
        self._number += 1
        number = self._number
        body: dict[str, Any] = json.loads(received.body)
        refused = _complaint(received.path, body)
        if refused is not None:
            out.whole(400, refused, _answer_headers(number))
            return
        if received.path == "/v1/embeddings":
            out.whole(200, openai_service.embeddings(body), _answer_headers(number))
            return
        try:
            ask = read_ask(received.path, body)
            planned = plan(ask)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as odd:
            message = f"Could not make sense of it: {odd!r}"[:200]
            refusal = anthropic_service.error(400, message) if received.path == "/v1/messages" else openai_service.error(400, message)
            out.whole(400, refusal, _answer_headers(number))
            return
        failing = planned.fail or self._fails_once(planned, ask)
        if failing:
            _fail(received.path, failing, out, number)
            return
        received.usage = planned
        await out.pause(planned.hold_s) if planned.hold_s else None
        if body.get("stream"):
            await _stream(events_of(received.path, ask, planned, body, number), planned, out, number)
        else:
            await out.pause(planned.pace_s * len(planned.pieces)) if planned.pace_s else None
            out.whole(200, whole_of(received.path, ask, planned, body, number), _answer_headers(number))

    def _fails_once(self, planned: Plan, ask: Ask) -> int | None:
        if planned.fail_once is None or ask.text in self._failed_once:
            return None
        self._failed_once.add(ask.text)
        return planned.fail_once


def _answer_headers(number: int) -> dict[str, str]:
    return {"x-request-id": f"req_{number:08d}", "request-id": f"req_{number:08d}", "openai-processing-ms": "12"}


def _complaint(path: str, body: dict[str, Any]) -> bytes | None:
    if path == "/v1/messages":
        return anthropic_service.complaint(body)
    return openai_service.complaint(body, "messages" if path == "/v1/chat/completions" else "input")


def _fail(path: str, status: int, out: Responder, number: int) -> None:
    message = f"The server had an error: scripted {status}."
    body = anthropic_service.error(status, message) if path == "/v1/messages" else openai_service.error(status, message)
    extra = {"retry-after": "0"} if status in (429, 503, 529) else {}
    out.whole(status, body, _answer_headers(number) | extra)


def read_ask(path: str, body: dict[str, Any]) -> Ask:
    readers = {
        "/v1/chat/completions": openai_service.read_chat,
        "/v1/responses": openai_service.read_responses,
        "/v1/messages": anthropic_service.read_messages,
    }
    return readers[path](body)


def whole_of(path: str, ask: Ask, planned: Plan, body: dict[str, Any], number: int) -> bytes:
    if path == "/v1/messages":
        return anthropic_service.whole_message(ask, planned, number)
    if path == "/v1/responses":
        return responses_service.whole_response(ask, planned, body, number)
    return openai_service.whole_chat(ask, planned, body, number)


def events_of(path: str, ask: Ask, planned: Plan, body: dict[str, Any], number: int) -> Iterator[bytes]:
    if path == "/v1/messages":
        return anthropic_service.message_events(ask, planned, number)
    if path == "/v1/responses":
        return responses_service.response_events(ask, planned, body, number)
    return openai_service.chat_events(ask, planned, body, number)


async def _stream(events: Iterator[bytes], planned: Plan, out: Responder, number: int) -> None:
    out.start(_answer_headers(number))
    for sent, event in enumerate(events):
        if planned.cut_after is not None and sent >= planned.cut_after:
            out.abort()
            return
        await (out.pause(planned.pace_s) if planned.pace_s else asyncio.sleep(0))
        out.event(event)
    out.end()
