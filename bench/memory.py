"""Memory of one worker after many requests, all different, so that every one goes through the cache and the ledger.

python bench/memory.py [--requests 100000]
"""

import argparse

from _harness import Bench, Figure, bench, print_table, save

STEP_S = 5.0


def measure(running: Bench, wanted: int) -> tuple[list[Figure], list[dict[str, float]]]:
    body = running.body("body.json")
    served, curve = 0.0, []
    while served < wanted:
        found = running.run(body, concurrency=16, duration=STEP_S, warmup=0.0)
        served += found["requests"]
        curve.append({"requests": served, "pss_mb": found["pss_mb"], "rss_mb": found["rss_mb"], "errors": found["errors"]})
    errors = sum(step["errors"] for step in curve)
    note = f"after {served:,.0f} requests, {errors:.0f} errors; {curve[0]['pss_mb']} MB after the first {curve[0]['requests']:,.0f}"
    return [Figure("memory of one worker (PSS)", curve[-1]["pss_mb"], "MB", 120, note=note)], curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    chosen = parser.parse_args()
    with bench() as running:
        figures, raw = measure(running, chosen.requests)
    save("memory", figures, raw)
    print_table("Memory", figures)


if __name__ == "__main__":
    main()
