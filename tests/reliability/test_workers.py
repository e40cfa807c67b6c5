"""R10: a crashed worker takes only its own requests with it, and is replaced."""

import asyncio
import os
import random
import signal
from pathlib import Path

from tests.fakes.figures import figure, rounds
from tests.fakes.gateway import Gateway, poll
from tests.fakes.http_client import Connection, chat, post
from tests.reliability.conftest import StartGateway


def _serving(gateway: Gateway) -> set[int]:
    """Processes of the family that accept connections on the port (workers, not the parent)."""
    return {pid for pid in gateway.children() if Path(f"/proc/{pid}/stat").exists() and _listens(pid, gateway.port)}


def _listens(pid: int, port: int) -> bool:
    inodes = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[1].endswith(f":{port:04X}")}
    try:
        links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(f"socket:[{inode}]" in links for inode in inodes)


async def _stream(gateway: Gateway, number: int) -> bool:
    """Whether a stream that lasts a second came whole."""
    try:
        async with Connection(gateway.port) as connection:
            answer = await connection.post("/v1/chat/completions", chat(f"slow:40 words:25 {number}", stream=True))
    except (ConnectionError, OSError):
        return False
    return answer.body.endswith(b"data: [DONE]\n\n") and b"word24" in answer.body


async def _kill_one_of_two(gateway: Gateway, victim: int) -> tuple[int, int]:
    """Streams whole and broken when one of two workers dies under 20 of them."""
    streams = [asyncio.create_task(_stream(gateway, number)) for number in range(20)]
    await asyncio.to_thread(poll, lambda: len(gateway.query("select distinct request_id from intents")) == 20, 10.0, "20 streams in flight")
    os.kill(victim, signal.SIGKILL)
    whole = sum(await asyncio.gather(*streams))
    return whole, 20 - whole


def test_worker_killed(start_gateway: StartGateway) -> None:
    trials = rounds(2)
    gateway = start_gateway(workers=2)
    poll(lambda: len(_serving(gateway)) >= 2, 10.0, "two workers")
    draw, slowest, broken_in_all = random.Random(3), 0.0, 0
    for _ in range(trials):
        before = _serving(gateway)
        victim = draw.choice(sorted(before))
        known = len(gateway.rows())
        whole, broken = asyncio.run(_kill_one_of_two(gateway, victim))
        slowest = max(slowest, poll(lambda before=before, victim=victim: len(_serving(gateway) - {victim}) >= len(before), 10.0, "the respawn"))
        poll(lambda: not gateway.query("select * from intents"), 6.0, "the sweep of orphans")
        outcomes = [row["outcome"] for row in gateway.rows()[known:]]
        assert outcomes.count("ok") == whole
        assert outcomes.count("interrupted") == broken
        assert asyncio.run(post(gateway.port, "/v1/chat/completions", chat("and on"))).status == 200
        broken_in_all += broken
    figure(
        "R10 worker",
        f"{trials} kills of 1 of 2 workers: {broken_in_all} of {20 * trials} streams lost, respawned {slowest:.2f} s after the last stream at most",
    )


def test_budget_is_exact_over_two_workers(start_gateway: StartGateway) -> None:
    """R3, end to end: a budget of ten cents, 64 at once, a cent each: exactly ten get through."""
    from tests.reliability.conftest import CENT_PRICES

    count = rounds(3)
    gateway = start_gateway(CENT_PRICES, workers=2)
    for turn in range(count):
        key = gateway.new_key("--tenant", f"cents-{turn}", "--daily-usd", "0.10")
        statuses, codes = asyncio.run(_burst(gateway, key))
        assert statuses.count(200) == 10
        assert codes == {"budget_exceeded"}
        spent = gateway.query("select sum(cost_picousd) as total from requests where tenant = ?", f"cents-{turn}")[0]["total"]
        assert spent == 100_000_000_000
    figure("R3 budget", f"exactly 10 of 64 concurrent admitted in each of {count} rounds over 2 workers")


async def _burst(gateway: Gateway, key: str) -> tuple[list[int], set[str | None]]:
    async with asyncio.TaskGroup() as group:
        headers = {"authorization": f"Bearer {key}"}
        body = "words:10 hold:50 {}"
        tasks = [group.create_task(post(gateway.port, "/v1/chat/completions", chat(body.format(n), max_tokens=10), headers)) for n in range(64)]
    answers = [task.result() for task in tasks]
    return [answer.status for answer in answers], {answer.code for answer in answers if answer.status != 200}
