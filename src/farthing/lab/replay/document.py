"""A replay as JSON: the figures, and every request's row, so that two replays can be compared pair by pair.

Money of figures is exact decimal text; columns hold whole picodollars. Unknown is null. The same replay gives the same bytes.
"""

from array import array
from datetime import UTC, datetime
from decimal import Decimal
from math import isnan
from typing import Any

import msgspec

from farthing.core.money import format_usd
from farthing.lab.replay.figures import Figures
from farthing.lab.replay.run import LaneResult, Replay
from farthing.lab.replay.worth import robust_scores

FORMAT = "farthing-replay/1"


def as_json(found: Replay, lanes: list[Figures]) -> bytes:
    """The whole document, a line."""
    return msgspec.json.encode(document(found, lanes)) + b"\n"


def document(found: Replay, lanes: list[Figures]) -> dict[str, Any]:
    """What `as_json` writes."""
    intake = found.intake
    return {
        "format": FORMAT,
        "log": {
            "calls": intake.calls,
            "replayed": len(found.requests.ids),
            "runs": len(set(found.requests.runs)),
            "from": moment(intake.first_s),
            "to": moment(intake.last_s),
            "unreadable": intake.unreadable,
            "unreadable_examples": intake.examples,
            "notes": intake.notes,
            "without_text": intake.textless,
            "without_usage": intake.without_usage,
            "without_time": intake.untimed,
            "out_of_order": intake.late,
        },
        "lanes": [_lane(result, figures, found) for result, figures in zip(found.lanes, lanes, strict=True)],
        "requests": {
            "id": found.requests.ids,
            "run": _words(found.requests.runs, found.names.runs.values),
            "propensity": list(found.requests.propensity),
        },
    }


def moment(unix_s: float | None) -> str | None:
    """A time as text."""
    return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _lane(result: LaneResult, figures: Figures, found: Replay) -> dict[str, Any]:
    columns, words = result.columns, found.names.words.values
    per_request = figures.per_request_usd
    scaled = {name: None if per_request is None else per_request.scaled(times) for name, times in (("1k", 1e3), ("100k", 1e5), ("1m", 1e6))}
    facts = msgspec.to_builtins(figures, builtin_types=(Decimal,))
    return {
        **facts,
        "cost_usd": format_usd(figures.cost_usd),
        "covered_ratio": figures.covered,
        "cost_usd_per": msgspec.to_builtins(scaled),
        "doubts": {title: msgspec.to_builtins(part) for title, part in sorted(result.doubts.items())},
        "columns": {
            "cost_picousd": [None if value < 0 else value for value in columns.cost],
            "latency_ms": [None if isnan(value) else round(value * 1000, 3) for value in columns.latency_s],
            "score": [None if isnan(value) else value for value in columns.score],
            "basis": _words(columns.origin, words),
            "cache": _words(columns.cache, words),
            "outcome": _words(columns.outcome, words),
            "model": _words(columns.model, words),
            "tier": _words(columns.tier, words),
            "robust_score": robust_scores(result, found),
        },
    }


def _words(codes: "array[int]", words: list[str]) -> list[str]:
    return [words[code] for code in codes]
