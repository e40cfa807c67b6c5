"""The alert rules, as Prometheus reads them. Thresholds are what we would be woken for; change them in a copy, or here."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from farthing.core.errors import BudgetExceeded, StoreUnavailable, Unavailable
from farthing.measure import names
from promql import added, eq, grown, like, ne, now, quantile, rate, series

BAD = like("outcome", "upstream_error|invalid_answer|error|interrupted")
HEAD = "# Made by deploy/build.py from src/farthing/measure/names.py; do not edit.\n"

_HOUR = added(names.COST, over="1h")
_LOST, _SAVED = (added(metric, ne("lever", "check"), over="1d", by=["lever"]) for metric in (names.LOST, names.SAVED))


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. `lasting`: how long the expression must hold."""

    name: str
    severity: Literal["info", "warning", "critical"]
    expression: str
    lasting: str
    summary: str
    do: str


def _share(part: str, whole: str) -> str:
    return f"{part} / {whole}"


MONEY = (
    Alert(
        "FarthingSpendBurn",
        "warning",
        f"{_HOUR} > 3 * {added(names.COST, over='1d')} / 24 and {_HOUR} > 1 and count({series(names.COST)} offset 1d) > 0",
        "10m",
        'The last hour cost three times the day\'s mean hour: {{ $value | printf "%.2f" }} USD.',
        "`farthing report --since 1h --by endpoint,tenant` says whose it is; limits.key.daily_usd and limits.tenant stop it.",
    ),
    Alert(
        "FarthingBudgetSpent",
        "warning",
        f"{grown(names.ERRORS, eq('code', BudgetExceeded.code), over='15m', by=['endpoint'])} > 0",
        "0m",
        "Requests at {{ $labels.endpoint }} are refused: a budget is spent.",
        "The refusals name the budget. Raise it, or wait for its window to end.",
    ),
    Alert(
        "FarthingUnpricedCalls",
        "warning",
        f"{grown(names.UNPRICED, over='1h', by=['model'])} > 0",
        "0m",
        "Nobody knows what {{ $labels.model }} costs: its calls are in no sum.",
        'Set its prices under [models."..."], or take it out of the tiers.',
    ),
    Alert(
        "FarthingUnaccounted",
        "info",
        f"{_share(added(names.UNACCOUNTED, over='1h'), added(names.REQUESTS, over='1h'))} > 0.05",
        "1h",
        "{{ $value | humanizePercentage }} of requests have no savings account.",
        "Set tiers.baseline and the prices of the models in use.",
    ),
    Alert(
        "FarthingLeverLosesMoney",
        "info",
        f"{_LOST} > 1.1 * ({_SAVED} or 0 * {_LOST}) and {_LOST} > 1",
        "1h",
        "Over the last day lever {{ $labels.lever }} cost more than it saved.",
        "docs/levers says what it costs; endpoints.<name>.levers_off switches it off.",
    ),
)

QUALITY = (
    Alert(
        "FarthingQualityFloorBroken",
        "critical",
        f"{now(names.LOWERED, by=['endpoint', 'lever'])} > 0",
        "0m",
        "The quality guard turned {{ $labels.lever }} down at {{ $labels.endpoint }}: answers fell below the floor.",
        "The dashboard shows the verdicts. It comes back by itself when a re-trial holds.",
    ),
    Alert(
        "FarthingQualityBelowReference",
        "warning",
        f"{_share(added(names.COMPARED_SCORE, over='1d', by=['endpoint']), added(names.REFERENCE_SCORE, over='1d', by=['endpoint']))} < 0.95"
        f" and {added(names.COMPARED, over='1d', by=['endpoint'])} > 200",
        "1h",
        "Answers at {{ $labels.endpoint }} scored {{ $value | humanizePercentage }} of the expensive tier's.",
        "Set endpoints.<name>.quality_floor, or route less to the cheap tier.",
    ),
)

