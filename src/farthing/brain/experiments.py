"""Experiments: which arm a run is in, and what is different there. Pure: the same run is in the same arm for ever, in every worker.

Shares are laid side by side on the hash of experiment and run, so that an arm that grows keeps its runs. Off: no `[experiments]`.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from farthing.config import Arm, Config, Endpoint, Experiment
from farthing.core.draw import fraction

_Table = TypeVar("_Table", bound=msgspec.Struct)


def label(name: str, arm: str) -> str:
    """As in column `experiment` of the ledger."""
    return f"{name}={arm}"


def pick(experiments: Mapping[str, Experiment], endpoint: str, run_id: str) -> str | None:
    """`name=arm` for this run at this endpoint; `None` when it takes part in none."""
    for name, experiment in experiments.items():
        if experiment.endpoints and endpoint not in experiment.endpoints:
            continue
        at, edge = fraction(f"experiment:{name}:{run_id}"), 0.0
        for arm, settings in experiment.arms.items():
            edge += settings.share
            if at < edge:
                return label(name, arm)
        return None
    return None


def overlay(config: Config, experiment: Experiment, arm: Arm) -> Config:
    """The configuration as it is in this arm."""
    route = _changed(config.route, otherwise=arm.otherwise, rules=arm.rules)
    tiers = _changed(config.tiers, cheap=arm.cheap, expensive=arm.expensive)
    names = experiment.endpoints or (*config.endpoints, "default")
    endpoints: dict[str, Endpoint] = {
        name: _changed(config.endpoint(name), levers_off=arm.levers_off, max_output_tokens=arm.max_output_tokens) for name in names
    }
    return msgspec.structs.replace(config, route=route, tiers=tiers, endpoints=config.endpoints | endpoints, experiments={})


def _changed(table: _Table, **changes: object) -> _Table:
    return msgspec.structs.replace(table, **{name: value for name, value in changes.items() if value is not None})
