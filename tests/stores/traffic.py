"""A ledger as a busy product would leave it: endpoints, tiers, levers, faults and verdicts, the same for the same seed."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from farthing.core.ledger import LedgerRow
from farthing.stores.sqlite.rows import insert_requests
from farthing.stores.sqlite.transaction import transaction

NOW = 1_764_072_000.0  # 2025-11-25 12:00 UTC
CHEAP, DEAR = "llama-3.3-70b", "gpt-4.1"
PRICES = {CHEAP: (150_000, 450_000), DEAR: (2_000_000, 8_000_000)}  # picodollars a token: input, output
_ERRORS = (("upstream_timeout", 504), ("upstream_error", 502), ("rate_limit_exceeded", 429), ("budget_exceeded", 429))


class Feature(NamedTuple):
    """One endpoint: its weight, tokens in and out, how often an answer is reused, how hard its questions are."""

    name: str
    weight: float
    tokens_in: int
    tokens_out: int
    exact: float
    semantic: float
    difficulty: float
    quality: float


FEATURES = (
    Feature("faq", 34, 640, 120, 0.31, 0.17, 0.22, 0.985),
    Feature("search-answers", 22, 2_900, 210, 0.12, 0.06, 0.38, 0.972),
    Feature("support-draft", 16, 1_700, 340, 0.04, 0.03, 0.52, 0.981),
    Feature("tagging", 14, 420, 24, 0.22, 0.0, 0.18, 0.991),
    Feature("contracts", 8, 9_200, 620, 0.02, 0.0, 0.71, 0.949),
    Feature("agent", 6, 5_600, 410, 0.0, 0.0, 0.66, 0.976),
)
TENANTS = (("acme", 40), ("globex", 25), ("initech", 18), ("umbrella", 12), ("hooli", 5))
THRESHOLD = 0.55


def ledger(count: int, *, seed: int = 7, end: float = NOW, days: float = 14.0) -> Iterator[LedgerRow]:
    """Rows in the order in which they came, over the last `days`."""
    draw = random.Random(seed)
    step_s = days * 86_400 / count
    for number in range(count):
        moment = end - days * 86_400 + (number + draw.random()) * step_s
        yield _row(draw, number, moment)


def _row(draw: random.Random, number: int, moment: float) -> LedgerRow:
    feature = draw.choices(FEATURES, [each.weight for each in FEATURES])[0]
    tenant = draw.choices([name for name, _ in TENANTS], [weight for _, weight in TENANTS])[0]
    complexity = min(max(draw.gauss(feature.difficulty, 0.16), 0.0), 1.0)
    tier = "expensive" if complexity >= THRESHOLD else "cheap"
    model = DEAR if tier == "expensive" else CHEAP
    tokens_in = max(int(draw.gauss(feature.tokens_in, feature.tokens_in * 0.3)), 20)
    tokens_out = max(int(draw.lognormvariate(0, 0.4) * feature.tokens_out), 4)
    kind = draw.random()
    cache = "exact" if kind < feature.exact else "semantic" if kind < feature.exact + feature.semantic else "miss"
    failed = draw.random() < 0.006
    common = _common(draw, number, moment, feature, tenant, complexity)
    if failed:
        code, status = draw.choice(_ERRORS)
        return LedgerRow(**common, **_failed(draw, model, tier, code, status))
    if cache != "miss":
        entry = f"ans_{tenant}_{feature.name}_{number % 5}"
        return LedgerRow(**common | {"cache_entry": entry}, **_hit(draw, cache, tokens_in, tokens_out))
    return LedgerRow(**common, **_answered(draw, model, tier, tokens_in, tokens_out))


def _common(draw: random.Random, number: int, moment: float, feature: Feature, tenant: str, complexity: float) -> dict[str, Any]:
    return {
        "request_id": f"req_{int(moment * 1000):012x}{number:016x}",
        "run_id": f"run_{number // 3}",
        "received_at": moment,
        "endpoint": feature.name,
        "dialect": "chat",
        "stream": draw.random() < 0.6,
        "tenant": tenant,
        "user_hash": f"{draw.randrange(4000):024x}",
        "key_id": f"key_{tenant}",
        "task_type": "qa",
        "complexity": round(complexity, 3),
        "risk": "low",
        "language": draw.choice(("en", "en", "en", "de", "fr")),
        "needs_documents": feature.name == "search-answers",
        "requested_model": "farthing/auto",
        "tokens_cache_write": None,
        "tokens_reasoning": None,
        "usage_estimated": False,
        "latency_retrieval_ms": round(draw.lognormvariate(3.3, 0.4), 3) if feature.name == "search-answers" else None,
        "cache_entry": None,
        "rag_used": feature.name == "search-answers",
        "sources": None,
    }


def _cost(model: str, tokens_in: int, tokens_out: int) -> int:
    price_in, price_out = PRICES[model]
    return tokens_in * price_in + tokens_out * price_out


def _answered(draw: random.Random, model: str, tier: str, tokens_in: int, tokens_out: int) -> dict[str, Any]:
    cached = int(tokens_in * 0.5) if draw.random() < 0.3 else 0
    cut = int(tokens_in * draw.uniform(0.05, 0.3)) if draw.random() < 0.5 else 0
    cost = _cost(model, tokens_in, tokens_out) - cached * PRICES[model][0] // 2
    plain = _cost(model, tokens_in + cut, tokens_out)
    baseline = _cost(DEAR, tokens_in + cut, tokens_out)
    repaired = draw.random() < 0.01
    spent = _cost(CHEAP, 300, 80) if repaired else 0
    saved = {"route": baseline - plain, "diet": plain - _cost(model, tokens_in, tokens_out), "prompt_cache": cached * PRICES[model][0] // 2}
    saved |= {"check": -spent} if repaired else {}
    fell_back = draw.random() < 0.008
    wait_ms = draw.lognormvariate(5.4 if tier == "cheap" else 6.2, 0.45)
    write_ms = tokens_out * draw.lognormvariate(1.9 if tier == "cheap" else 2.6, 0.3)
    queue_ms = draw.expovariate(1 / 4)
    gateway_ms = draw.lognormvariate(0.4, 0.4)
    account = {"saved": {name: amount for name, amount in saved.items() if amount}, "extra": {"repair": spent} if repaired else {}}
    return {
        "model_tier": tier,
        "model_name": model,
        "provider": "groq" if model == CHEAP else "openai",
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "tokens_cached": cached or None,
        "latency_total_ms": round(gateway_ms + queue_ms + wait_ms + write_ms, 3),
        "latency_model_ms": round(queue_ms + wait_ms + write_ms, 3),
        "latency_queue_ms": round(queue_ms, 3),
        "first_token_ms": round(gateway_ms + queue_ms + wait_ms, 3),
        "overhead_ms": round(gateway_ms, 3),
        "cache": "miss",
        "cache_similarity": None,
        "num_llm_calls": 1 + repaired + fell_back,
        "cost_picousd": cost + spent,
        "baseline_cost_picousd": baseline,
        "decisions": _decisions(tier, cut),
        "attempts": _attempts(model, repaired=repaired, fell_back=fell_back),
        "outcome": "ok",
        "truncated": None,
        "finish": "stop",
        "status": 200,
        "error_code": None,
        "error_message": None,
        "account": msgspec.json.encode(account | {"prompt": _prompt(tokens_in)}).decode(),
    }


def _hit(draw: random.Random, cache: str, tokens_in: int, tokens_out: int) -> dict[str, Any]:
    baseline = _cost(DEAR, tokens_in, tokens_out)
    took_ms = round(draw.lognormvariate(0.5, 0.5) + (6 if cache == "semantic" else 0), 3)
    why = "similarity 0.981, p=0.9987, bound 0.61%, 312 s ago, asked as: how do i get a refund" if cache == "semantic" else "same request 312 s ago"
    reason = [{"lever": "cache", "action": cache, "reason": why}]
    account = {"saved": {"cache": baseline}, "low": {"cache": int(baseline * 0.93)}, "high": {"cache": int(baseline * 1.06)}}
    return {
        "model_tier": None,
        "model_name": None,
        "provider": None,
        "tokens_in": 0,
        "tokens_out": 0,
        "tokens_cached": None,
        "latency_total_ms": took_ms,
        "latency_model_ms": None,
        "latency_queue_ms": None,
        "first_token_ms": took_ms,
        "overhead_ms": took_ms,
        "cache": cache,
        "cache_similarity": round(draw.uniform(0.93, 0.999), 3) if cache == "semantic" else None,
        "num_llm_calls": 0,
        "cost_picousd": 0,
        "baseline_cost_picousd": baseline,
        "decisions": msgspec.json.encode(reason).decode(),
        "attempts": None,
        "outcome": "ok",
        "truncated": None,
        "finish": "stop",
        "status": 200,
        "error_code": None,
        "error_message": None,
        "account": msgspec.json.encode(account).decode(),
    }


def _failed(draw: random.Random, model: str, tier: str, code: str, status: int) -> dict[str, Any]:
    refused = status == 429
    took_ms = 0.8 if refused else round(draw.uniform(900, 30_000), 3)
    return {
        "model_tier": None if refused else tier,
        "model_name": None if refused else model,
        "provider": None,
        "tokens_in": None,
        "tokens_out": None,
        "tokens_cached": None,
        "latency_total_ms": took_ms,
        "latency_model_ms": None if refused else took_ms - 0.7,
        "latency_queue_ms": None,
        "first_token_ms": None,
        "overhead_ms": 0.7,
        "cache": "miss",
        "cache_similarity": None,
        "num_llm_calls": 0 if refused else 1,
        "cost_picousd": 0 if refused else None,
        "baseline_cost_picousd": None,
        "decisions": "[]",
        "attempts": None if refused else _attempts(model, error=code),
        "outcome": "refused" if refused else "upstream_error",
        "truncated": None,
        "finish": None,
        "status": status,
        "error_code": code,
        "error_message": "It did not answer in time." if not refused else "A limit was reached.",
    }


def _prompt(tokens: int) -> list[int]:
    return [tokens // 4, tokens // 4, tokens // 3, tokens - tokens // 4 * 2 - tokens // 3]


def _decisions(tier: str, cut: int) -> str:
    found = [
        {"lever": "classify", "action": "qa", "reason": "a question in plain words"},
        {"lever": "cache", "action": "miss", "reason": "not seen before in this scope"},
        {"lever": "route", "action": tier, "reason": f"complexity against threshold {THRESHOLD}"},
    ]
    return msgspec.json.encode([*found, {"lever": "diet", "action": "cut", "reason": f"{cut} tokens of boilerplate", "saved_tokens": cut}]).decode()


def _attempts(model: str, *, repaired: bool = False, fell_back: bool = False, error: str | None = None) -> str | None:
    answer = {"target": {"service": "svc", "model": model}, "purpose": "answer", "latency_s": 0.8, "error_code": error}
    calls = [answer]
    calls = [answer | {"error_code": "upstream_error"}, *calls] if fell_back else calls
    calls = [*calls, answer | {"purpose": "repair"}] if repaired else calls
    return msgspec.json.encode(calls).decode() if len(calls) > 1 or error else None


def write(connection: sqlite3.Connection, rows: Sequence[LedgerRow]) -> None:
    with transaction(connection):
        insert_requests(connection, [msgspec.structs.astuple(row) for row in rows])


def judge(connection: sqlite3.Connection, rows: Sequence[LedgerRow], *, share: float = 0.05, seed: int = 11) -> int:
    """Verdicts of a judge and of users on some of the answers. How many."""
    draw = random.Random(seed)
    quality = {feature.name: feature.quality for feature in FEATURES}
    found: list[tuple[Any, ...]] = []
    for row in rows:
        if row.status != 200 or draw.random() >= share:
            continue
        good = quality[row.endpoint] - (0.02 if row.cache == "semantic" else 0.0)
        score = 1.0 if draw.random() < good else draw.choice((0.0, 0.25, 0.5))
        source = "feedback" if draw.random() < 0.25 else "judge"
        reference = None if source == "feedback" else (1.0 if draw.random() < 0.985 else 0.5)
        lever = "cache" if row.cache in ("exact", "semantic") else "route"
        cost = 0 if source == "feedback" else 420_000_000
        what = (row.tenant, row.endpoint, row.model_tier, row.cache)
        found.append((row.request_id, row.received_at + 60, source, score, reference, "judge-1" if cost else None, cost, lever, *what))
    columns = "request_id, judged_at, source, score, reference_score, judge_model, cost_picousd, lever, tenant, endpoint, model_tier, cache"
    with transaction(connection):
        connection.executemany(f"INSERT INTO judgements ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", found)
    return len(found)
