"""The dashboard and the alert rules are what their script makes, and speak of metrics that exist."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from farthing.core import errors
from farthing.core.exchange import Outcome
from farthing.measure import names
from farthing.measure.names import Metric
from tests.fakes.promql import selectors

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "farthing.json").read_text())
ALERTS = (DEPLOY / "prometheus" / "alerts.yml").read_text()
SUFFIX = re.compile(r"_(?:total|bucket|sum|count)$")


def queries() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", ()))


def rules() -> list[tuple[str, str]]:
    return [(name, json.loads(text)) for name, text in re.findall(r"- alert: (\w+)\n    expr: (.*)\n", ALERTS)]


def scraped(name: str) -> Metric:
    """The metric behind a series' name, as the exposition writes it."""
    metric = names.ALL[SUFFIX.sub("", name)]
    allowed = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}[metric.kind]
    assert name in [f"{metric.name}{suffix}" for suffix in allowed]
    return metric


def test_the_files_are_what_the_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("build", DEPLOY / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert {path: path.read_text() for path in build.files()} == build.files(), "run: python deploy/build.py"


@pytest.mark.parametrize(("where", "expression"), [*queries(), *rules()])
def test_expressions_read_and_name_what_exists(where: str, expression: str) -> None:
    found = selectors(expression)
    assert found, where
    for selector in found:
        metric = scraped(selector.name)
        assert {*selector.labels, *selector.by} <= {*metric.labels}, f"{where}: {selector}"


def test_labels_that_are_matched_by_value_take_such_values() -> None:
    codes = {error.code for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.FarthingError)}
    text = " ".join(expression for _, expression in [*queries(), *rules()])
    assert set(re.findall(r'code="(\w+)"', text)) <= codes
    outcomes = {value for found in re.findall(r'outcome(?:=~|=|!=)"([\w|]+)"', text) for value in found.split("|")}
    assert outcomes <= set(get_args(Outcome))


def test_every_family_is_on_the_dashboard_or_in_a_rule() -> None:
    shown = {scraped(selector.name).name for _, expression in [*queries(), *rules()] for selector in selectors(expression)}
    # The baseline counts requests whose cost is unknown too; the waterfall begins at cost plus savings, which always adds up.
    assert names.ALL.keys() - shown == {"farthing_baseline_cost_usd"}


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    assert len(rules()) == ALERTS.count("severity: ") == ALERTS.count("description: ") == ALERTS.count("summary: ")
    assert len({name for name, _ in rules()}) == len(rules())
    assert set(re.findall(r"severity: (\w+)", ALERTS)) <= {"info", "warning", "critical"}


def test_panels_lie_apart() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
