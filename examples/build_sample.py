"""Choose the recorded exchanges that Farthing ships, and the traffic that the demo sends.

Run: python examples/build_sample.py [folder with zeroeval.*.parquet, default ../shared/data/routing]   (needs pyarrow)

Prompts are drawn by the hash of their id, never by how well a model did: grade-school problems (GSM8K) of at most 390 bytes, program
outputs (CRUXEval) of at least 580 and contest problems (MATH level 5) of at least 560, so that the default rule on length has both sides to show.
Exchanges with an answer of more than 1,800 bytes are left out for size. Nothing is written by us: see src/farthing/data/NOTICE.
"""

import hashlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as parquet

from farthing.models.recordings import Recording

CHEAP = "Meta-Llama-3.1-8B-Instruct"
EXPENSIVE = "claude-3-5-haiku-20241022"
DATA = Path(__file__).parent.parent / "src" / "farthing" / "data"
ROUTING = Path(__file__).parent.parent.parent / "shared" / "data" / "routing"

# Endpoint: data set, prompts, shortest and longest prompt in bytes, share of the traffic.
ENDPOINTS = {"homework": ("gsm", 39, 0, 390, 0.73), "code": ("crux", 14, 580, 10_000, 0.19), "contest": ("math-l5", 4, 560, 10_000, 0.08)}
LONGEST_ANSWER = 1800
REQUESTS = 300
SEED = 1

Pair = tuple[Recording, Recording]


def read(folder: Path, part: str) -> list[dict[str, Any]]:
    return parquet.read_table(folder / f"zeroeval.{part}.parquet").to_pylist()


def choose(folder: Path) -> dict[str, list[Pair]]:
    """Exchanges by endpoint, the cheap model's and the expensive one's."""
    prompts = sorted(read(folder, "prompts"), key=lambda row: hashlib.sha256(row["prompt_id"].encode()).digest())
    answers = {(row["prompt_id"], row["model"]): row["response"] for row in read(folder, "cheap_responses") if row["model"] in (CHEAP, EXPENSIVE)}
    scores = {(row["prompt_id"], row["model"]): row["score"] for row in read(folder, "scores") if row["model"] in (CHEAP, EXPENSIVE)}

    def pair(row: dict[str, Any]) -> Pair:
        both = [(row["prompt_id"], model) for model in (CHEAP, EXPENSIVE)]
        cheap, expensive = (Recording(prompt=row["prompt"], model=key[1], answer=answers[key], score=scores[key]) for key in both)
        return cheap, expensive

    chosen: dict[str, list[Pair]] = {}
    for endpoint, (dataset, count, shortest, longest, _) in ENDPOINTS.items():
        pairs = [pair(row) for row in prompts if row["dataset"] == dataset and shortest <= len(row["prompt"].encode()) <= longest]
        short = [both for both in pairs if all(0 < len(one.answer.encode()) <= LONGEST_ANSWER for one in both)]
        chosen[endpoint] = short[:count]
    return chosen


def traffic(chosen: dict[str, list[Pair]]) -> Iterator[dict[str, Any]]:
    """Requests of users who ask popular questions again and again, one to three in a run."""
    draw = random.Random(SEED)
    shares = [share for *_, share in ENDPOINTS.values()]
    sent = run = 0
    while sent < REQUESTS:
        run += 1
        (endpoint,) = draw.choices(list(ENDPOINTS), shares)
        pairs = chosen[endpoint]
        popularity = [1 / rank for rank in range(1, len(pairs) + 1)]
        for _ in range(min(draw.choices((1, 2, 3), (6, 3, 1))[0], REQUESTS - sent)):
            sent += 1
            (pair,) = draw.choices(pairs, popularity)
            body: dict[str, Any] = {"model": "farthing/auto", "messages": [{"role": "user", "content": pair[0].prompt}]}
            if draw.random() < 0.6:
                body["temperature"] = 0
            if draw.random() < 0.4:
                body["stream"] = True
            yield {"headers": {"x-farthing-endpoint": endpoint, "x-farthing-run": f"run-{run:03d}"}, "body": body}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROUTING
    chosen = choose(folder)
    files = {
        "sample_exchanges.jsonl": [one for pairs in chosen.values() for pair in pairs for one in pair],
        "sample_traffic.jsonl": list(traffic(chosen)),
    }
    for name, rows in files.items():
        content = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        (DATA / name).write_bytes(content)
        print(f"{name}: {len(rows)} lines, {len(content):,} bytes")
    for endpoint, pairs in chosen.items():
        right = [sum(pair[side].score or 0 for pair in pairs) / len(pairs) for side in (0, 1)]
        print(f"{endpoint}: {len(pairs)} prompts, right answers {right[0]:.0%} cheap, {right[1]:.0%} expensive")


if __name__ == "__main__":
    main()
