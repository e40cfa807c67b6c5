"""What the gateway adds to an answer's latency at 200 requests a second, against the mock service asked directly in the same run.

    python bench/latency.py [--rate 200] [--seconds 20] [--runs 3]

Open loop: requests leave on a fixed schedule, so a stall delays those behind it and shows.
"""

import argparse
import statistics
from typing import Any

from _harness import Bench, Figure, bare_uvicorn, bench, print_table, save


def measure(running: Bench, runs: int, rate: float, seconds: float) -> tuple[list[Figure], list[dict[str, object]]]:
    body = running.body("body.json")
    options: dict[str, Any] = {"concurrency": 64, "duration": seconds, "warmup": 1.0, "rate": rate}
    with bare_uvicorn() as (url, pid):
        floor = running.run(body, url=url, pids=(pid,), **options)
    pairs = [(running.run(body, url=running.mock_url, **options), running.run(body, **options)) for _ in range(runs)]
    added = {name: statistics.median(through[name] - direct[name] for direct, through in pairs) / 1000 for name in ("p50_us", "p99_us")}
    errors = sum(through["errors"] for _, through in pairs)
    busy = max(through["foreign_cores"] for _, through in pairs)
    note = f"{errors} errors, {busy:.2f} cores busy with other work"
    floor_added = (floor["p50_us"] - pairs[0][0]["p50_us"]) / 1000
    figures = [
        Figure(f"bare uvicorn with no upstream at {rate:.0f}/s, added p50", floor_added, "ms", None),
        Figure(f"added latency at {rate:.0f}/s, p50", added["p50_us"], "ms", 1, note=note),
        Figure(f"added latency at {rate:.0f}/s, p99", added["p99_us"], "ms", 5),
    ]
    return figures, [{"direct": direct, "through": through} for direct, through in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with bench() as running:
        figures, raw = measure(running, chosen.runs, chosen.rate, chosen.seconds)
    save("latency", figures, raw)
    print_table("Latency that the gateway adds", figures)


if __name__ == "__main__":
    main()
