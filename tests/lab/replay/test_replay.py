"""Logged traffic under other configurations: what the brain decides, and what the log is asked for."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from farthing.assemble import build_house
from farthing.config import Arm, Cache, Caps, Diet, Endpoint, Experiment, Limits, Match, Route, Rule
from farthing.core.request import Dialect, KeyLimits, Turn
from farthing.lab.logs import open_logs
from farthing.lab.logs.base import LoggedCall
from farthing.lab.replay.document import as_json
from farthing.lab.replay.figures import figures
from farthing.lab.replay.run import Plan, learn, replay
from farthing.models.tokens import TokenCounter
from tests.fakes.ledger import write
from tests.lab.replay.logs import BIG, EVERYTHING_OFF, NOON, SMALL, call, config, lane, lanes, run, usd

OFF = config(endpoints={"default": Endpoint(levers_off=EVERYTHING_OFF)})
STAY = config(route=Route(rules=()))
ALL_CHEAP = Route(rules=(Rule(name="all", tier="cheap"),))


def mixed(count: int = 300) -> list[LoggedCall]:
    """Traffic of two models that repeats itself, with every kind of figure in it."""
    calls: list[LoggedCall] = []
    for number in range(count):
        model, price = ((SMALL, (1, 2)), (BIG, (10, 20)))[number % 3 > 0]
        given, written = 10 + number % 7, 5 + number % 11
        fields = {
            "model": model,
            "received_at": NOON + number * 0.7,
            "latency_s": 0.2 + number % 13 / 10,
            "tokens_in": given,
            "tokens_out": written,
            "cost_usd": Decimal(given * price[0] + written * price[1]) / 1_000_000,
            "run_id": f"run {number // 4}",
            "request_id": f"id {number}",
            "tenant": f"tenant {number % 3}",
            "score": float(number % 5 > 0),
        }
        calls.append(call(f"What is number {number % 40}?", **fields))
    return calls


def test_with_every_lever_off_the_log_costs_what_it_cost() -> None:
    calls = mixed()
    logged, off = lanes(calls, OFF)
    assert off.cost_usd == logged.cost_usd == sum(each.cost_usd or 0 for each in calls)
    assert off.latency == logged.latency
    assert off.quality == logged.quality
    assert off.tiers == logged.tiers
    assert (off.cost_low_usd, off.cost_high_usd) == (float(off.cost_usd), float(off.cost_usd))
    assert off.basis == {"logged": len(calls)}


def test_the_second_of_a_kind_comes_from_the_cache_once_the_first_has_landed() -> None:
    calls = [call(received_at=NOON), call(received_at=NOON + 0.4), call(received_at=NOON + 1.5), call(received_at=NOON + 90_000)]
    found = run(calls, STAY)
    kinds = [found.names.words.values[code] for code in found.lanes[1].columns.cache]
    assert kinds == ["miss", "coalesced", "exact", "miss"]
    assert list(found.lanes[1].columns.latency_s) == pytest.approx([1.0, 0.6, 0.0, 1.0])
    assert list(found.lanes[1].columns.cost)[1:3] == [0, 0]


def test_a_call_routed_to_a_model_that_the_log_never_saw_is_estimated_and_has_no_quality() -> None:
    found = lane([call(score=1.0, cost_usd=usd("0.0002"))], config(route=ALL_CHEAP))
    assert found.models == {SMALL: 1}
    assert found.basis == {"borrowed": 1}
    assert found.cost_usd == usd("0.00002")
    assert found.quality is None
    assert found.latency.known == 0


def test_a_recorded_answer_to_the_same_prompt_counts_with_its_own_length_time_and_grade() -> None:
    recorded = call(model=SMALL, tokens_out=50, latency_s=0.25, score=0.5, received_at=None)
    found = lane([call(score=1.0)], config(route=ALL_CHEAP), answers=[recorded])
    assert found.basis == {"recorded": 1}
    assert found.cost_usd == usd("0.00011")
    assert found.latency.p50_ms == 250.0
    assert found.quality is not None
    assert found.quality.mean == 0.5


def test_lengths_are_fitted_on_the_model_s_other_answers_with_an_interval() -> None:
    known = [call(f"other {number}", model=SMALL, tokens_out=10 + number % 21, received_at=NOON + number, latency_s=2.0) for number in range(210)]
    found = lane([*known, call("mine", received_at=NOON + 300)], config(route=ALL_CHEAP))
    assert found.basis == {"logged": 210, "fitted": 1}
    assert found.cost_usd == sum((Decimal(10 + 2 * each.tokens_out) for each in known if each.tokens_out), Decimal(10 + 2 * 20)) / 1_000_000
    assert found.cost_low_usd < float(found.cost_usd) < found.cost_high_usd
    assert found.latency.known == 211


def test_the_caller_s_limit_bounds_what_is_estimated() -> None:
    known = [call(f"other {number}", model=SMALL, tokens_out=100, received_at=NOON + number) for number in range(20)]
    found = lane([*known, call("mine", received_at=NOON + 300, max_output_tokens=7)], config(route=ALL_CHEAP))
    assert found.cost_usd == 20 * usd("0.00021") + usd("0.000024")


def test_a_budget_fills_with_what_was_used_and_opens_again_at_midnight() -> None:
    limits = Limits(tenant={"acme": KeyLimits(daily_usd=0.0005)})
    times = [NOON, NOON + 60, NOON + 120, NOON + 180, NOON + 13 * 3600]
    calls = [call(f"question {number}", received_at=at, tenant="acme", max_output_tokens=5) for number, at in enumerate(times)]
    found = lane(calls, config(limits=limits, route=Route(rules=())))
    assert found.refused == {"budget_exceeded": 2}
    assert found.answered == 3


def test_a_latency_cap_cuts_the_answers_that_took_longer() -> None:
    endpoints = {"faq": Endpoint(caps=Caps(absolute_latency_s=2.0))}
    calls = [call(f"question {took}", endpoint="faq", latency_s=took, received_at=NOON + 10 * took, score=1.0) for took in (1.0, 5.0)]
    found = lane(calls, config(endpoints=endpoints, route=Route(rules=())))
    assert found.latency.p99_ms == 2000.0
    assert found.quality is not None
    assert found.quality.scored == 1


def test_an_output_limit_of_the_configuration_cuts_the_logged_answer() -> None:
    found = lane([call(tokens_out=100, score=1.0)], config(endpoints={"default": Endpoint(max_output_tokens=40)}, route=Route(rules=())))
    assert found.cost_usd == usd("0.0009")
    assert found.quality is None


def test_a_call_that_failed_fails_again_where_its_model_is_kept() -> None:
    found = lane([call(status=400, error_code="bad_request", answer=None, tokens_out=None)], OFF)
    assert (found.answered, found.failed, found.cost_usd) == (0, {"upstream_refused": 1}, 0)


def test_calls_without_text_keep_their_model_and_are_priced() -> None:
    found, figured = run([call(""), call("", model=None)], config(route=ALL_CHEAP)), lane([call("")], config(route=ALL_CHEAP))
    assert (found.intake.textless, found.intake.unreadable) == (1, 1)
    assert figured.models == {BIG: 1}
    assert figured.cost_usd == usd("0.0002")
    assert figured.cache == {"bypass": 1}


def test_answers_are_held_to_their_schema_where_the_log_has_them() -> None:
    schema = {"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"]}
    asked = {"model": BIG, "temperature": 0, "messages": [{"role": "user", "content": "Tag it"}]}
    body = json.dumps(asked | {"response_format": {"type": "json_schema", "json_schema": {"name": "tag", "schema": schema}}}).encode()
    good, mendable, bad = (call("", body=body, answer=answer) for answer in ('{"tag": "x"}', '```json\n{"tag": "x",}\n```', "no"))
    assert lane([good], STAY).failed == {}
    assert lane([mendable], STAY).failed == {}
    broken = lane([bad], STAY)
    assert (broken.failed, broken.unmended) == ({"answer_invalid": 1}, 1)
    elsewhere = lane([bad], config(route=ALL_CHEAP))
    assert (elsewhere.failed, elsewhere.unchecked) == ({}, 1)


def test_rules_route_and_a_named_model_is_kept_on_request() -> None:
    rules = Route(rules=(Rule(name="labels", tier="cheap", when=Match(endpoint=("tags",))),))
    calls = [call("one", endpoint="tags"), call("two", endpoint="chat")]
    assert lane(calls, config(route=rules)).tiers == {"cheap": 1, "expensive": 1}
    assert lane(calls, config(route=rules), ask="logged").models == {BIG: 2}
    assert lane(calls, config(route=rules), ask="farthing/cheap").models == {SMALL: 2}


def test_embeddings_and_models_that_no_service_has_are_replayed() -> None:
    calls = [
        call("a text", dialect=Dialect.EMBEDDINGS, model="text-embedding-3-small", provider="openai", tokens_out=0, answer=None),
        call("hello", model="house-model", provider="cluster"),
    ]
    found = lane(calls, OFF)
    assert found.models == {"house-model": 1, "text-embedding-3-small": 1}
    assert (found.answered, found.unpriced) == (2, 1)


def test_a_cost_that_only_the_log_knows_is_taken_from_it() -> None:
    found = lane([call(model="house-model", cost_usd=usd("0.5"))], OFF)
    assert (found.cost_usd, found.unpriced) == (usd("0.5"), 0)


def test_calls_without_a_time_follow_each_other() -> None:
    found = run([call(received_at=None), call(received_at=None)], config())
    assert found.intake.untimed == 2
    assert figures(found)[1].cache == {"exact": 1, "miss": 1}


def test_a_clock_that_goes_back_is_held_and_counted() -> None:
    found = run([call("one", received_at=NOON + 5), call("two", received_at=NOON)], STAY)
    assert found.intake.late == 1
    assert found.lanes[1].columns.latency_s[1] == 1.0


def test_a_cache_that_is_off_serves_nothing() -> None:
    calls = [call(received_at=NOON + 10 * number) for number in range(3)]
    assert lane(calls, config(cache=Cache(enabled=False))).hit_ratio == 0.0


def test_parts_by_tenant_add_up_to_the_whole() -> None:
    calls = mixed()
    whole = figures(run(calls))
    tokens = TokenCounter()
    fit, start_s = learn(calls, (), tokens)
    parts = [
        replay([each for each in calls if each.tenant == tenant], Plan((("config 1", config()),), build_house), fit, start_s, tokens)
        for tenant in ("tenant 0", "tenant 1", "tenant 2")
    ]
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    for one, other in zip(figures(merged), whole, strict=True):
        assert (one.cost_usd, one.latency, one.cache, one.tiers, one.basis) == (other.cost_usd, other.latency, other.cache, other.tiers, other.basis)
        assert one.quality is not None
        assert other.quality is not None
        assert one.quality.mean == other.quality.mean


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = run(mixed()), run(mixed())
    assert as_json(first, figures(first)) == as_json(second, figures(second))
    script = (
        "import sys; from tests.lab.replay.test_replay import mixed; from tests.lab.replay.logs import run;"
        "from farthing.lab.replay.document import as_json; from farthing.lab.replay.figures import figures;"
        "found = run(mixed()); sys.stdout.buffer.write(as_json(found, figures(found)))"
    )
    root = Path(__file__).resolve().parents[3]
    written = {
        subprocess.run([sys.executable, "-c", script], cwd=root, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert written == {as_json(first, figures(first))}


def test_a_call_that_a_budget_turned_away_is_answered_where_there_is_none() -> None:
    turned_away = call(status=429, error_code="budget_exceeded", answer=None, tokens_out=None, tokens_in=None, latency_s=0.0)
    logged, found = lanes([call("other"), turned_away], STAY)
    assert logged.refused == {"budget_exceeded": 1}
    assert (found.answered, found.refused, found.basis) == (2, {}, {"logged": 1, "fitted": 1})


@pytest.mark.parametrize("dialect", [Dialect.CHAT, Dialect.RESPONSES, Dialect.MESSAGES])
def test_a_body_is_written_from_the_turns_in_the_dialect_of_the_call(dialect: Dialect) -> None:
    turns = (Turn("system", "Be brief."), Turn("user", "Why?"))
    found = run([call(turns=turns, dialect=dialect), call(turns=turns, body=b'{"nothing": 1}', dialect=dialect, max_output_tokens=9)], OFF)
    assert found.intake.unreadable == 0
    assert figures(found)[1].answered == 2


def test_a_ledger_without_text_is_priced_and_one_with_text_is_replayed(tmp_path: Path) -> None:
    known = {"tokens_in": 10, "tokens_out": 5, "model_name": BIG, "model_tier": "expensive", "cost_picousd": 200_000_000, "finish": "stop"}
    text = {"prompt": "user: What is a farthing?", "answer": "A quarter of a penny."}
    path = write(tmp_path / "farthing.db", [known, known | text, known | text | {"dialect": "responses"}, known | text])
    found = figures(run(list(open_logs([path])), STAY))
    assert (found[0].cost_usd, found[1].cost_usd) == (usd("0.0008"), usd("0.0006"))
    assert found[1].cache == {"bypass": 2, "exact": 1, "miss": 1}


def test_tokens_that_the_log_does_not_say_are_counted_from_its_text() -> None:
    logged, found = lanes([call(tokens_in=None, tokens_out=None)], STAY)
    assert logged.cost_usd == found.cost_usd > 0


def test_a_prompt_on_a_diet_costs_less_and_its_answer_has_no_grade() -> None:
    system = "Answer   politely.\n\n\n\n" * 80
    asked = call(turns=(Turn("system", system), Turn("user", "Why?")), tokens_in=500, score=1.0)
    fed, dieted = lane([asked], config(route=Route(rules=()), diet=Diet(enabled=False))), lane([asked], STAY)
    assert dieted.cost_usd < fed.cost_usd == usd("0.0051")
    assert (fed.dieted, dieted.dieted) == (0, 1)
    assert fed.quality is not None
    assert dieted.quality is None


def test_the_arms_of_an_experiment_live_through_their_share_of_the_runs() -> None:
    experiment = Experiment(arms={"as is": Arm(share=0.5), "cheap": Arm(share=0.5, rules=ALL_CHEAP.rules)})
    found = lane(
        [call(f"question {number}", run_id=f"run {number}") for number in range(60)], config(route=Route(rules=()), experiments={"try": experiment})
    )
    assert set(found.models) == {BIG, SMALL}
