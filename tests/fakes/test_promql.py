"""The reader takes what Prometheus takes, and refuses what it refuses (checked against promtool 2.42)."""

import pytest

from tests.fakes.promql import Selector, selectors


def test_what_is_named() -> None:
    text = 'sum by (a, le) (rate(x_bucket{b="c",d=~"e|f"}[$__rate_interval])) / (y or vector(0)) > 0.5 and count(z offset 1d) > 0'
    assert selectors(text) == [Selector("x_bucket", ("b", "d"), ("a",)), Selector("y", ()), Selector("z", ())]


@pytest.mark.parametrize(
    "text",
    [
        "sum(x",
        "sum(x))",
        "rate(x)",
        "rate(x[5])",
        "x{a}",
        'x{a="b}',
        "x y",
        "sum by a (x)",
        "sum by () x",
        "x +",
        "label_replace(x)",
        "x[5m",
        "clamp_min(x)",
        "",
    ],
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|unexpected|cannot read|bad matcher"):
        selectors(text)
