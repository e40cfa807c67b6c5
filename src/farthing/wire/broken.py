"""What an upstream sent in place of an answer: an error object under status 200, or something that is no answer at all."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from farthing.core.errors import UpstreamBroken, UpstreamRefused

T = TypeVar("T")

_SHOWN_BYTES = 200
# Statuses of Anthropic's error types (docs.anthropic.com, "Errors") and of OpenAI's, for errors that come without one.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class _Detail(msgspec.Struct, gc=False):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class _Envelope(msgspec.Struct, gc=False):
    error: _Detail | str | None = None
    message: str | None = None
    code: str | int | None = None
    type: str | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def refused(body: bytes) -> UpstreamRefused | None:
    """The error that these bytes hold, in OpenAI's envelope or Anthropic's; `None` when they hold none."""
    try:
        found = _ENVELOPE.decode(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(found.error, str):
        detail = _Detail(found.error)
    elif found.error is not None:
        detail = found.error
    elif found.type == "error":
        detail = _Detail(found.message, found.type, found.code)
    else:
        return None
    return UpstreamRefused(f"The upstream reported an error: {detail.message or 'no message'}", status=_status(detail), body=body)


def _status(detail: _Detail) -> int:
    if isinstance(detail.code, int) and 400 <= detail.code <= 599:
        return detail.code
    return STATUSES.get(detail.type or "", STATUSES.get(str(detail.code), 502))


def broken(body: bytes, what: str = "an answer") -> UpstreamBroken:
    """The error for bytes that are not what was asked for."""
    return UpstreamBroken(f"The upstream sent something that is not {what}: {body[:_SHOWN_BYTES].decode('utf-8', 'replace')!r}")


def decode_answer(decoder: "msgspec.json.Decoder[T]", body: bytes, usable: Callable[[T], Any], what: str = "an answer") -> T:
    """Decode an answer. Raises `UpstreamRefused` for an error object, `UpstreamBroken` for anything else that is no answer."""
    try:
        found = decoder.decode(body)
    except (ValueError, RecursionError):
        raise refused(body) or broken(body, what) from None
    if not usable(found):
        raise refused(body) or broken(body, what)
    return found
