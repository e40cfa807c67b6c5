"""What the gateway costs per request: CPU on its own core, with everything on.

    python bench/overhead.py [--seconds 5] [--runs 3]

Key check, request, token and money limits, routing rules, exact-cache look-up and the durable ledger are on; median of the runs.
"""

import argparse

from _harness import Bench, Figure, bare_uvicorn, bench, print_table, save

CONCURRENCY = 16


def measure(running: Bench, runs: int, seconds: float) -> tuple[list[Figure], dict[str, object]]:
    options = {"concurrency": CONCURRENCY, "duration": seconds, "warmup": 1.0}
    whole = running.median(runs, running.body("body.json"), **options)
    routed = running.median(runs, running.body("body.json", model="farthing/auto"), **options)
    hit = running.median(runs, running.body("body.json"), distinct=1, **options)
    few = running.median(runs, running.body("body.json"), distinct=100, **options)
    stream = running.median(runs, running.body("body_stream.json"), stream=True, **options)
    with bare_uvicorn() as (url, pid):
        floor = running.median(runs, running.body("body.json"), url=url, pids=(pid,), **options)
    figures = [
        Figure("bare uvicorn with no upstream, CPU per request", floor.get("cpu_us_per_request"), "us", None, note=_note(floor)),
        Figure("pass-through, CPU per request", whole.get("cpu_us_per_request"), "us", 150, note=_note(whole)),
        Figure("pass-through, requests/s on one core", whole["rps"], "/s", 6000, at_most=False, note=f"c={CONCURRENCY}"),
        Figure("routed (farthing/auto), CPU per request", routed.get("cpu_us_per_request"), "us", 150, note=_note(routed)),
        Figure("exact hit, 1 body, CPU per request", hit.get("cpu_us_per_request"), "us", 80, note=_note(hit)),
        Figure("exact hit, 100 bodies, CPU per request", few.get("cpu_us_per_request"), "us", 80, note=_note(few)),
        Figure("streamed 30 chunks, CPU per request", stream.get("cpu_us_per_request"), "us", 250, note=_note(stream)),
    ]
    return figures, {"whole": whole, "routed": routed, "hit": hit, "few": few, "stream": stream, "floor": floor}


def _note(run: dict[str, object]) -> str:
    busy = f"{run['foreign_cores']:.2f} cores busy with other work"
    return f"{run['rps']:,.0f}/s, p50 {run['p50_us']:,.0f} us, p99 {run['p99_us']:,.0f} us, {run['errors']} errors, {busy}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with bench() as running:
        figures, raw = measure(running, chosen.runs, chosen.seconds)
    save("overhead", figures, raw)
    print_table("Overhead of the gateway on one core, everything on", figures)


if __name__ == "__main__":
    main()
