"""The Grafana dashboard: rows of panels, made into the JSON that Grafana imports."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from farthing.core.account import SAVERS
from farthing.measure import names
from promql import RATE, added, amount, eq, like, named, ne, now, quantile, rate

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
BASE, DOWN, UP = "left", "saved", "added"  # the three parts of a waterfall's bar
ENDPOINT = like("endpoint", "$endpoint")
PAID = f"({amount(names.COST)} + {amount(names.JUDGEMENT_COST)})"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `queries` by legend."""

    title: str
    kind: str
    queries: dict[str, str]
    unit: str = "short"
    width: int = 8
    height: int = 8
    help: str = ""
    instant: bool = False
    stacked: bool = False
    shares: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    transformations: list[dict[str, Any]] = field(default_factory=list)
    overrides: list[dict[str, Any]] = field(default_factory=list)
    minimum: float | None = 0


def net(lever_matcher: str) -> str:
    """What levers saved less what they lost."""
    return f"({amount(names.SAVED, lever_matcher)} - {amount(names.LOST, lever_matcher)})"


SAVED_ALL = net(like("lever", ".+"))
WOULD = f"({amount(names.COST)} + {SAVED_ALL})"


def waterfall() -> Panel:
    """Baseline, one step for each lever in the order of accounts, what verdicts cost, and what was paid. A bar stands on an invisible one."""
    base: list[str] = []
    down: list[str] = [named(WOULD, "step", "00 would have paid")]
    up: list[str] = []
    for place, lever in enumerate(SAVERS, start=1):
        step, own = f"{place:02} {lever}", net(eq("lever", lever))
        later = "|".join(SAVERS[place:])
        after = f"{amount(names.COST)} + {net(like('lever', later))}" if later else amount(names.COST)
        base.append(named(f"{after} + clamp_max({own}, 0)", "step", step))
        down.append(named(f"clamp_min({own}, 0)", "step", step))
        up.append(named(f"clamp_min(0 - {own}, 0)", "step", step))
    judged = f"{len(SAVERS) + 1:02} verdicts"
    base.append(named(amount(names.COST), "step", judged))
    up.append(named(amount(names.JUDGEMENT_COST), "step", judged))
    down.append(named(PAID, "step", f"{len(SAVERS) + 2:02} paid"))
    return Panel(
        "What you would have paid, what each lever took off, what you paid",
        "barchart",
        {BASE: " or ".join(base), DOWN: " or ".join(down), UP: " or ".join(up)},
        unit="currencyUSD",
        width=24,
        height=10,
        instant=True,
        help="Over the chosen time, of requests with a known cost. Levers in the order of accounts; the parts do not depend on it.",
        options={"xField": "step", "stacking": "normal", "showValue": "never", "legend": {"showLegend": False}, "xTickLabelRotation": -45},
        transformations=[
            {"id": "joinByField", "options": {"byField": "step", "mode": "outer"}},
            {"id": "organize", "options": {"excludeByName": {f"Time {n}": True for n in (1, 2, 3)} | {"Time": True}, "renameByName": _values()}},
            {"id": "sortBy", "options": {"sort": [{"field": "step"}]}},
        ],
        overrides=[
            _override(BASE, [{"id": "color", "value": {"mode": "fixed", "fixedColor": "transparent"}}, {"id": "custom.fillOpacity", "value": 0}]),
            _override(DOWN, [{"id": "color", "value": {"mode": "fixed", "fixedColor": "green"}}]),
            _override(UP, [{"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}}]),
        ],
    )


def _values() -> dict[str, str]:
    return {f"Value #{letter}": part for letter, part in zip("ABC", (BASE, DOWN, UP), strict=True)}


def _override(name: str, properties: list[dict[str, Any]]) -> dict[str, Any]:
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def _stat(title: str, expression: str, unit: str, help: str = "") -> Panel:
    return Panel(title, "stat", {title: expression}, unit=unit, width=6, height=4, instant=True, help=help, minimum=None)


SAVED_NET = f"({SAVED_ALL} - {amount(names.JUDGEMENT_COST)})"
HOURLY = " * 3600"

MONEY = (
    _stat("would have paid", WOULD, "currencyUSD", "Cost and savings of requests with an account, cost alone of the others."),
    _stat("paid", PAID, "currencyUSD", "Verdicts of the quality guard included."),
    _stat("saved", SAVED_NET, "currencyUSD"),
    _stat("saved, share", f"{SAVED_NET} / ({WOULD} > 0)", "percentunit"),
    waterfall(),
    Panel(
        "Money per hour",
        "timeseries",
        {
            "would have cost": f"({rate(names.COST)} + ({rate(names.SAVED)} or vector(0)) - ({rate(names.LOST)} or vector(0))){HOURLY}",
            "cost": rate(names.COST) + HOURLY,
        },
        unit="currencyUSD",
    ),
    Panel(
        "Cost of 1,000 requests",
        "timeseries",
        {"{{endpoint}}": f"1000 * {rate(names.COST, ENDPOINT, by=['endpoint'])} / {rate(names.REQUESTS, ENDPOINT, by=['endpoint'])}"},
        unit="currencyUSD",
    ),
    Panel(
        "Saved per hour, by lever",
        "timeseries",
        {
            "{{lever}}": rate(names.SAVED, ENDPOINT, by=["lever"]) + HOURLY,
            "{{lever}} (lost)": f"0 - {rate(names.LOST, ENDPOINT, by=['lever'])}{HOURLY}",
        },
        unit="currencyUSD",
        stacked=True,
        minimum=None,
    ),
    Panel(
        "Cost by model, per hour", "timeseries", {"{{model}}": rate(names.COST, ENDPOINT, by=["model"]) + HOURLY}, unit="currencyUSD", stacked=True
    ),
    Panel(
        "Overhead per hour: extra calls and verdicts",
        "timeseries",
        {"{{purpose}}": rate(names.EXTRA, by=["purpose"]) + HOURLY, "verdicts on {{lever}}": rate(names.JUDGEMENT_COST, by=["lever"]) + HOURLY},
        unit="currencyUSD",
        stacked=True,
    ),
    Panel(
        "Not in these sums",
        "timeseries",
        {
            "no price: {{model}}": added(names.UNPRICED, over=RATE, by=["model"]),
            "no account: {{endpoint}}": added(names.UNACCOUNTED, over=RATE, by=["endpoint"]),
        },
    ),
)

QUALITY = (
    Panel(
        "Mean score of answers, by tier",
        "timeseries",
        {
            "{{tier}} ({{source}})": f"{added(names.SCORE, ENDPOINT, over='1h', by=['tier', 'source'])} / "
            f"{added(names.JUDGED, ENDPOINT, over='1h', by=['tier', 'source'])}"
        },
        unit="percentunit",
        width=6,
        help="Sliding hour. The dashboard of the gateway has the intervals.",
    ),
    Panel(
        "Score against the expensive tier's, by endpoint",
        "timeseries",
        {
            "{{endpoint}}": f"{added(names.COMPARED_SCORE, ENDPOINT, over='1h', by=['endpoint'])} / "
            f"{added(names.REFERENCE_SCORE, ENDPOINT, over='1h', by=['endpoint'])}"
        },
        unit="percentunit",
        width=6,
        minimum=None,
    ),
    Panel(
        "Verdicts per hour, and answers drawn without one",
        "timeseries",
        {
            "{{source}}": added(names.JUDGED, ENDPOINT, over="1h", by=["source"]),
            "none: {{reason}}": added(names.UNJUDGED, over="1h", by=["reason"]),
        },
        width=6,
    ),
    Panel(
        "Levers turned down by the guard",
        "timeseries",
        {
            "{{endpoint}} {{lever}}": now(names.LOWERED, ENDPOINT, by=["endpoint", "lever"]),
            "{{action}}": added(names.GUARD, ENDPOINT, over=RATE, by=["action"]),
        },
        width=6,
    ),
)

LATENCY = (
    *(
        Panel(
            f"Whole answers, {share:.0%}".replace("%", "th percentile"),
            "timeseries",
            {"{{tier}}": quantile(share, names.LATENCY, by=["tier"])},
            unit="s",
        )
        for share in (0.5, 0.9, 0.99)
    ),
    Panel(
        "First token, 50th and 90th percentile",
        "timeseries",
        {"{{model}} p50": quantile(0.5, names.FIRST_TOKEN, by=["model"]), "{{model}} p90": quantile(0.9, names.FIRST_TOKEN, by=["model"])},
        unit="s",
    ),
    Panel("Waiting for models, 90th percentile", "timeseries", {"{{model}}": quantile(0.9, names.MODEL_TIME, by=["model"])}, unit="s"),
    Panel(
        "Added by the gateway",
        "timeseries",
        {"{{cache}} p50": quantile(0.5, names.OVERHEAD, by=["cache"]), "{{cache}} p99": quantile(0.99, names.OVERHEAD, by=["cache"])},
        unit="s",
    ),
)

TRAFFIC = (
    Panel(
        "Requests per second, by endpoint",
        "timeseries",
        {"{{endpoint}}": rate(names.REQUESTS, ENDPOINT, by=["endpoint"])},
        unit="reqps",
        stacked=True,
    ),
    Panel("How the cache served", "timeseries", {"{{kind}}": rate(names.CACHE, by=["kind"])}, unit="reqps", stacked=True, shares=True),
    Panel("Tiers", "timeseries", {"{{tier}}": rate(names.REQUESTS, ENDPOINT, by=["tier"])}, unit="reqps", stacked=True, shares=True),
    Panel("Tokens per second", "timeseries", {"{{kind}}": rate(names.TOKENS, by=["kind"])}, help="input holds cached, output holds reasoning."),
    Panel(
        "Input read from providers' caches",
        "timeseries",
        {"{{model}}": f"{rate(names.TOKENS, eq('kind', 'cached'), by=['model'])} / {rate(names.TOKENS, eq('kind', 'input'), by=['model'])}"},
        unit="percentunit",
    ),
    Panel("Requests in flight", "timeseries", {"in flight": now(names.IN_FLIGHT)}),
)

ERRORS = (
    Panel(
        "Outcomes other than ok",
        "timeseries",
        {"{{outcome}}": rate(names.REQUESTS, ENDPOINT, ne("outcome", "ok"), by=["outcome"])},
        unit="reqps",
        stacked=True,
    ),
    Panel(
        "Errors by code",
        "timeseries",
        {"{{code}}": rate(names.ERRORS, ENDPOINT, by=["code"]), "{{code}} (no row)": rate(names.REFUSED, by=["code"])},
        unit="reqps",
    ),
    Panel(
        "Calls that failed, by service",
        "timeseries",
        {"{{service}} {{result}}": rate(names.CALLS, ne("result", "ok"), by=["service", "result"])},
        unit="reqps",
    ),
)

PROCESS = (
    Panel("Ledger commits", "timeseries", {"p50": quantile(0.5, names.COMMITS), "p99": quantile(0.99, names.COMMITS)}, unit="s"),
    Panel("Ledger rows", "timeseries", {"operations per second": rate(names.ROWS), "waiting": now(names.QUEUE)}),
    Panel(
        "Workers begun, telemetry dropped",
        "timeseries",
        {"workers": added(names.WORKERS, over=RATE), "{{signal}} dropped": added(names.DROPPED, over=RATE, by=["signal"])},
    ),
)

ENGINES = (
    Panel(
        "Requests at engines",
        "timeseries",
        {
            "{{service}} at work": now(names.ENGINE_RUNNING, by=["service"]),
            "{{service}} waiting": now(names.ENGINE_WAITING, by=["service"]),
            "{{service}} answers": now(names.ENGINE_UP, by=["service"]),
        },
    ),
    Panel(
        "Calls before engines",
        "timeseries",
        {
            "{{service}} at work": now(names.ROOM_RUNNING, by=["service"]),
            "{{service}} waiting here": now(names.ROOM_WAITING, by=["service"]),
            "{{service}} places": now(names.ROOM_LIMIT, by=["service"]),
        },
    ),
    Panel("Tokens per second at engines", "timeseries", {"{{service}} {{kind}}": now(names.ENGINE_TOKENS, by=["service", "kind"])}),
    Panel(
        "Memory and accelerators in use",
        "timeseries",
        {
            "{{service}} KV cache": now(names.ENGINE_CACHE, by=["service"]),
            "GPU {{gpu}} busy": now(names.GPU_USED, by=["gpu"]),
            "GPU {{gpu}} memory": now(names.GPU_MEMORY, by=["gpu"]),
        },
        unit="percentunit",
    ),
)

BACKGROUND = (
    Panel(
        "Background items",
        "timeseries",
        {"waiting": now(names.BACKGROUND_WAITING), "running": now(names.BACKGROUND_RUNNING)},
    ),
    Panel("Items that a service takes at once", "timeseries", {"{{service}}": now(names.BACKGROUND_LIMIT, by=["service"])}),
)

ROWS = {
    "Money": MONEY,
    "Quality guard": QUALITY,
    "Latency": LATENCY,
    "Traffic, cache, tiers": TRAFFIC,
    "Errors": ERRORS,
    "Engines of your own": ENGINES,
    "Background work": BACKGROUND,
    "Store and process": PROCESS,
}


def model() -> dict[str, Any]:
    """The dashboard."""
    return {
        "uid": "farthing",
        "title": "Farthing",
        "description": "Made by deploy/build.py from src/farthing/measure/names.py.",
        "tags": ["farthing", "llm"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [_source_variable(), _endpoint_variable()]},
        "panels": _placed(),
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _endpoint_variable() -> dict[str, Any]:
    return {
        "name": "endpoint",
        "label": "Endpoint",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": f"label_values({names.REQUESTS.name}_total, endpoint)", "refId": "endpoint"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed() -> list[dict[str, Any]]:
    """Panels from left to right, row by row."""
    found: list[dict[str, Any]] = []
    numbers, top = count(1), 0
    for title, panels in ROWS.items():
        found.append(
            {
                "id": next(numbers),
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
            }
        )
        top, left, tallest = top + 1, 0, 0
        for panel in panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            found.append(_json(panel, next(numbers), {"x": left, "y": top, "w": panel.width, "h": panel.height}))
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return found


def _json(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit} | ({} if panel.minimum is None else {"min": panel.minimum})
    if panel.kind == "timeseries":
        stacking = {"mode": "percent" if panel.shares else "normal" if panel.stacked else "none", "group": "A"}
        defaults["custom"] = {"stacking": stacking, "fillOpacity": 30 if panel.stacked else 0, "lineWidth": 1, "showPoints": "never"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": panel.overrides},
        "options": panel.options,
        "transformations": panel.transformations,
        "targets": [_target(panel, letter, legend, query) for letter, (legend, query) in zip("ABCDEFGH", panel.queries.items(), strict=False)],
    }


def _target(panel: Panel, letter: str, legend: str, query: str) -> dict[str, Any]:
    target = {"refId": letter, "datasource": SOURCE, "expr": query, "legendFormat": legend, "editorMode": "code"}
    return target | (
        {"instant": True, "range": False, "format": "table" if panel.kind == "barchart" else "time_series"} if panel.instant else {"range": True}
    )
