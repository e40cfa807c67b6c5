"""Times as people type them."""

import pytest

from farthing.cli import when


@pytest.mark.parametrize(("text", "expected"), [("90s", 90.0), ("15m", 900.0), ("1.5h", 5400.0), ("7d", 604800.0), ("2w", 1209600.0)])
def test_lengths(text: str, expected: float) -> None:
    assert when.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "h", "3", "3 y", "-3h", "1h30m"])
def test_what_is_no_length(text: str) -> None:
    assert when.seconds(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1h", 1_000_000.0 - 3600), ("1970-01-02", 86400.0), ("1970-01-01T00:01", 60.0), ("1970-01-01T01:00+01:00", 0.0), ("yesterday", None)],
)
def test_instants(text: str, expected: float | None) -> None:
    assert when.instant(text, now=1_000_000.0) == expected
