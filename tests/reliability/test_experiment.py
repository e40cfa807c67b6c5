"""An A/B test in the real gateway: runs stay in their arms over workers and a restart, and the command compares them."""

import asyncio
import json
from typing import Any

from tests.fakes.gateway import Gateway
from tests.fakes.http_client import post
from tests.reliability.conftest import StartGateway

SPLIT = """
[experiments.price.arms.control]
share = 0.5
levers_off = ["route"]

[experiments.price.arms.cheap]
share = 0.5
rules = []
otherwise = "cheap"
"""


def ask(gateway: Gateway, run: int) -> tuple[str, str]:
    """Tier and request id."""
    body: dict[str, Any] = {"model": "farthing/auto", "messages": [{"role": "user", "content": "words:20 please"}]}
    answer = asyncio.run(post(gateway.port, "/v1/chat/completions", body, {"x-farthing-run": f"run-{run}"}))
    assert answer.status == 200
    return answer.headers["x-farthing-tier"], answer.headers["x-request-id"]


def test_runs_are_split_and_compared(start_gateway: StartGateway) -> None:
    gateway = start_gateway(SPLIT, workers=2)
    first = {run: ask(gateway, run)[0] for run in range(90)}
    gateway.stop()
    gateway.start()
    again = {run: ask(gateway, run) for run in range(90)}
    assert first == {run: tier for run, (tier, _) in again.items()}
    rows = gateway.rows()
    assert {(row["experiment"], row["model_tier"]) for row in rows} == {("price=control", "expensive"), ("price=cheap", "cheap")}
    for tier, request_id in again.values():
        thumb = {"request_id": request_id, "thumb": "down" if tier == "cheap" and request_id[-1] in "0123" else "up"}
        assert asyncio.run(post(gateway.port, "/v1/feedback", thumb)).status == 200
    compared = json.loads(gateway.farthing("quality", "experiment", "price", "--json"))
    control, cheap = compared["arms"]
    assert (control["name"], cheap["name"]) == ("control", "cheap")
    assert control["runs"] + cheap["runs"] == 90
    assert control["requests"] + cheap["requests"] == 180
    assert cheap["cost_difference_usd"]["high"] < 0  # a sixteenth of the price
    assert (control["quality"]["mean"], control["quality"]["scored"]) == (1.0, control["runs"])
    text = gateway.farthing("quality", "experiment", "price")
    assert "decided: you may stop" in text
    assert "cheap" in gateway.farthing("quality", "show", "--by", "experiment,tier")
