"""What counting costs: one settled request, and one scrape; beside it, what importing `prometheus_client` would.

Run: python bench/metrics.py
"""

import subprocess
import sys
import time
import timeit
from decimal import Decimal

import msgspec

from farthing.config import Config, Service, Tiers
from farthing.config import Telemetry as Wanted
from farthing.core.account import Account
from farthing.core.clock import SystemClock
from farthing.core.exchange import Attempt, Exchange, Target
from farthing.core.ledger import LedgerRow
from farthing.core.request import Dialect, Inbound, Peek, Principal
from farthing.core.usage import Usage
from farthing.measure.board import Board
from farthing.measure.prometheus import Metrics

LIBRARY = """
import time, msgspec
def rss_mb(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before, started = rss_mb(), time.perf_counter()
import prometheus_client
print(f"{(time.perf_counter() - started) * 1e3:.0f} ms, +{rss_mb() - before:.1f} MB")
"""


def sample_row(model: str = "small", endpoint: str = "default") -> LedgerRow:
    known = {
        "request_id": "req", "run_id": "run", "received_at": 0.0, "endpoint": endpoint, "dialect": "chat", "stream": False, "tenant": "default",
        "requested_model": "farthing/auto", "model_tier": "cheap", "model_name": model, "provider": "openai", "tokens_in": 120, "tokens_out": 40,
        "usage_estimated": False, "latency_total_ms": 812.4, "latency_model_ms": 811.9, "first_token_ms": 300.1, "overhead_ms": 0.31,
        "cache": "miss", "rag_used": False, "num_llm_calls": 1, "cost_picousd": 42_000_000, "baseline_cost_picousd": 700_000_000,
        "decisions": "[]", "outcome": "ok", "status": 200,
    }  # fmt: skip
    return LedgerRow(**{name: known.get(name) for name in LedgerRow.__struct_fields__})  # pyright: ignore[reportArgumentType]


def sample_exchange() -> Exchange:
    inbound = Inbound("req", Dialect.CHAT, b"", Peek("small", ()), Principal(None, "default"), 0.0, 0.0)
    exchange = Exchange(inbound)
    exchange.account = Account({"cache": 0, "route": 600_000_000, "diet": 58_000_000}, extra={"repair": 1_000_000})
    exchange.attempts = [Attempt(Target("openai", "small", "cheap"), "answer", 0.8, 0.3, Usage(120, 40), Decimal("0.000042"))]
    return exchange


def telemetry_us(config: Config, exchange: Exchange, row: LedgerRow) -> tuple[float, float]:
    """What one request costs itself, and what it costs the thread that sends it: CPU of spans, sums and their encoding; no network."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    from farthing.measure.otel.telemetry import Telemetry

    wanted = msgspec.structs.replace(config, telemetry=Wanted(endpoint="http://127.0.0.1:9"))
    telemetry = Telemetry(wanted, {}, worker=0, clock=SystemClock(), on_dropped=lambda *_: None)
    count = 4000
    hand_over = timeit.timeit(lambda: telemetry.settled(exchange, row), number=count) / count
    began = time.process_time()
    for start in range(0, count, 250):
        spans = [span for _ in range(start, start + 250) for span in telemetry._told(telemetry._queue.popleft())]
        encode_spans(spans).SerializeToString()
    return hand_over * 1e6, (time.process_time() - began) / count * 1e6


def main() -> None:
    config = Config(services={"openai": Service()}, tiers=Tiers(cheap=("openai/small", *(f"openai/m{number}" for number in range(20)))))
    metrics = Metrics(config, Board(4), 0)
    exchange, row = sample_exchange(), sample_row()
    each_us = min(timeit.repeat(lambda: metrics.settled(exchange, row), number=20_000, repeat=5)) / 20_000 * 1e6
    exchange.account = None
    without_us = min(timeit.repeat(lambda: metrics.settled(exchange, row), number=20_000, repeat=5)) / 20_000 * 1e6
    for number in range(20):
        metrics.settled(exchange, sample_row(f"m{number}"))
    started = time.perf_counter()
    body, _ = metrics.render()
    again = time.perf_counter()
    metrics.render()
    print(f"settled: {each_us:.1f} us, of it the savings of three levers {each_us - without_us:.1f} us")
    print(f"scrape: {(time.perf_counter() - again) * 1e3:.1f} ms (first {(again - started) * 1e3:.0f} ms), {len(body.splitlines())} lines")
    hand_over_us, send_us = telemetry_us(config, exchange, row)
    print(f"OpenTelemetry: {hand_over_us:.1f} us of the request, {send_us:.0f} us of CPU in the thread that sends")
    child = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=False)
    print("import prometheus_client:", child.stdout.strip() or "not installed")


if __name__ == "__main__":
    main()
