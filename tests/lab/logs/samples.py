"""One call in every format that is read, as its exporter writes it. Each says the same: 12 tokens in (4 cached), 3 out, 0.8 s."""

import json
from typing import Any

SYSTEM, QUESTION, ANSWER = "Be brief.", "What is the capital of France?", "Paris."
MESSAGES: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 4}}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1763337600,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
    "usage": USAGE,
}
CHAT_BODY: dict[str, Any] = {"model": "gpt-4o", "messages": MESSAGES, "temperature": 0.2, "max_tokens": 64}
START, END = "2025-11-17T00:00:00.000Z", "2025-11-17T00:00:00.800Z"

ANTHROPIC_BODY: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 64,
    "temperature": 0.2,
    "system": [{"type": "text", "text": SYSTEM}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
}
ANTHROPIC_ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": ANSWER}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 8, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0, "output_tokens": 3},
}

EXCHANGES: dict[str, dict[str, Any]] = {
    "request and response": {"timestamp": START, "latency_ms": 800, "request": CHAT_BODY, "response": COMPLETION},
    "bodies in strings": {
        "created_at": "2025-11-17 00:00:00",
        "duration_ms": 800,
        "request": json.dumps(CHAT_BODY),
        "response": json.dumps(COMPLETION),
    },
    "http envelopes": {
        "ts": 1763337600.0,
        "latency": 0.8,
        "request": {"method": "POST", "url": "/v1/chat/completions", "body": CHAT_BODY},
        "response": {"status": 200, "body": COMPLETION},
    },
    "messages beside the answer": {**CHAT_BODY, "time": 1763337600000, "latency_s": 0.8, "response": ANSWER, "usage": USAGE},
    "metadata": {**CHAT_BODY, "response": COMPLETION, "metadata": {"timestamp": START, "latency_ms": 800, "provider": "openai"}},
    "responses": {
        "timestamp": START,
        "latency_ms": 800,
        "request": {"model": "gpt-4o", "instructions": SYSTEM, "input": QUESTION, "temperature": 0.2, "max_output_tokens": 64},
        "response": {
            "id": "resp_1",
            "object": "response",
            "status": "completed",
            "model": "gpt-4o-2024-08-06",
            "output": [{"type": "reasoning", "summary": []}, {"type": "message", "content": [{"type": "output_text", "text": ANSWER}]}],
            "usage": {"input_tokens": 12, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 4}},
        },
    },
    "anthropic": {"timestamp": START, "latency_ms": 800, "request": ANTHROPIC_BODY, "response": ANTHROPIC_ANSWER},
}

LITELLM: dict[str, Any] = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.00006,
    "total_tokens": 15,
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "startTime": "2025-11-17 00:00:00",
    "endTime": "2025-11-17 00:00:00.800",
    "completionStartTime": "2025-11-17 00:00:00.300",
    "model": "gpt-4o",
    "model_group": "gpt-4o",
    "custom_llm_provider": "openai",
    "api_base": "https://api.openai.com",
    "user": "default_user_id",
    "metadata": {"user_api_key_alias": "support-bot", "usage_object": USAGE},
    "cache_hit": "False",
    "cache_key": "Cache OFF",
    "request_tags": ["User-Agent: AsyncOpenAI", "faq"],
    "team_id": "acme",
    "end_user": "u1",
    "session_id": "run-1",
    "status": "success",
    "messages": MESSAGES,
    "response": COMPLETION,
    "proxy_server_request": {},
}

LANGFUSE: dict[str, Any] = {
    "id": "obs-1",
    "traceId": "run-1",
    "type": "GENERATION",
    "name": "faq",
    "startTime": START,
    "endTime": END,
    "completionStartTime": "2025-11-17T00:00:00.300Z",
    "model": "gpt-4o",
    "modelParameters": {"temperature": 0.2, "max_tokens": 64},
    "input": MESSAGES,
    "output": {"role": "assistant", "content": ANSWER},
    "usageDetails": {"input": 8, "input_cached_tokens": 4, "output": 3, "total": 15},
    "costDetails": {"input": 0.00003, "output": 0.00003, "total": 0.00006},
    "level": "DEFAULT",
    "sessionId": "s1",
    "userId": "u1",
    "latency": 0.8,
    "timeToFirstToken": 0.3,
}

