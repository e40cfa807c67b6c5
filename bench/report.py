"""How long `farthing report` takes over a large ledger, and how much memory: `python bench/report.py [--rows 1000000]`."""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from _harness import Figure, print_table, save
from farthing.config import Store
from farthing.core.account import Account, Saver
from farthing.core.ledger import LedgerRow
from farthing.stores.sqlite import database
from farthing.stores.sqlite.rows import insert_requests

DECISIONS = (
    '[{"lever":"classify","action":"qa","reason":"rule 3"},{"lever":"cache","action":"miss","reason":"not seen"},'
    '{"lever":"route","action":"cheap","reason":"rule \'short question\': 31 < 128 tokens asked","saved_usd":"0.00123"}]'
)
BATCH_ROWS = 16_000
MODELS = {"cheap": "gpt-4o-mini", "expensive": "gpt-4o"}


def rows(wanted: int) -> Iterator[tuple[object, ...]]:
    """Rows as a gateway would write them, three to a run, each with its account."""
    draw = random.Random(1)
    plain: dict[str, Any] = {**dict.fromkeys(LedgerRow.__struct_fields__), "dialect": "chat", "outcome": "ok", "status": 200, "provider": "openai"}
    for number in range(wanted):
        hit, tier = draw.random() < 0.3, draw.choice(("cheap", "expensive"))
        baseline = draw.randrange(10**9, 10**10)
        cost = 0 if hit else draw.randrange(10**8, 10**9) if tier == "cheap" else baseline - draw.randrange(10**8)
        asked = draw.randrange(40, 2000)
        yield tuple(
            {
                **plain,
                "request_id": f"req_{number:026d}",
                "run_id": f"run_{number // 3:026d}",
                "received_at": 1.7e9 + number / 10,
                "endpoint": draw.choice(("faq", "search", "chat")),
                "tenant": draw.choice(("a", "b", "c", "d")),
                "model_tier": tier,
                "model_name": MODELS[tier],
                "tokens_in": asked,
                "tokens_out": draw.randrange(500),
                "latency_total_ms": draw.lognormvariate(5, 1),
                "first_token_ms": None if hit else draw.lognormvariate(4, 1),
                "overhead_ms": draw.random(),
                "cache": "exact" if hit else "miss",
                "num_llm_calls": 0 if hit else 1,
                "cost_picousd": cost,
                "baseline_cost_picousd": baseline,
                "decisions": DECISIONS,
                "account": account(draw, baseline - cost, asked, hit=hit, tier=tier),
            }.values()
        )


def account(draw: random.Random, saved: int, asked: int, *, hit: bool, tier: str) -> str:
    """The difference split over one to three levers; a reused answer's part is an estimate."""
    first: Saver = "cache" if hit else "route" if tier == "cheap" else "diet"
    parts: dict[Saver, int] = {first: saved}
    if not hit and draw.random() < 0.5:
        parts = {first: saved - saved // 3, "output": saved // 3}
    ranged = {lever: part for lever, part in parts.items() if lever in ("cache", "output")}
    made = Account(
        saved=parts,
        low={lever: part * 9 // 10 for lever, part in ranged.items()},
        high={lever: part * 11 // 10 for lever, part in ranged.items()},
        extra={"repair": saved // 20} if not hit and draw.random() < 0.02 else {},
        prompt=None if hit else (asked // 4, asked // 4, 0, asked - 2 * (asked // 4)),
    )
    return msgspec.json.encode(made).decode()


def write(path: Path, wanted: int) -> None:
    store = Store(path=str(path))
    database.prepare(store)
    made = list[tuple[object, ...]]()
    with closing(database.connect(store)) as connection:
        for row in rows(wanted):
            made.append(row)
            if len(made) == BATCH_ROWS:
                _insert(connection, made)
        _insert(connection, made)


def _insert(connection: Any, made: list[tuple[object, ...]]) -> None:
    connection.execute("BEGIN")
    insert_requests(connection, made)
    connection.execute("COMMIT")
    made.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    wanted = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        write(path, wanted)
        judge(path, wanted // 50)
        made = [_measured(path, by) for by in ((), ("endpoint", "tier"))]
    names = f"report over {wanted:,} rows, the whole", f"report over {wanted:,} rows, in six groups"
    figures = [Figure(name, one["cpu_s"], "s", 10, note="CPU") for name, one in zip(names, made, strict=True)]
    figures += [Figure(name, one["wall_s"], "s", None, note="on the clock") for name, one in zip(names, made, strict=True)]
    figures.append(Figure("memory of the report", max(one["memory_mb"] for one in made), "MB", 400))
    save("report", figures, made)
    print_table("Report", figures)


def judge(path: Path, verdicts: int) -> None:
    """Verdicts on the first rows, as the quality guard would give them."""
    draw = random.Random(2)
    with closing(database.connect(Store(path=str(path)))) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO judgements (request_id, judged_at, source, lever, score, reference_score, cost_picousd) "
            "VALUES (?, 1.7e9, 'judge', 'route', ?, ?, ?)",
            ((f"req_{number:026d}", draw.random(), draw.random(), draw.randrange(10**9)) for number in range(verdicts)),
        )
        connection.execute("COMMIT")


def _measured(path: Path, by: tuple[str, ...]) -> dict[str, float]:
    """One report in a process of its own: seconds of CPU and of the clock, and the most memory that it held."""
    command = [sys.executable, __file__, "--measure", str(path), ",".join(by)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(path: Path, by: tuple[str, ...]) -> None:
    """What `_measured` runs: the same as `farthing report`, prices and JSON included."""
    from farthing.lab.report import report
    from farthing.lab.report.export import as_json
    from farthing.models.prices import PriceBook

    started, cpu = time.perf_counter(), time.process_time()
    as_json(report(path, by=by, rates=PriceBook({}).rate))
    made = {"wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
    print(json.dumps(made | {"memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]), tuple(filter(None, sys.argv[3].split(","))))
    else:
        main()
