"""Trace context as callers send it."""

import pytest

from farthing.measure.otel.spans import Parent, read_traceparent
from tests.measure.otel.samples import SPAN, TRACE, TRACEPARENT


def test_a_sampled_parent() -> None:
    assert read_traceparent(TRACEPARENT) == Parent(int(TRACE, 16), int(SPAN, 16), True)


def test_a_parent_that_is_not_sampled() -> None:
    assert read_traceparent(f"00-{TRACE}-{SPAN}-00") == Parent(int(TRACE, 16), int(SPAN, 16), False)


def test_a_later_version_may_say_more() -> None:
    assert read_traceparent(f"01-{TRACE}-{SPAN}-01-more") is not None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0x",
    ],
)
def test_what_is_no_trace_context(text: str | None) -> None:
    assert read_traceparent(text) is None
