"""One exchange, as it is written down."""

from decimal import Decimal
from hashlib import blake2b

import msgspec

from farthing.brain.check.redact import redact
from farthing.config import Sampling
from farthing.core.draw import fraction
from farthing.core.exchange import Attempt, Exchange
from farthing.core.ledger import LedgerRow
from farthing.core.money import to_picousd

_encode = msgspec.json.Encoder(decimal_format="number").encode
_ERROR_CHARS = 500


def _picousd(amount_usd: Decimal | None) -> int | None:
    return None if amount_usd is None else to_picousd(amount_usd)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def tenant_on_record(tenant: str, *, hashed: bool) -> str:
    """The tenant as the ledger has it: by name, or by a hash that is the same in every row."""
    return blake2b(tenant.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest() if hashed else tenant


def drawn_for(request_id: str, sampling: Sampling) -> str | None:
    """What this request is sampled for, by hash of its id: the same id is drawn the same way for ever."""
    if not (sampling.log or sampling.judge or sampling.shadow):
        return None
    names = ("log", sampling.log), ("judge", sampling.judge), ("shadow", sampling.shadow)
    drawn = [name for name, share in names if share and fraction(f"{name}:{request_id}") < share]
    return ",".join(drawn) or None


def keeps_text(sampled: str | None) -> bool:
    """Whether prompt and answer go into the row."""
    return sampled is not None and "log" in sampled


def _worth_listing(attempts: list[Attempt]) -> bool:
    return len(attempts) > 1 or any(attempt.error_code for attempt in attempts)


def ledger_row(x: Exchange, *, total_s: float, sampled: str | None, hash_tenants: bool = False) -> LedgerRow:
    """The row of a settled exchange. Times in ms, money in picodollars; prompt and answer only when drawn for the log, redacted."""
    inbound, signals, usage, target = x.inbound, x.signals, x.usage, x.target
    peek = inbound.peek
    keep_text = keeps_text(sampled)
    return LedgerRow(
        request_id=inbound.request_id,
        run_id=inbound.run_id,
        received_at=inbound.received_at,
        endpoint=inbound.endpoint,
        dialect=inbound.dialect.value,
        stream=peek.stream,
        tenant=tenant_on_record(inbound.tenant, hashed=hash_tenants),
        user_hash=inbound.user_hash,
        key_id=inbound.principal.key_id,
        task_type=signals.task if signals else None,
        complexity=signals.complexity if signals else None,
        risk=signals.risk if signals else None,
        language=signals.language if signals else None,
        needs_documents=signals.needs_documents if signals else None,
        requested_model=peek.model,
        model_tier=(target.tier or None) if target else None,
        model_name=target.model if target else None,
        provider=target.service if target else None,
        tokens_in=usage.input_tokens if usage else None,
        tokens_out=usage.output_tokens if usage else None,
        tokens_cached=usage.cached_tokens if usage else None,
        tokens_cache_write=usage.cache_write_tokens if usage else None,
        tokens_reasoning=usage.reasoning_tokens if usage else None,
        usage_estimated=usage.estimated if usage else False,
        latency_total_ms=round(total_s * 1000, 3),
        latency_model_ms=_ms(x.model_s),
        latency_retrieval_ms=_ms(x.retrieval_s),
        latency_queue_ms=_ms(x.queue_s),
        first_token_ms=_ms(x.first_token_s),
        overhead_ms=round((total_s - (x.model_s or 0.0)) * 1000, 3),
        cache=x.cache,
        cache_similarity=x.cache_similarity,
        cache_entry=x.cache_entry,
        rag_used=bool(x.sources),
        sources=_encode(x.sources).decode() if x.sources else None,
        num_llm_calls=len(x.attempts),
        cost_picousd=_picousd(x.cost_usd),
        baseline_cost_picousd=_picousd(x.baseline_cost_usd),
        decisions=_encode(x.decisions).decode(),
        attempts=_encode(x.attempts).decode() if _worth_listing(x.attempts) else None,
        outcome=x.outcome,
        truncated=x.truncated,
        finish=x.finish,
        status=x.status,
        error_code=x.error_code,
        error_message=redact(x.error_message[:_ERROR_CHARS]) if x.error_message else None,
        prompt=redact("\n\n".join(f"{turn.role}: {turn.text}" for turn in peek.turns)) if keep_text else None,
        answer=redact(x.answer_text) if keep_text and x.answer_text else None,
        sampled=sampled,
        account=_encode(x.account).decode() if x.account else None,
        experiment=inbound.experiment,
        lane=None if inbound.lane == "interactive" else inbound.lane,
    )
