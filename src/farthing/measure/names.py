"""Every metric name, label and bucket that Prometheus sees, once. Renaming one is a breaking change for somebody's dashboard.

No label can be filled by a caller: `endpoint` is one that the configuration declares and `model` one that it names, else `other`.
Tenants, keys and end users are in the ledger, not here. OpenTelemetry's names are in `otel/names.py`.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

OTHER = "other"
NONE = "none"  # the request reached no model, or no tier

SIGNALS = ("traces", "metrics")  # of OpenTelemetry

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
SAVED = Metric(
    "farthing_saved_usd", "What levers saved of the baseline, where cost and baseline are known; saved less lost is baseline less cost.", "counter",
    ("endpoint", "lever"), PICOS,
)  # fmt: skip
LOST = Metric("farthing_lost_usd", "What levers cost more than they saved, request by request.", "counter", ("endpoint", "lever"), PICOS)
EXTRA = Metric(
    "farthing_extra_cost_usd", "Part of the cost that went into calls beyond the one that answered, by their purpose.", "counter", ("purpose",), PICOS
)
UNACCOUNTED = Metric(
    "farthing_unaccounted", "Settled requests without a savings account: their cost or their baseline is unknown.", "counter", ("endpoint",)
)
TOKENS = Metric(
    "farthing_tokens", "Tokens of settled requests; input holds cached ones, output reasoning ones.", "counter", ("tier", "model", "kind")
)
CACHE = Metric("farthing_cache", "Settled requests by how the cache served them.", "counter", ("kind",))
CALLS = Metric(
    "farthing_model_calls", "Calls to model services, by purpose and result (ok, or the error's code).", "counter", ("service", "purpose", "result")
)
ERRORS = Metric("farthing_errors", "Settled requests that ended in an error, by its code.", "counter", ("endpoint", "code"))
REFUSED = Metric(
    "farthing_refused", "Requests refused without a ledger row: bad key, bad body, no such route, a store that cannot write.", "counter",
    ("dialect", "code"),
)  # fmt: skip
LATENCY = Metric("farthing_request_seconds", "From the head of the request to the last byte.", "histogram", ("tier", "stream"), MICROS, WHOLE_TIME)
MODEL_TIME = Metric("farthing_model_seconds", "Time spent waiting for models.", "histogram", ("model",), MICROS, WHOLE_TIME)
FIRST_TOKEN = Metric("farthing_first_token_seconds", "From the head of the request to the first token.", "histogram", ("model",), MICROS, FIRST_TIME)
OVERHEAD = Metric("farthing_overhead_seconds", "What the gateway itself added.", "histogram", ("cache",), MICROS, OWN_TIME)
JUDGED = Metric("farthing_judged", "Verdicts on answers, by who gave them.", "counter", ("endpoint", "tier", "cache", "source"))
SCORE = Metric("farthing_judged_score", "Sum of their scores, each 0 to 1.", "counter", ("endpoint", "tier", "cache", "source"), MICROS)
COMPARED = Metric("farthing_compared", "Verdicts that scored the expensive tier's answer too.", "counter", ("endpoint", "tier", "cache", "source"))
COMPARED_SCORE = Metric(
    "farthing_compared_score", "Sum of the served answers' scores in those.", "counter", ("endpoint", "tier", "cache", "source"), MICROS
)
REFERENCE_SCORE = Metric(
    "farthing_compared_reference_score", "Sum of the expensive tier's scores in those.", "counter", ("endpoint", "tier", "cache", "source"), MICROS
)
UNJUDGED = Metric("farthing_unjudged", "Answers that were drawn to be judged and got no verdict, by the reason.", "counter", ("reason",))
JUDGEMENT_COST = Metric("farthing_judgement_cost_usd", "What verdicts cost, by the lever they watch.", "counter", ("lever",), PICOS)
LOWERED = Metric("farthing_lever_lowered", "Levers that the quality guard turned down, in how many workers.", "gauge", ("endpoint", "lever"))
GUARD = Metric("farthing_guard_events", "What the quality guard did: lowered, restored.", "counter", ("endpoint", "lever", "action"))
WORKERS = Metric("farthing_worker_starts", "Workers that began, the first of each seat included.", "counter")
DROPPED = Metric("farthing_telemetry_dropped", "Spans, and exports of metrics, that OpenTelemetry's receiver did not take.", "counter", ("signal",))
IN_FLIGHT = Metric("farthing_in_flight", "Requests being served.", "gauge")
COMMITS = Metric("farthing_store_commit_seconds", "Ledger commits.", "histogram", (), MICROS, OWN_TIME)
ROWS = Metric("farthing_store_rows", "Operations written by those commits.", "counter")
BACKGROUND_WAITING = Metric("farthing_background_waiting", "Items of batches, and calls that may wait, in the queue.", "gauge")
BACKGROUND_RUNNING = Metric("farthing_background_running", "Of them, those that run.", "gauge")
BACKGROUND_LIMIT = Metric("farthing_background_limit", "Items that may run at the service at once, as measured.", "gauge", ("service",))
QUEUE = Metric("farthing_store_queue", "Operations waiting for a commit.", "gauge")
ROOM_RUNNING = Metric("farthing_room_running", "Calls at work in a service whose number is limited (`at_once`).", "gauge", ("service",))
ROOM_WAITING = Metric("farthing_room_waiting", "Calls that wait here for a place at the service.", "gauge", ("service",))
ROOM_LIMIT = Metric("farthing_room_limit", "Places at the service, as set or measured; over all workers.", "gauge", ("service",))
ENGINE_UP = Metric("farthing_engine_up", "Whether a service with metrics_url said lately how it is.", "gauge", ("service",))
ENGINE_RUNNING = Metric("farthing_engine_running", "Requests at work in the service.", "gauge", ("service",))
ENGINE_WAITING = Metric("farthing_engine_waiting", "Requests waiting in the service.", "gauge", ("service",))
ENGINE_CACHE = Metric("farthing_engine_kv_cache_used", "Share of its memory for keys and values in use.", "gauge", ("service",), MICROS)
ENGINE_TOKENS = Metric("farthing_engine_tokens_per_second", "Tokens it read (input) and wrote (output).", "gauge", ("service", "kind"), MICROS)
GPU_USED = Metric("farthing_gpu_used", "Share of the time in which an accelerator of this machine was busy.", "gauge", ("gpu",), MICROS)
GPU_MEMORY = Metric("farthing_gpu_memory_used", "Share of its memory in use.", "gauge", ("gpu",), MICROS)

# Families are rendered in this order.
ALL: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *(REQUESTS, COST, BASELINE, SAVED, LOST, EXTRA, UNACCOUNTED, UNPRICED, TOKENS, CACHE, CALLS, ERRORS, REFUSED),
        *(LATENCY, MODEL_TIME, FIRST_TOKEN, OVERHEAD),
        *(JUDGED, SCORE, COMPARED, COMPARED_SCORE, REFERENCE_SCORE, UNJUDGED, JUDGEMENT_COST, LOWERED, GUARD),
        *(WORKERS, DROPPED, IN_FLIGHT, COMMITS, ROWS, QUEUE),
        *(BACKGROUND_WAITING, BACKGROUND_RUNNING, BACKGROUND_LIMIT),
        *(ROOM_RUNNING, ROOM_WAITING, ROOM_LIMIT),
        *(ENGINE_UP, ENGINE_RUNNING, ENGINE_WAITING, ENGINE_CACHE, ENGINE_TOKENS, GPU_USED, GPU_MEMORY),
    )
}
