"""Batches: every item answered once across kill -9, and what a full background queue costs interactive callers.

The engine behind the gateway (bench/_engine.py) has 16 slots and answers in 100 ms, 1 % slower for each other answer in flight. Interactive calls
come at a fixed rate, open loop; runs without and with a full queue take turns, so that what else the machine does meets both alike.

python bench/batch.py [--items 10000] [--kills 20] [--seconds 20] [--rounds 5] [--only kills|latency]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from openai import OpenAI
from tests.fakes.gateway import Gateway, free_port, poll

from _harness import GATEWAY_CORE, LOAD_CORE, OUT, ROOT, TOOL, Figure, load_tool, print_promises, print_table, save

CONFIG = """
[services.engine]
base_url = "http://127.0.0.1:{port}/v1"
models = ["gpt-*"]

[tiers]
cheap = ["engine/gpt-4o-mini"]
expensive = ["engine/gpt-4o"]

[log]
level = "warning"
"""
RATE = 25
SLOTS, BASE_MS, SLOWER = 16, 100, 0.01
QUEUED = 4000


@contextmanager
def engine() -> Iterator[int]:
    port = free_port()
    command = ["taskset", "-c", LOAD_CORE, sys.executable, str(ROOT / "bench" / "_engine.py"), str(port), str(SLOTS), str(BASE_MS), str(SLOWER)]
    running = subprocess.Popen(command)
    try:
        poll(lambda: _asked(port) is not None, 10, "the engine")
        yield port
    finally:
        running.terminate()
        running.wait()


def _asked(port: int) -> int | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return json.load(answer)["asked"]
    except OSError:
        return None


def _items(round_number: int) -> bytes:
    def line(number: int) -> str:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"background {round_number} {number}"}]}
        return json.dumps({"custom_id": f"b{number}", "method": "POST", "url": "/v1/chat/completions", "body": body})

    return "\n".join(map(line, range(QUEUED))).encode()


def latency(seconds: float, rounds: int) -> tuple[list[Figure], dict[str, Any]]:
    """p50 and p99 of interactive calls alone and beside a full queue, and how much of the queue was done meanwhile."""
    tool = load_tool()
    idle: list[dict[str, Any]] = []
    full: list[dict[str, Any]] = []
    with engine() as port, tempfile.TemporaryDirectory(prefix="farthing-bench-") as build:
        loadgen = tool.build("loadgen", build)
        config = CONFIG.format(port=port)
        with Gateway(config, prefix=("taskset", "-c", GATEWAY_CORE)) as gateway, OpenAI(base_url=f"{gateway.base_url}/v1", api_key="none") as client:
            url = f"{gateway.base_url}/v1/chat/completions"

            def run() -> dict[str, Any]:
                done, since = _answered(gateway), time.monotonic()
                found = tool.run(
                    url, TOOL / "body.json", match="choices", loadgen=loadgen, pin=LOAD_CORE, rate=RATE, duration=seconds, warmup=3, concurrency=64
                )
                return found | {"background_per_s": (_answered(gateway) - done) / (time.monotonic() - since)}

            for number in range(rounds):
                idle.append(run())
                file = client.files.create(file=("in.jsonl", _items(number)), purpose="batch")
                batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
                poll(lambda name=batch.id: client.batches.retrieve(name).status == "in_progress", 60, "the batch to begin")
                full.append(run())
                client.batches.cancel(batch.id)
                poll(lambda name=batch.id: client.batches.retrieve(name).status == "cancelled", 60, "the batch to end")
    return _figures(idle, full), {"idle": idle, "full": full, "rate": RATE, "slots": SLOTS, "base_ms": BASE_MS, "slower": SLOWER}


def _answered(gateway: Gateway) -> int:
    return gateway.query("SELECT count(*) AS n FROM batch_items WHERE state = 'done'")[0]["n"]


def _figures(idle: list[dict[str, Any]], full: list[dict[str, Any]]) -> list[Figure]:
    def middle(runs: list[dict[str, Any]], name: str) -> float:
        return statistics.median(run[name] for run in runs) / (1000 if name.endswith("_us") else 1)

    ratio = middle(full, "p99_us") / middle(idle, "p99_us")
    note = f"medians of {len(idle)} runs in turn"
    return [
        Figure("interactive p50, no background work", middle(idle, "p50_us"), "ms", None),
        Figure("interactive p50, full queue", middle(full, "p50_us"), "ms", None),
        Figure("interactive p99, no background work", middle(idle, "p99_us"), "ms", None),
        Figure("interactive p99, full queue", middle(full, "p99_us"), "ms", None),
        Figure("p99 longer beside a full queue", round((ratio - 1) * 100, 1), "%", 10.0, note=note),
        Figure("background items done beside them", middle(full, "background_per_s"), "/s", None),
        Figure("errors", float(sum(run["errors"] for run in (*idle, *full))), "", 0.0),
    ]


def kills(items: str, count: str) -> int:
    return print_promises("batch", ["tests/reliability/test_batch_kill9.py"], {"FARTHING_BATCH_ITEMS": items, "FARTHING_BATCH_KILLS": count})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", default="10000")
    parser.add_argument("--kills", default="20")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["kills", "latency"])
    asked = parser.parse_args()
    status = 0
    if asked.only != "kills":
        figures, raw = latency(asked.seconds, asked.rounds)
        status = 0 if print_table("Interactive calls beside background work", figures) else 1
        save("batch", figures, raw)
    if asked.only != "latency":
        status = kills(asked.items, asked.kills) or status
        print(Path(OUT / "batch.txt").read_text() if (OUT / "batch.txt").exists() else "")
    return status


if __name__ == "__main__":
    sys.exit(main())
