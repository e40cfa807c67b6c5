"""Errors in the words of each dialect, so that SDKs raise the class their callers catch.

Whole answers get the dialect's envelope. A stream that fails after it began gets the envelope as its last event: it never just ends.
"""

from typing import Any

import msgspec

from farthing.core.errors import FarthingError
from farthing.core.request import Dialect
from farthing.wire.sse import encode

_ENCODE = msgspec.json.Encoder().encode

# Anthropic's own names by status (docs.anthropic.com, "Errors"); 5xx without a name of its own is api_error.
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def anthropic_type(status: int) -> str:
    """The error type that Anthropic uses with this status."""
    return _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def render_error(dialect: Dialect, error: FarthingError, request_id: str) -> bytes:
    """The body of an error answer."""
    if dialect is Dialect.MESSAGES:
        return _ENCODE(_anthropic(error, request_id))
    return _ENCODE({"error": _openai(error)})


def render_stream_error(dialect: Dialect, error: FarthingError, request_id: str) -> bytes:
    """The last event of a stream that failed, as bytes to send."""
    if dialect is Dialect.MESSAGES:
        return encode(_ENCODE(_anthropic(error, request_id)), "error")
    if dialect is Dialect.RESPONSES:
        return failed_response_events(error, {"id": f"resp_{request_id}", "created_at": 0, "model": "", "output": []}, 0)
    return encode(_ENCODE({"error": _openai(error)}))


def failed_response_events(error: FarthingError, response: dict[str, Any], sequence_number: int) -> bytes:
    """`error`, on which the SDKs raise, then `response.failed`, which the Codex CLI reads."""
    facts = _openai(error)
    first = {"type": "error", "sequence_number": sequence_number, "code": error.code, "message": error.message, "param": error.param, "error": facts}
    whole: dict[str, Any] = {
        "object": "response",
        "status": "failed",
        "error": {"code": error.code, "message": error.message},
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **response,
    }
    failed: dict[str, Any] = {"type": "response.failed", "sequence_number": sequence_number + 1, "response": whole}
    return encode(_ENCODE(first), "error") + encode(_ENCODE(failed), "response.failed")


def _openai(error: FarthingError) -> dict[str, Any]:
    return {"message": error.message, "type": error.type, "code": error.code, "param": error.param}


def _anthropic(error: FarthingError, request_id: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": anthropic_type(error.status), "message": error.message}, "request_id": request_id}
