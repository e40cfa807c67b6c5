"""Every metric name, label and bucket, once. Renaming one is a breaking change for somebody's dashboard.

No label can be filled by a caller: `endpoint` is one that the configuration declares and `model` one that it names, else `other`.
Tenants, keys and end users are in the ledger, not here.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

OTHER = "other"
NONE = "none"  # the request reached no model, or no tier

Kind = Literal["counter", "gauge", "histogram"]


class Metric(msgspec.Struct, frozen=True, eq=False):
    """One family. Counts are whole numbers of `1 / scale`, so that sums over workers are exact."""

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...] = ()
    scale: int = 1
    buckets: tuple[int, ...] = ()  # upper bounds, in the metric's whole numbers


MICROS = 1_000_000
PICOS = 1_000_000_000_000


def _micros(*seconds: float) -> tuple[int, ...]:
    return tuple(round(bound * MICROS) for bound in seconds)


WHOLE_TIME = _micros(0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
FIRST_TIME = _micros(0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60)
OWN_TIME = _micros(0.0001, 0.0002, 0.0004, 0.0008, 0.0015, 0.003, 0.006, 0.012, 0.025, 0.05, 0.1, 0.5)

REQUESTS = Metric(
    "farthing_requests", "Settled requests, one for each ledger row.", "counter", ("endpoint", "dialect", "tier", "model", "outcome", "status")
)
COST = Metric("farthing_cost_usd", "What settled requests cost.", "counter", ("endpoint", "tier", "model"), PICOS)
BASELINE = Metric("farthing_baseline_cost_usd", "What they would have cost on the baseline model, no lever pulled.", "counter", ("endpoint",), PICOS)
UNPRICED = Metric(
    "farthing_unpriced", "Settled requests that called a model whose price nobody knows; their cost is in no sum.", "counter", ("model",)
)
TOKENS = Metric(
    "farthing_tokens", "Tokens of settled requests; input holds cached ones, output reasoning ones.", "counter", ("tier", "model", "kind")
)
CACHE = Metric("farthing_cache", "Settled requests by how the cache served them.", "counter", ("kind",))
CALLS = Metric(
    "farthing_model_calls", "Calls to model services, by purpose and result (ok, or the error's code).", "counter", ("service", "purpose", "result")
)
REFUSED = Metric(
    "farthing_refused", "Requests refused before they had a ledger row: bad key, bad body, no such route.", "counter", ("dialect", "code")
)
LATENCY = Metric("farthing_request_seconds", "From the head of the request to the last byte.", "histogram", ("tier", "stream"), MICROS, WHOLE_TIME)
MODEL_TIME = Metric("farthing_model_seconds", "Time spent waiting for models.", "histogram", ("model",), MICROS, WHOLE_TIME)
FIRST_TOKEN = Metric("farthing_first_token_seconds", "From the head of the request to the first token.", "histogram", ("model",), MICROS, FIRST_TIME)
OVERHEAD = Metric("farthing_overhead_seconds", "What the gateway itself added.", "histogram", ("cache",), MICROS, OWN_TIME)
IN_FLIGHT = Metric("farthing_in_flight", "Requests being served.", "gauge")
COMMITS = Metric("farthing_store_commit_seconds", "Ledger commits.", "histogram", (), MICROS, OWN_TIME)
ROWS = Metric("farthing_store_rows", "Operations written by those commits.", "counter")
QUEUE = Metric("farthing_store_queue", "Operations waiting for a commit.", "gauge")

# Families are rendered in this order.
ALL: Mapping[str, Metric] = {
    metric.name: metric for metric in (REQUESTS, COST, BASELINE, UNPRICED, TOKENS, CACHE, CALLS, REFUSED, LATENCY, MODEL_TIME, FIRST_TOKEN, OVERHEAD)
} | {metric.name: metric for metric in (IN_FLIGHT, COMMITS, ROWS, QUEUE)}
