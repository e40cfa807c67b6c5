"""PromQL out of metrics: every expression of the dashboard and the alert rules is made here, from `measure/names.py`.

A label that its metric does not have is an error when the files are made, not an empty panel afterwards.
"""

from collections.abc import Iterable

from farthing.measure.names import Metric

RANGE = "$__range"  # of the dashboard
RATE = "$__rate_interval"


def eq(label: str, value: str) -> str:
    return f'{label}="{value}"'


def ne(label: str, value: str) -> str:
    return f'{label}!="{value}"'


def like(label: str, pattern: str) -> str:
    return f'{label}=~"{pattern}"'


def series(metric: Metric, suffix: str = "") -> str:
    """A metric's name as it is scraped."""
    return f"{metric.name}_total" if metric.kind == "counter" else f"{metric.name}{suffix}"


def select(metric: Metric, *matchers: str, over: str = "", suffix: str = "") -> str:
    """`name{matchers}[over]`; matchers read `label="value"`."""
    for matcher in matchers:
        _has(metric, matcher.partition("=")[0].removesuffix("!"))
    inside = "{" + ",".join(matchers) + "}" if matchers else ""
    return f"{series(metric, suffix)}{inside}" + (f"[{over}]" if over else "")


def added(metric: Metric, *matchers: str, over: str = RANGE, by: Iterable[str] = ()) -> str:
    """What was added to a counter."""
    return _sum(metric, f"increase({select(metric, *matchers, over=over)})", by)


def rate(metric: Metric, *matchers: str, over: str = RATE, by: Iterable[str] = ()) -> str:
    """A counter's growth per second."""
    return _sum(metric, f"rate({select(metric, *matchers, over=over)})", by)


def grown(metric: Metric, *matchers: str, over: str, by: Iterable[str] = ()) -> str:
    """Counters that grew, those included that did not exist before: `increase` does not see the first step of a new one."""
    whole, past = select(metric, *matchers), f"{select(metric, *matchers)} offset {over}"
    return _sum(metric, f"increase({select(metric, *matchers, over=over)}) > 0 or ({whole} > 0 unless {past})", by)


def amount(metric: Metric, *matchers: str, over: str = RANGE) -> str:
    """What was added to a counter, 0 where it does not exist yet: a lever that never acted saved nothing."""
    return f"({added(metric, *matchers, over=over)} or vector(0))"


def now(metric: Metric, *matchers: str, by: Iterable[str] = ()) -> str:
    """A gauge, summed over instances."""
    return _sum(metric, select(metric, *matchers), by)


def quantile(share: float, metric: Metric, *matchers: str, over: str = RATE, by: Iterable[str] = ()) -> str:
    """A quantile of a histogram."""
    labels = tuple(by)
    for label in labels:
        _has(metric, label)
    grouped = f"sum by ({', '.join(('le', *labels))}) (rate({select(metric, *matchers, over=over, suffix='_bucket')}))"
    return f"histogram_quantile({share}, {grouped})"


def named(expression: str, label: str, value: str) -> str:
    """The expression's one value under a label of our choice."""
    return f'label_replace({expression}, "{label}", "{value}", "", "")'


def _sum(metric: Metric, inner: str, by: Iterable[str]) -> str:
    labels = tuple(by)
    for label in labels:
        _has(metric, label)
    return f"sum by ({', '.join(labels)}) ({inner})" if labels else f"sum({inner})"


def _has(metric: Metric, label: str) -> None:
    if label not in metric.labels:
        raise ValueError(f"{metric.name} has no label '{label}': {', '.join(metric.labels) or 'none'}")
