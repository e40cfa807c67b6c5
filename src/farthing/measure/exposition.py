"""Sums of cells in Prometheus' text format, version 0.0.4.

Written here because `prometheus_client` costs a worker 11 MB and its first scrape 250 ms of everybody's time (bench/metrics.py);
a test reads the text back with that library's parser. Costs: 2 us a line.
"""

from collections.abc import Iterator, Mapping

from farthing.measure.names import ALL, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Totals = Mapping[tuple[str, tuple[str, ...]], list[int]]

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def render(totals: Totals) -> bytes:
    """The text of all families, in the order of `names.ALL`."""
    rows: dict[str, list[tuple[tuple[str, ...], list[int]]]] = {}
    for (name, labels), cells in totals.items():
        rows.setdefault(name, []).append((labels, cells))
    return "".join(line for metric in ALL.values() for line in _family(metric, rows.get(metric.name, []))).encode()


def _family(metric: Metric, rows: list[tuple[tuple[str, ...], list[int]]]) -> Iterator[str]:
    name = f"{metric.name}_total" if metric.kind == "counter" else metric.name
    yield f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"
    for labels, cells in rows:
        pairs = [f'{label}="{value.translate(_ESCAPES)}"' for label, value in zip(metric.labels, labels, strict=True)]
        if metric.kind == "histogram":
            yield from _histogram(metric, pairs, cells)
        else:
            yield f"{name}{_braced(pairs)} {_number(cells[0], metric.scale)}\n"


def _histogram(metric: Metric, pairs: list[str], cells: list[int]) -> Iterator[str]:
    seen = 0
    bounds = [*(_number(bound, metric.scale) for bound in metric.buckets), "+Inf"]
    for bound, count in zip(bounds, cells[:-1], strict=True):
        seen += count
        within = _braced([*pairs, f'le="{bound}"'])
        yield f"{metric.name}_bucket{within} {seen}\n"
    yield f"{metric.name}_sum{_braced(pairs)} {_number(cells[-1], metric.scale)}\n{metric.name}_count{_braced(pairs)} {seen}\n"


def _braced(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(whole: int, scale: int) -> str:
    """A whole number of `1 / scale` in plain digits, exactly: money is not rounded on its way out."""
    if scale == 1:
        return str(whole)
    units, rest = divmod(whole, scale)
    return f"{units}.{rest:0{len(str(scale)) - 1}d}".rstrip("0").rstrip(".") if rest else str(units)
