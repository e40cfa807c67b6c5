"""Each dialect's clients get the envelope, and the words in it, that they look for."""

import json

import pytest

from farthing.core import errors
from farthing.core.request import Dialect
from farthing.wire.errors import render_error, render_stream_error
from farthing.wire.sse import EventSplitter, event_data, event_name

SPENT = errors.BudgetExceeded("Budget of 'team-a' is spent.", param="user")


@pytest.mark.parametrize("dialect", [Dialect.CHAT, Dialect.RESPONSES, Dialect.EMBEDDINGS])
def test_openai_envelope(dialect: Dialect) -> None:
    assert json.loads(render_error(dialect, SPENT, "req_1")) == {
        "error": {"message": "Budget of 'team-a' is spent.", "type": "insufficient_quota", "code": "budget_exceeded", "param": "user"}
    }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvalidRequest("x"), "invalid_request_error"),
        (errors.BodyTooLarge("x"), "request_too_large"),
        (errors.NotAuthenticated("x"), "authentication_error"),
        (errors.NotPermitted("x"), "permission_error"),
        (errors.ModelNotFound("x"), "not_found_error"),
        (errors.MethodNotAllowed("x"), "invalid_request_error"),
        (SPENT, "rate_limit_error"),
        (errors.UpstreamBroken("x"), "api_error"),
        (errors.UpstreamTimeout("x"), "timeout_error"),
        (errors.Unavailable("x"), "overloaded_error"),
        (errors.UpstreamRefused("x", status=529, body=b""), "overloaded_error"),
    ],
)
def test_anthropic_envelope(error: errors.FarthingError, kind: str) -> None:
    assert json.loads(render_error(Dialect.MESSAGES, error, "req_1")) == {
        "type": "error",
        "error": {"type": kind, "message": error.message},
        "request_id": "req_1",
    }


def test_stream_errors() -> None:
    assert render_stream_error(Dialect.CHAT, SPENT, "r").startswith(b'data: {"error":{"message":')
    assert render_stream_error(Dialect.MESSAGES, SPENT, "r").startswith(b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error"')


def test_responses_stream_error_fails_the_response_too() -> None:
    first, second = EventSplitter().feed(render_stream_error(Dialect.RESPONSES, SPENT, "r"))
    assert (event_name(first), event_name(second)) == ("error", "response.failed")
    error, failed = json.loads(event_data(first) or b""), json.loads(event_data(second) or b"")
    assert error["error"]["message"] == SPENT.message
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "budget_exceeded"
    assert failed["sequence_number"] == error["sequence_number"] + 1