ERRORS = (
    Alert(
        "FarthingErrorRate",
        "warning",
        f"{_share(rate(names.REQUESTS, BAD, over='5m'), rate(names.REQUESTS, over='5m'))} > 0.05",
        "5m",
        "{{ $value | humanizePercentage }} of requests end without a good answer.",
        "`farthing report --since 15m --by outcome,model`; the log has each with its request id.",
    ),
    Alert(
        "FarthingErrorRateHigh",
        "critical",
        f"{_share(rate(names.REQUESTS, BAD, over='5m'), rate(names.REQUESTS, over='5m'))} > 0.25",
        "2m",
        "{{ $value | humanizePercentage }} of requests end without a good answer.",
        "Is a service down? Put another model of its kind next in the tier.",
    ),
    Alert(
        "FarthingOwnFault",
        "critical",
        f"{grown(names.REQUESTS, eq('outcome', 'error'), over='15m')} > 0",
        "0m",
        'The gateway itself failed on {{ $value | printf "%.0f" }} requests.',
        "The log has each under its request id, with the exception. Please report it.",
    ),
    Alert(
        "FarthingServiceFailing",
        "warning",
        _share(rate(names.CALLS, ne("result", "ok"), over="10m", by=["service"]), rate(names.CALLS, over="10m", by=["service"])) + " > 0.2",
        "10m",
        "{{ $value | humanizePercentage }} of calls to {{ $labels.service }} fail.",
        "Its status page; tiers name who answers instead.",
    ),
    Alert(
        "FarthingOverloaded",
        "warning",
        f"{grown(names.REFUSED, eq('code', Unavailable.code), over='5m')} > 0",
        "5m",
        "Requests are refused for want of a place.",
        "Add workers, or raise server.max_in_flight.",
    ),
    Alert(
        "FarthingSlowFirstToken",
        "warning",
        f"{quantile(0.9, names.FIRST_TOKEN, over='15m', by=['model'])} > 10",
        "15m",
        "One in ten answers of {{ $labels.model }} begins after {{ $value | humanizeDuration }}.",
        "The service is slow, or its queue is long: farthing_model_seconds and the ledger's queue time say which.",
    ),
    Alert(
        "FarthingOverheadHigh",
        "warning",
        f"{quantile(0.99, names.OVERHEAD, ne('cache', 'coalesced'), over='10m')} > 0.1",
        "10m",
        "The gateway itself adds {{ $value | humanizeDuration }} at the 99th percentile.",
        "Is the machine short of CPU, or the disk slow? Add workers, look at farthing_store_commit_seconds.",
    ),
)

STORE = (
    Alert(
        "FarthingStoreUnavailable",
        "critical",
        f"{grown(names.REFUSED, eq('code', StoreUnavailable.code), over='5m')} > 0",
        "0m",
        "The store cannot be written: requests are refused.",
        "Is the disk full? It heals by itself when there is room.",
    ),
    Alert(
        "FarthingStoreSlow",
        "warning",
        f"{quantile(0.99, names.COMMITS, over='10m')} > 0.1",
        "10m",
        "Ledger commits take {{ $value | humanizeDuration }} at the 99th percentile.",
        "Another disk, or store.durability.",
    ),
    Alert(
        "FarthingStoreQueue",
        "warning",
        f"{now(names.QUEUE)} > 1000",
        "1m",
        '{{ $value | printf "%.0f" }} operations wait for the ledger.',
        "The disk does not keep up.",
    ),
)

PROCESS = (
    Alert(
        "FarthingAbsent",
        "critical",
        f"absent({names.IN_FLIGHT.name})",
        "5m",
        "No gateway is scraped.",
        "Is it up, and does the scrape carry an admin key?",
    ),
    Alert(
        "FarthingWorkerRestarted",
        "warning",
        f"{added(names.WORKERS, over='15m')} > 0.5",
        "0m",
        "A worker died and was replaced.",
        "The log has its exit status; -9 without your hand is the kernel's memory killer.",
    ),
    Alert(
        "FarthingTelemetryDropped",
        "info",
        f"{grown(names.DROPPED, over='15m', by=['signal'])} > 0",
        "15m",
        "OpenTelemetry's receiver does not take all {{ $labels.signal }}.",
        "Is it up and quick enough? telemetry.traces sends a share.",
    ),
)

GROUPS = {"farthing-money": MONEY, "farthing-quality": QUALITY, "farthing-errors": ERRORS, "farthing-store": STORE, "farthing-process": PROCESS}


def text() -> str:
    """The file."""
    return HEAD + "groups:\n" + "".join(line for name, group in GROUPS.items() for line in _group(name, group))


def _group(name: str, alerts: tuple[Alert, ...]) -> Iterator[str]:
    yield f"- name: {name}\n  rules:\n"
    for alert in alerts:
        yield f"  - alert: {alert.name}\n    expr: {json.dumps(alert.expression)}\n    for: {alert.lasting}\n"
        yield f"    labels:\n      severity: {alert.severity}\n"
        yield f"    annotations:\n      summary: {json.dumps(alert.summary)}\n      description: {json.dumps(alert.do)}\n"
