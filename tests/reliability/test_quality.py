"""The quality guard in the real gateway: out of band, in two workers, over a restart, within its budget."""

import asyncio
import time
from typing import Any

from tests.fakes.gateway import Gateway, poll
from tests.fakes.http_client import post
from tests.fakes.upstream import FakeUpstream
from tests.reliability.conftest import StartGateway

# Answers to "differ" name their model, and the judge grades the small one's 4 and the large one's 8.
GUARDED = """
[services.judges]
base_url = "{base_url}/v1"
api_key_env = "FAKE_OPENAI_KEY"
models = ["judge-*"]

[models."judge-1"]
input_usd_per_mtok = 1
output_usd_per_mtok = 1

[quality]
judge = "judge-1"
daily_usd = {daily_usd}
cool_down_s = 3600

[sampling]
judge = 1.0

[endpoints.faq]
quality_floor = 0.97
"""


def guarded(upstream: FakeUpstream, daily_usd: float = 100.0) -> str:
    return GUARDED.replace("{base_url}", upstream.base_url).replace("{daily_usd}", str(daily_usd))


def ask(gateway: Gateway, number: int, words: str = "differ") -> str:
    """The tier that answered."""
    body: dict[str, Any] = {"model": "farthing/auto", "messages": [{"role": "user", "content": f"{words} {number}"}]}
    answer = asyncio.run(post(gateway.port, "/v1/chat/completions", body, {"x-farthing-endpoint": "faq"}))
    assert answer.status == 200
    return answer.headers["x-farthing-tier"]


def closed(gateway: Gateway) -> list[dict[str, Any]]:
    return gateway.query("select * from judgements where label != 'open' order by id")


def test_a_tier_that_falls_below_its_floor_is_turned_down_everywhere_and_stays_so(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway(guarded(upstream), workers=2)
    for number in range(60):
        if ask(gateway, number) == "expensive":
            break
        poll(lambda number=number: len(closed(gateway)) > number, 10, "a verdict")
    (turn,) = gateway.query("select * from quality_turns")
    assert (turn["endpoint"], turn["lever"], turn["phase"]) == ("faq", "route", "down")
    rows = closed(gateway)
    assert {(row["label"], row["score"], row["reference_score"], row["lever"]) for row in rows} == {("loss", 0.4, 0.8, "route")}
    began = time.time()
    poll(lambda: all(ask(gateway, int(time.time() * 1e6)) == "expensive" for _ in range(20)), 5, "both workers to follow")
    assert time.time() - began < 5
    assert "quality guard: route on endpoint 'faq' is down" in gateway.log
    _, metrics = gateway.get("/metrics")
    assert b'farthing_lever_lowered{endpoint="faq",lever="route"} 2' in metrics
    gateway.stop()
    gateway.start()
    assert {ask(gateway, number) for number in range(1000, 1010)} == {"expensive"}
    decided = gateway.rows(endpoint="faq")[-1]["decisions"]
    assert '"route_down"' in decided


def test_the_row_has_what_the_services_were_paid(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway(guarded(upstream))
    assert ask(gateway, 1) == "cheap"
    poll(lambda: len(closed(gateway)) == 1, 10, "the verdict")
    answer, reference, *readings = upstream.calls()
    assert [call.fields["model"] for call in (answer, reference, *readings)] == ["gpt-4o-mini", "gpt-4o", "judge-1", "judge-1"]
    paid = sum(call.usage.input_tokens + call.usage.output_tokens for call in readings) * 1_000_000
    paid += reference.usage.input_tokens * 2_500_000 + reference.usage.output_tokens * 10_000_000
    (row,) = closed(gateway)
    assert row["cost_picousd"] == paid
    (meter,) = gateway.query("select used, held from meters where meter like 'quality:usd:%'")
    assert (meter["used"], meter["held"]) == (paid, 0)


def test_without_budget_nothing_is_judged_and_answers_come_all_the_same(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway(guarded(upstream, daily_usd=0.0))
    assert {ask(gateway, number) for number in range(5)} == {"cheap"}
    poll(lambda: b'farthing_unjudged_total{reason="budget"} 5' in gateway.get("/metrics")[1], 5, "the count")
    assert len(upstream.calls()) == 5


def test_a_stop_does_not_wait_for_a_slow_judge_and_loses_no_cost(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway(guarded(upstream) + "[server]\ngrace_s = 1\n")
    ask(gateway, 1, "hold:300 differ")
    # The question is asked again out of band; its answer takes as long.
    upstream.wait(lambda: len(upstream.requests) >= 2)
    assert gateway.stop() == 0
    rows = gateway.query("select label, cost_picousd from judgements")
    assert len(rows) == 1
    (meter,) = gateway.query("select used, held from meters where meter like 'quality:usd:%'")
    assert (meter["used"], meter["held"]) == (rows[0]["cost_picousd"], 0)
    assert rows[0]["cost_picousd"] > 0


def test_a_kill_leaves_the_row_at_the_most_it_could_cost(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway(guarded(upstream))
    ask(gateway, 1, "hold:2000 differ")
    upstream.wait(lambda: len(upstream.requests) >= 2)
    gateway.kill()
    (row,) = gateway.query("select label, score, cost_picousd from judgements")
    (meter,) = gateway.query("select used from meters where meter like 'quality:usd:%'")
    assert (row["label"], row["score"], row["cost_picousd"]) == ("open", None, meter["used"])


def test_a_reload_turns_judging_on_and_off(start_gateway: StartGateway, upstream: FakeUpstream) -> None:
    gateway = start_gateway()
    assert ask(gateway, 1) == "cheap"
    plain = gateway.config_path.read_text()
    gateway.config_path.write_text(plain + guarded(upstream))
    assert asyncio.run(post(gateway.port, "/admin/reload", {})).status == 200
    ask(gateway, 2)
    poll(lambda: len(closed(gateway)) == 1, 10, "the verdict")
    gateway.config_path.write_text(plain)
    assert asyncio.run(post(gateway.port, "/admin/reload", {})).status == 200
    calls = len(upstream.calls())
    ask(gateway, 3)
    assert len(upstream.calls()) == calls + 1
