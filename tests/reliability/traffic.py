"""Mixed traffic whose money can be worked out: every text carries `id:N`, by which what the model service saw is found again.

A deterministic draw of plain questions (three dialects, whole and streamed), repeated ones (some at once, so that they share a call), failures
that are retried or not, failovers, streams that break off, answers that break their schema (mended, escalated, or lost), prompts that a diet
makes smaller, models without a price, refusals, and answers that an output limit of ours cuts.
"""

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

from tests.fakes.http_client import Connection

CLIENTS = 32
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")
ALIASES = ("farthing/auto", "farthing/cheap", "farthing/expensive")
NAMED = ("gpt-4o-mini", "gpt-4o", "claude-haiku-4-5", "llama-small")
QUESTIONS = 60
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
# Of a hundred requests.
MIX = {"plain": 40, "diet": 5, "again": 24, "fail": 4, "failonce": 4, "down": 5, "cut": 3, "broken": 6, "unpriced": 3, "refused": 3, "short": 3}
ENDPOINTS = """
[endpoints.faq]
[endpoints.capped]
caps = { max_usd = 1e-9 }
[endpoints.short]
max_output_tokens = 5
"""


@dataclass(slots=True)
class Asked:
    """One request, and what came back."""

    kind: str
    text: str
    model: str
    path: str
    body: dict[str, Any]
    endpoint: str
    request_id: str = ""
    status: int = 0


def requests(count: int, seed: int = 7) -> list[Asked]:
    """The traffic, the same for the same seed."""
    draw = random.Random(seed)
    kinds = draw.choices(list(MIX), list(MIX.values()), k=count)
    return [_request(draw, number, kind) for number, kind in enumerate(kinds)]


def _request(draw: random.Random, number: int, kind: str) -> Asked:
    # Neighbours ask the same of the repeated questions, so that some of them meet in flight.
    own = random.Random(number // 4 % QUESTIONS) if kind == "again" else draw
    identity = 1_000_000 + number // 4 % QUESTIONS if kind == "again" else number
    # Only chat answers are reused: the other dialects are passed through as agents need them.
    chat_alone = kind in ("broken", "diet") or (kind == "again" and own.random() < 0.6)
    model, path = _model(own, kind), PATHS[0] if chat_alone else own.choice(PATHS)
    words = f"words:{own.randint(6, 60)} cached:{own.randint(0, 3)} reason:{own.randint(0, 9)}"
    text = f"{_fault(own, kind)} {words} id:{identity} " + " ".join(own.choices(["ship", "shore", "sail", "rope"], k=own.randint(1, 30)))
    endpoint = {"refused": "capped", "short": "short"}.get(kind) or own.choice(["faq", "default", "made-up"])
    stream = kind == "cut" or draw.random() < 0.5
    body = _body(path, model, text, stream=stream, schema=kind == "broken", limited=kind != "short")
    if kind == "diet":
        rows = [{"port": draw.randint(1, 99), "ship": draw.choice(["brig", "yawl"])} for _ in range(draw.randint(8, 20))]
        body["messages"].insert(0, {"role": "system", "content": json.dumps(rows, indent=4)})
    return Asked(kind, text, model, path, body, endpoint)


def _model(draw: random.Random, kind: str) -> str:
    if kind == "unpriced":
        return "gpt-of-unknown-price"
    if kind == "down":
        return "farthing/cheap"
    if kind in ("broken", "short"):
        return draw.choice(["farthing/cheap", "gpt-4o-mini"])
    return draw.choice(ALIASES + NAMED)


def _fault(draw: random.Random, kind: str) -> str:
    return {
        "again": "hold:12",
        "fail": draw.choice(["fail:500", "fail:400"]),
        "failonce": "failonce:503",
        "down": "down:503",
        "cut": "cut:5",
        "broken": draw.choice(["broken:1 mend:1", "broken:1 mend:0", "broken:2 mend:0"]),
    }.get(kind, "plain")


def _body(path: str, model: str, text: str, *, stream: bool, schema: bool, limited: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "stream": stream, "temperature": 0}
    if path == "/v1/responses":
        return body | {"input": text} | ({"max_output_tokens": 200} if limited else {})
    body |= {"messages": [{"role": "user", "content": text}]}
    if schema:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY, "strict": True}}
    return body | ({"max_tokens": 200} if limited or path == "/v1/messages" else {})


async def send_all(port: int, asked: list[Asked]) -> None:
    """All of them over a few connections; fills in ids and status."""
    todo = iter(asked)

    async def client() -> None:
        async with Connection(port) as connection:
            for one in todo:
                headers = {"x-farthing-endpoint": one.endpoint, "x-farthing-run": f"run {one.text[:40]}"}
                await connection.send("POST", one.path, json.dumps(one.body).encode(), headers)
                answer = await connection.answer()
                one.request_id, one.status = answer.headers["x-request-id"], answer.status

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
