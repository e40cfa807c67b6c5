"""Settled requests to tell telemetry about."""

from decimal import Decimal
from typing import Any

import msgspec

from farthing.config import Config, Endpoint, Service, Tiers
from farthing.config import Telemetry as Wanted
from farthing.core.account import Account
from farthing.core.decision import Decision
from farthing.core.exchange import Attempt, Exchange, Target
from farthing.core.ledger import LedgerRow
from farthing.core.request import Dialect, Inbound, Peek, Principal, Turn
from farthing.core.usage import Usage

RECEIVED_AT = 1_760_000_000.25
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"

ROW = LedgerRow(
    **dict.fromkeys(LedgerRow.__struct_fields__)  # pyright: ignore[reportArgumentType]
    | {
        "request_id": "req_1", "run_id": "run_1", "received_at": RECEIVED_AT, "endpoint": "faq", "dialect": "chat", "stream": True, "tenant": "acme",
        "requested_model": "farthing/auto", "model_tier": "cheap", "model_name": "small", "provider": "openai", "task_type": "qa", "tokens_in": 100,
        "tokens_out": 10, "latency_total_ms": 3000.0, "latency_model_ms": 2500.0, "latency_queue_ms": 4.0, "first_token_ms": 1500.0,
        "overhead_ms": 500.0, "cache": "miss", "num_llm_calls": 2,
        "cost_picousd": 21_000_000, "baseline_cost_picousd": 99_000_000, "outcome": "ok", "status": 200,
        "finish": "stop", "usage_estimated": False, "decisions": "[]",
    }
)  # fmt: skip
FAILED = Attempt(Target("backup", "tiny", "cheap"), "answer", 0.5, None, None, Decimal(0), "upstream_timeout", 0.25)
ANSWERED = Attempt(Target("openai", "small", "cheap"), "answer", 2.0, 1.5, Usage(100, 10, 64, None, 3), Decimal("0.000021"), None, 0.8)


def config(endpoint: str, **changes: Any) -> Config:
    return Config(
        services={"openai": Service(base_url="https://api.openai.com/v1"), "backup": Service(base_url="http://10.0.0.7:8000/v1")},
        tiers=Tiers(cheap=("openai/small", "backup/tiny"), expensive=("openai/big",)),
        endpoints={"faq": Endpoint()},
        telemetry=Wanted(endpoint=endpoint, **changes),
    )


def exchange(traceparent: str | None = None, **peeked: Any) -> Exchange:
    peek = Peek("farthing/auto", (Turn("user", "a secret question"),), **{"stream": True, "temperature": 0.5, "max_output_tokens": 200, **peeked})
    x = Exchange(Inbound("req_1", Dialect.CHAT, b"", peek, Principal(None, "acme"), 10.0, RECEIVED_AT, traceparent=traceparent))
    x.attempts = [FAILED, ANSWERED]
    x.decisions = [Decision("cache", "miss", "not seen"), Decision("route", "cheap", "rule 'short': 31 < 128", saved_usd=Decimal("0.000078"))]
    x.account = Account({"route": 80_000_000, "check": -2_000_000})
    return x


def row(**changes: Any) -> LedgerRow:
    return msgspec.structs.replace(ROW, **changes)
