"""What the durable book costs: CPU of all threads per request (one reserve, one settle), pinned to one core.

python bench/ledger.py [--callers 16] [--requests 48000] [--durability process]

"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
import timeit
from pathlib import Path

import uvloop

from farthing import config
from farthing.core.clock import SystemClock
from farthing.core.ids import new_id
from farthing.core.ledger import Hold, Intent, LedgerRow, Release
from farthing.stores.sqlite import Book, Keys

ROUNDS = 60
DECISIONS = (
    '[{"lever":"route","action":"gpt-5-mini","reason":"rule short-question: query 12 tokens < 128","saved_usd":"0.0031"},'
    '{"lever":"cache","action":"miss","reason":"no entry"}]'
)


def sample_intent(request_id: str, key: int) -> Intent:
    holds = tuple((hold.meter, hold.amount, hold.amount) for hold in sample_holds(key))
    return Intent(
        request_id, f"run_{request_id}", time.time(), "faq", "acme", f"k_{key}", None, "gpt-5-mini", "openai", "cheap", 1_200_000_000, 420, holds
    )


def sample_holds(key: int) -> list[Hold]:
    return [
        Hold(f"key:k_{key}:requests:2026-11-22T10:31", "requests", 1, 10**9, f"key k_{key}", "minute", 60.0, "limits.key.requests_per_minute"),
        Hold(f"key:k_{key}:usd:2026-11-22", "budget", 1_200_000_000, 10**18, f"key k_{key}", "day", 1.8e9, "limits.key.daily_usd"),
        Hold("tenant:acme:usd:2026-11", "budget", 1_200_000_000, 10**18, "tenant acme", "month", 1.8e9, "limits.tenant.acme.monthly_usd"),
    ]


def sample_row(request_id: str, key: int) -> LedgerRow:
    return LedgerRow(
        request_id=request_id, run_id=f"run_{request_id}", received_at=time.time(), endpoint="faq", dialect="chat", stream=False, tenant="acme",
        user_hash=None, key_id=f"k_{key}", task_type="qa", complexity=0.21, risk="low", language="en", needs_documents=False,
        requested_model="farthing/auto", model_tier="cheap", model_name="gpt-5-mini", provider="openai", tokens_in=412, tokens_out=96,
        tokens_cached=None, tokens_cache_write=None, tokens_reasoning=None, usage_estimated=False, latency_total_ms=812.4, latency_model_ms=810.9,
        latency_retrieval_ms=None, latency_queue_ms=0.1, first_token_ms=None, overhead_ms=0.4, cache="miss", cache_similarity=None,
        cache_entry=None, rag_used=False, sources=None, num_llm_calls=1, cost_picousd=1_013_000_000, baseline_cost_picousd=4_100_000_000,
        decisions=DECISIONS, attempts=None, outcome="ok", truncated=None, finish="stop", status=200, error_code=None, error_message=None,
    )  # fmt: skip


async def caller(book: Book, number: int, requests: int) -> None:
    for _ in range(requests):
        request_id = new_id("req")
        await book.reserve(sample_intent(request_id, number), sample_holds(number))
        releases = [Release(hold.meter, hold.amount, hold.amount) for hold in sample_holds(number)]
        await book.settle(sample_row(request_id, number), releases)


def nobody(requests: int) -> float:
    """CPU in us to build the same objects and book nothing: what the bench itself costs."""
    cpu = time.process_time()
    for _ in range(requests):
        request_id = new_id("req")
        sample_intent(request_id, 1)
        sample_holds(1)
        [Release(hold.meter, hold.amount, hold.amount) for hold in sample_holds(1)]
        sample_row(request_id, 1)
    return (time.process_time() - cpu) / requests * 1e6


async def measure(path: str, callers: int, requests: int, durability: str) -> None:
    book = await Book.open(config.Store(path=path, durability=durability), worker="bench", clock=SystemClock())  # type: ignore[arg-type]
    own_us = min(nobody(2000) for _ in range(5))
    each = max(1, requests // callers // ROUNDS)
    costs_us: list[float] = []
    started = time.perf_counter()
    for _ in range(ROUNDS):
        cpu = time.process_time()
        await asyncio.gather(*(caller(book, i, each) for i in range(callers)))
        costs_us.append((time.process_time() - cpu) / (each * callers) * 1e6 - own_us)
    rate, per_group = ROUNDS * each * callers / (time.perf_counter() - started), book.counts.operations / book.counts.groups
    await book.close()
    print(
        f"ledger: reserve + settle {min(costs_us):.1f} us CPU per request (best of {ROUNDS} short rounds; median {statistics.median(costs_us):.1f}), "
        f"{callers} callers, durability {durability}, {per_group:.1f} operations per group, {rate:,.0f} requests/s, bench's own {own_us:.1f} us off"
    )


def measure_keys(path: str) -> None:
    keys = Keys.load(config.Store(path=path), environ={})
    _, secret = keys.create(name="bench")
    best_us = min(timeit.repeat(lambda: keys.authenticate(secret), number=10_000, repeat=7)) * 100
    print(f"keys: authenticate {best_us:.2f} us")
    keys.shut()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--requests", type=int, default=48_000)
    parser.add_argument("--durability", choices=("process", "power"), default="process")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(str(Path(folder) / "ledger.db"), arguments.callers, arguments.requests, arguments.durability))
        measure_keys(str(Path(folder) / "keys.db"))


if __name__ == "__main__":
    main()
