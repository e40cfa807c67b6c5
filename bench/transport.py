"""CPU per call of the upstream transport, alone and under the guard, against the C mock in ../shared/bench.

    python bench/transport.py [--calls 40000] [--concurrency 16] [--loop uvloop|asyncio]

This process runs on the first core, the mocks on the last. Prints one row per case: microseconds of this process's CPU per call
(median of 5 rounds), and calls per second.
"""

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from farthing.config import Config, Service
from farthing.core.call import Call
from farthing.core.clock import SystemClock
from farthing.core.request import Dialect
from farthing.models.hub import Hub
from farthing.models.transport import Origin, Pool

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "bench"
ROUNDS = 5
HEADERS = b"host: 127.0.0.1\r\ncontent-type: application/json\r\naccept-encoding: identity\r\n"

One = Callable[[], Awaitable[None]]


async def whole(pool: Pool, body: bytes) -> None:
    deadline_s = asyncio.get_running_loop().time() + 60
    reply = await pool.request(
        b"POST",
        b"/v1/chat/completions",
        HEADERS,
        body,
        deadline_s=deadline_s,
        first_byte_timeout_s=60,
        idle_timeout_s=30,
        max_answer_bytes=1 << 25,
    )
    await reply.read()


async def through_hub(hub: Hub, body: bytes, stream: bool) -> None:
    reply = await hub.send(Call("mock", "gpt-4o-mini", Dialect.CHAT, body, stream, time.monotonic() + 60, "req_1"))
    if stream:
        async for _ in reply:
            pass
    else:
        await reply.read()


async def measure(one: One, calls: int, concurrency: int) -> tuple[float, float]:
    """CPU microseconds per call and calls per second."""

    async def worker() -> None:
        for _ in range(calls // concurrency):
            await one()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return (time.process_time() - cpu) / calls * 1e6, calls / (time.perf_counter() - wall)


async def run(ports: tuple[int, int], calls: int, concurrency: int) -> None:
    body, stream_body = (SHARED / "body.json").read_bytes(), (SHARED / "body_stream.json").read_bytes()
    pool = Pool(Origin("mock", "127.0.0.1", ports[0]), max_connections=256)
    hub = Hub(Config(services={"mock": Service(base_url=f"http://127.0.0.1:{ports[0]}/v1")}), clock=SystemClock())
    slow = Hub(Config(services={"mock": Service(base_url=f"http://127.0.0.1:{ports[1]}/v1")}), clock=SystemClock())
    cases: list[tuple[str, One, int]] = [
        ("pool, whole answer", lambda: whole(pool, body), calls),
        ("hub, whole answer", lambda: through_hub(hub, body, False), calls),
        ("hub, stream of 30 chunks at once", lambda: through_hub(hub, stream_body, True), calls // 2),
        ("hub, stream of 30 chunks, 1 ms apart", lambda: through_hub(slow, stream_body, True), calls // 40),
    ]
    for name, one, number in cases:
        rounds = [await measure(one, number, concurrency) for _ in range(ROUNDS)]
        print(f"{name:<40} {statistics.median(cpu for cpu, _ in rounds):7.1f} us CPU {statistics.median(rate for _, rate in rounds):9.0f} calls/s")
    await pool.close()
    await hub.close()
    await slow.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start(binary: Path, port: int, *options: str) -> subprocess.Popen[bytes]:
    mock = subprocess.Popen([str(binary), "-p", str(port), *options])
    os.sched_setaffinity(mock.pid, {max(os.sched_getaffinity(mock.pid))})
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return mock
        time.sleep(0.01)
    sys.exit("The mock did not start.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=40_000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options = parser.parse_args()
    source, compiler = SHARED / "mock_upstream.c", shutil.which("gcc")
    if not source.exists() or compiler is None:
        sys.exit(f"Skipped: needs gcc and {source}.")
    with tempfile.TemporaryDirectory() as folder:
        binary, ports = Path(folder) / "mock", (free_port(), free_port())
        subprocess.run([compiler, "-O2", "-w", "-o", str(binary), str(source)], check=True)
        mocks = [start(binary, ports[0]), start(binary, ports[1], "-g", "1000")]
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        try:
            work = run(ports, options.calls, options.concurrency)
            if options.loop == "uvloop":
                uvloop.run(work)
            else:
                asyncio.run(work)
        finally:
            for mock in mocks:
                mock.terminate()
                mock.wait()


if __name__ == "__main__":
    main()
