"""Commands that open the store of a running gateway and leave again take nothing with them."""

import asyncio
import os
from pathlib import Path

from tests.fakes.http_client import chat, post
from tests.reliability.conftest import StartGateway


def test_commands_beside_a_running_gateway_lose_nothing(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    acknowledged = []
    for command in (["keys", "list"], ["report"], ["keys", "list"]):
        answer = asyncio.run(post(gateway.port, "/v1/chat/completions", chat(f"before {len(acknowledged)}")))
        acknowledged.append(answer.headers["x-request-id"])
        gateway.farthing(*command)
    assert [row["request_id"] for row in gateway.rows()] == acknowledged
    held = [os.readlink(entry) for entry in Path(f"/proc/{gateway.pid}/fd").iterdir()]
    assert [name for name in held if name.endswith("(deleted)")] == []