LANGFUSE_BLOB: dict[str, Any] = {
    "id": "obs-1",
    "trace_id": "run-1",
    "project_id": "p1",
    "type": "GENERATION",
    "name": "ChatOpenAI",
    "trace_name": "faq",
    "start_time": "2025-11-17 00:00:00.000000",
    "end_time": "2025-11-17 00:00:00.800000",
    "completion_start_time": "2025-11-17 00:00:00.300000",
    "provided_model_name": "gpt-4o",
    "model_parameters": json.dumps({"temperature": 0.2, "max_tokens": "64"}),
    "input": json.dumps({"messages": MESSAGES}),
    "output": json.dumps({"role": "assistant", "content": ANSWER}),
    "usage_details": {"input": 8, "input_cached_tokens": 4, "output": 3, "total": 15},
    "cost_details": {"total": 0.00006},
    "total_cost": 0.00006,
    "level": "DEFAULT",
    "session_id": "s1",
    "user_id": "u1",
}

HELICONE: dict[str, Any] = {
    "response_id": "r1",
    "response_created_at": END,
    "response_body": COMPLETION,
    "response_status": 200,
    "response_model": "gpt-4o-2024-08-06",
    "request_id": "h1",
    "request_created_at": START,
    "request_body": CHAT_BODY,
    "request_path": "https://api.openai.com/v1/chat/completions",
    "request_user_id": "u1",
    "request_properties": {"Helicone-Session-Id": "run-1", "Helicone-Session-Name": "faq"},
    "request_model": "gpt-4o",
    "provider": "OPENAI",
    "delay_ms": 800,
    "time_to_first_token": 300,
    "total_tokens": 15,
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "prompt_cache_read_tokens": 4,
    "costUSD": 0.00006,
    "country_code": "DE",
    "cache_enabled": False,
}


def otlp(attributes: dict[str, Any], events: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An export request with a tool's span and a model's."""
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": "1763337600000000000",
        "endTimeUnixNano": "1763337600800000000",
        "attributes": pairs(attributes),
        "events": events or [],
        "status": {},
    }
    tool = {
        **span,
        "spanId": "aaa19b7ec3c1b174",
        "name": "execute_tool",
        "attributes": pairs({"gen_ai.operation.name": "execute_tool"}),
        "events": [],
    }
    resource = {"attributes": pairs({"service.name": "faq"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "gen_ai"}, "spans": [tool, span]}]}]}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """OTLP's way to write attributes."""
    return [{"key": key, "value": _typed(value)} for key, value in attributes.items()]


def _typed(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [_typed(inner) for inner in value]}}
    return {"stringValue": value} if isinstance(value, str) else {"doubleValue": value} if isinstance(value, float) else {"intValue": str(value)}


_NEW = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.max_tokens": 64,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 3,
    "gen_ai.usage.cache_read.input_tokens": 4,
}
_OLD = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.max_tokens": 64,
    "gen_ai.usage.prompt_tokens": 12,
    "gen_ai.usage.completion_tokens": 3,
    "gen_ai.usage.cache_read_input_tokens": 4,
}
_PARTS = [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]

SPANS: dict[str, dict[str, Any]] = {
    "message attributes": otlp(
        {
            **_NEW,
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": SYSTEM}]),
            "gen_ai.input.messages": json.dumps(_PARTS),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}]),
        }
    ),
    "details event": otlp(
        _NEW,
        [
            {
                "name": "gen_ai.client.inference.operation.details",
                "timeUnixNano": "1763337600800000000",
                "attributes": pairs(
                    {
                        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": SYSTEM}]),
                        "gen_ai.input.messages": json.dumps(_PARTS),
                        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}]}]),
                    }
                ),
            }
        ],
    ),
    "message events": otlp(
        _OLD,
        [
            {"name": "gen_ai.system.message", "attributes": pairs({"gen_ai.system": "openai", "content": SYSTEM})},
            {"name": "gen_ai.user.message", "attributes": pairs({"gen_ai.system": "openai", "content": QUESTION})},
            {"name": "gen_ai.choice", "attributes": pairs({"index": 0, "finish_reason": "stop", "message": json.dumps({"content": ANSWER})})},
        ],
    ),
    "content events": otlp(
        _OLD,
        [
            {"name": "gen_ai.content.prompt", "attributes": pairs({"gen_ai.prompt": json.dumps(MESSAGES)})},
            {"name": "gen_ai.content.completion", "attributes": pairs({"gen_ai.completion": json.dumps([{"role": "assistant", "content": ANSWER}])})},
        ],
    ),
    "numbered attributes": otlp(
        {
            **_OLD,
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": SYSTEM,
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": QUESTION,
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": ANSWER,
            "gen_ai.completion.0.finish_reason": "stop",
        }
    ),
}
