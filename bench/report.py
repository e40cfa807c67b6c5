"""How long `farthing report` takes over a large ledger, and how much memory: `python bench/report.py [--rows 1000000]`."""

import argparse
import random
import resource
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
from farthing.lab.report import report
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
        figures = [
            _figure(path, by, f"report over {wanted:,} rows, {name}") for by, name in (((), "the whole"), (("endpoint", "tier"), "in six groups"))
        ]
    figures.append(Figure("memory of the report", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB", 200))
    save("report", figures, None)
    print_table("Report", figures)


def _figure(path: Path, by: tuple[str, ...], name: str) -> Figure:
    started = time.perf_counter()
    report(path, by=by)
    return Figure(name, time.perf_counter() - started, "s", 10)


if __name__ == "__main__":
    main()
