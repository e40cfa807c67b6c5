"""LiteLLM spend logs: the rows of `LiteLLM_SpendLogs`, as JSON or CSV. Messages and answers where they were stored with the row.

A spend of 0 beside tokens is what LiteLLM writes for a model whose price it does not know, so it is unknown, unless its cache answered.
"""

from collections.abc import Iterable
from typing import Any, cast

from farthing.core.request import Dialect
from farthing.lab.logs.asked import Asked, asked, told, usage
from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.exchange import composed
from farthing.lab.logs.record import Record

name = "LiteLLM spend logs"
looks_for = "request_id, call_type, spend, startTime (LiteLLM_SpendLogs)"

_OTHER_CALLS = ("image", "audio", "speech", "transcription", "moderation", "rerank")


def fits(names: frozenset[str]) -> bool:
    return "spend" in names and ("startTime" in names or "starttime" in names or "call_type" in names)


def read(record: Record, source: str) -> Iterable[LoggedCall]:
    """One row is one call."""
    extra = record.child("metadata")
    body, request = _request(record)
    answer = told(record.structure("response"))
    counts = usage(extra.child("usage_object")).over(answer.counts)
    failed = record.text("status") == "failure"
    cached = bool(record.flag("cache_hit"))
    spend, _ = record.money("spend")
    tokens_in, tokens_out = record.integer("prompt_tokens"), record.integer("completion_tokens")
    started, ended = record.moment("startTime", "starttime"), record.moment("endTime", "endtime")
    first = record.moment("completionStartTime", "completionstarttime")
    duration_ms = record.number("request_duration_ms")
    call_type = record.text("call_type") or ""
    return (
        LoggedCall(
            source=source,
            model=record.text("model") or request.model or record.text("model_group"),
            provider=record.text("custom_llm_provider"),
            dialect=Dialect.EMBEDDINGS if "embedding" in call_type else request.dialect,
            body=body,
            turns=request.turns,
            answer=answer.answer,
            tool_calls=answer.tool_calls,
            finish=answer.finish,
            request_id=record.text("request_id"),
            run_id=record.text("session_id") or extra.text("trace_id"),
            session=record.text("session_id"),
            endpoint=_endpoint(record, extra, call_type),
            tenant=record.text("team_id") or extra.text("user_api_key_team_alias"),
            user=record.text("end_user", "user"),
            received_at=started,
            latency_s=duration_ms / 1000 if duration_ms is not None else ended - started if started is not None and ended is not None else None,
            first_token_s=first - started if first is not None and started is not None and first != ended else None,
            tokens_in=None if failed and not tokens_in else tokens_in,
            tokens_out=None if failed and not tokens_in else tokens_out,
            tokens_cached=counts.cached,
            tokens_cache_write=counts.cache_write,
            tokens_reasoning=counts.reasoning,
            cost_usd=None if not spend and not cached else spend,
            status=500 if failed else 200 if record.text("status") else None,
            error_code=extra.child("error_information").text("error_code", "error_class") if failed else None,
            temperature=request.temperature,
            max_output_tokens=request.max_output_tokens,
            stream=request.stream,
            has_tools=request.has_tools,
            cache="exact" if cached else None,
        ),
    )


def _request(record: Record) -> tuple[bytes | None, Asked]:
    """The stored request, else the stored messages."""
    whole = record.structure("proxy_server_request")
    if isinstance(whole, dict) and Record(inner := cast(dict[str, Any], whole)).value("messages", "input", "prompt"):
        return record.body("proxy_server_request"), asked(inner)
    request = asked(record.structure("messages"))
    return composed(record.text("model"), request), request


def _endpoint(record: Record, extra: Record, call_type: str) -> str | None:
    """The first tag that names a feature, else the alias of the key."""
    tags = record.structure("request_tags")
    named = [tag for tag in cast(list[object], tags) if isinstance(tag, str) and not tag.startswith("User-Agent")] if isinstance(tags, list) else []
    if named:
        return named[0]
    return extra.text("user_api_key_alias") or (call_type if any(kind in call_type for kind in _OTHER_CALLS) else None)
