"""Farthing's own ledger: rows of `requests`, from the SQLite file or exported to JSON, CSV or Parquet; text only where it was sampled."""

import re
from collections.abc import Iterable
from decimal import Decimal

from farthing.core.money import from_picousd
from farthing.core.request import Dialect, Turn
from farthing.lab.logs.asked import Asked
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.exchange import composed
from farthing.lab.logs.record import Record

name = "Farthing ledger"
looks_for = "request_id, run_id, cost_picousd (table requests of farthing.db)"
TABLE = "requests"
SCORE = "judged_score"
# The mean verdict on each answer, where the store has verdicts.
VERDICTS = "judgements"
JUDGED = f"(SELECT avg(score) FROM {VERDICTS} WHERE {VERDICTS}.request_id = {TABLE}.request_id)"

_DIALECTS = frozenset(each.value for each in Dialect)
_TURN = re.compile(r"(?:^|\n\n)(system|developer|user|assistant|tool|function): ")


def fits(names: frozenset[str]) -> bool:
    return names >= {"request_id", "cost_picousd", "model_name"}


def read(record: Record, source: str) -> Iterable[LoggedCall]:
    """One row is one request."""
    turns = _turns(record.text("prompt") or "")
    model = record.text("model_name", "requested_model")
    dialect = record.text("dialect") or ""
    return (
        LoggedCall(
            source=source,
            model=model,
            provider=record.text("provider"),
            dialect=Dialect(dialect) if dialect in _DIALECTS else Dialect.CHAT,
            body=composed(model, Asked(turns)),
            turns=turns,
            answer=record.text("answer"),
            finish=record.text("finish"),
            request_id=record.text("request_id"),
            run_id=record.text("run_id"),
            endpoint=record.text("endpoint"),
            tenant=record.text("tenant"),
            user=record.text("user_hash"),
            received_at=record.moment("received_at"),
            latency_s=_seconds(record.number("latency_total_ms")),
            first_token_s=_seconds(record.number("first_token_ms")),
            tokens_in=record.integer("tokens_in"),
            tokens_out=record.integer("tokens_out"),
            tokens_cached=record.integer("tokens_cached"),
            tokens_cache_write=record.integer("tokens_cache_write"),
            tokens_reasoning=record.integer("tokens_reasoning"),
            cost_usd=_cost(record.integer("cost_picousd")),
            status=record.integer("status"),
            error_code=record.text("error_code"),
            stream=bool(record.flag("stream")),
            cache=record.text("cache"),
            score=record.number(SCORE),
            propensity=_propensity(record),
        ),
    )


def _turns(prompt: str) -> tuple[Turn, ...]:
    """The turns of a sampled prompt, which the ledger keeps as `role: text` between blank lines."""
    marks = list(_TURN.finditer(prompt))
    ends = [*(mark.start() for mark in marks[1:]), len(prompt)][: len(marks)]
    return tuple(Turn(mark[1], prompt[mark.end() : end]) for mark, end in zip(marks, ends, strict=True))


def _propensity(record: Record) -> float | None:
    """Of the routing decision that stood. An answer that was read and escalated came from the expensive tier for certain, or nearly so."""
    if "propensity" not in (record.text("decisions") or ""):
        return None
    taken = [one for one in record.children("decisions") if one.text("lever") == "route"]
    if any(one.text("action") == "escalated" for one in taken):
        return None
    chances = [one.number("propensity") for one in reversed(taken)]
    return next((chance for chance in chances if chance is not None and 0 < chance <= 1), None)


def _seconds(millis: float | None) -> float | None:
    return None if millis is None else millis / 1000


def _cost(picousd: int | None) -> Decimal | None:
    return None if picousd is None else from_picousd(picousd)
