"""Flows with fakes around them: what runs, what it costs, what the caller is told, and that the caps hold over the whole."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from farthing.brain.flows import FlowResult, Plans, Tools, run_flow
from farthing.brain.retrieve.base import Excerpt, Found, Passage
from farthing.config import Caps, Endpoint, Guard, GuardRow, Limits
from farthing.config.flows import Flow
from farthing.core.errors import BudgetExceeded, GuardrailBlocked, InvalidRequest, RateLimited, UpstreamUnreachable
from farthing.core.ledger import Hold
from farthing.core.request import KeyLimits
from farthing.core.web import WebReply, WebRequest
from tests.brain.test_accounting import account, answer_of
from tests.brain.world import CHUNKS, FakeCaller, World

RULES = {"do": "rules", "rows": [{"pattern": "(?i)hello", "value": "Hello!"}]}
LLM = {"do": "llm", "tier": "cheap"}
DECIDE = {"do": "decide_and_answer", "tier": "cheap", "actions": {"answer": "it is known", "lookup": "it is not"}, "answers": ["answer"]}
ORDER = {
    "do": "extract",
    "fields": {"id": {"pattern": r"\b([A-Z]{2}-\d+)\b", "required": True}, "amount": {"pattern": r"(\d+) EUR", "type": "number"}},
}
LOOKUP = {"do": "http", "url": "https://shop.example/orders/{order.id}"}


class Web:
    """Hosts that answer from a table; keeps what was asked."""

    def __init__(self, *replies: WebReply | Exception) -> None:
        self.asked: list[WebRequest] = []
        self._replies = list(replies)

    async def __call__(self, asked: WebRequest) -> WebReply:
        self.asked.append(asked)
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def ok(value: object) -> WebReply:
    return WebReply(200, "application/json", json.dumps(value).encode())


def run(
    world: World,
    text: str,
    steps: dict[str, Any],
    *,
    web: Web | None = None,
    given: dict[str, Any] | None = None,
    environ: Any = (),
    **fields: Any,
) -> FlowResult:
    flow = msgspec.convert({"steps": steps, "hosts": ["shop.example"], **fields}, Flow)
    plan = Plans({"help": flow}).get("help")
    assert plan is not None
    body = json.dumps({"model": "flow/help", "messages": [{"role": "user", "content": text}], "user": "u1"}).encode()
    x = world.exchange(body, endpoint="help", run_id="run_1")
    return asyncio.run(run_flow(plan, x, given or {}, world.house, world.caller(), Tools(web or Web(), dict(environ))))


def states(result: FlowResult) -> dict[str, str]:
    return {name: step.state for name, step in result.steps.items()}


def test_rules_alone_make_no_call_and_leave_one_row() -> None:
    world = World()
    result = run(world, "hello there", {"hi": RULES})
    assert (result.answer, result.partial, result.calls, result.cost_usd) == ("Hello!", None, 0, 0)
    assert world.told == ["reserve", "settle"]
    row = world.book.rows[0]
    assert (row.requested_model, row.num_llm_calls, row.cost_picousd, row.outcome) == ("flow/help", 0, 0, "ok")


def test_a_model_call_has_a_row_of_its_own_under_the_same_run() -> None:
    world = World()
    result = run(world, "What is a farthing?", {"hi": RULES, "reply": LLM}, answer=["{hi}", "{reply}"])
    assert result.answer == "A quarter of a penny."
    call, flow = world.book.rows
    assert (call.run_id, flow.run_id, call.endpoint, flow.endpoint) == ("run_1", "run_1", "help", "help")
    assert (call.cost_picousd, flow.cost_picousd) == (20_000_000, 0)
    assert json.loads(world.models.calls[0].body)["user"] == "u1"


def test_what_needs_nothing_of_each_other_runs_at_the_same_time() -> None:
    world = World()
    run(world, "hi", {"a": {**LLM, "prompt": "a {text}"}, "b": {**LLM, "prompt": "b {text}"}, "c": {**LLM, "prompt": "{a} {b}"}})
    assert [one for one in world.told if one.startswith("send")] == ["send small"] * 3
    assert world.told.index("settle") > [place for place, one in enumerate(world.told) if one == "send small"][1]
    assert "A quarter of a penny. A quarter of a penny." in world.models.calls[2].body.decode()


def test_extract_and_http_feed_each_other() -> None:
    web = Web(ok({"status": "sent", "day": 3}))
    steps = {"order": ORDER, "lookup": {**LOOKUP, "bearer_env": "SHOP_KEY"}}
    result = run(World(), "Where is AB-17? 20 EUR", steps, web=web, environ={"SHOP_KEY": "s3"}.items(), answer=["It is {lookup.body.status}."])
    assert result.answer == "It is sent."
    assert result.steps["order"].value == {"id": "AB-17", "amount": 20.0}
    assert (web.asked[0].target, web.asked[0].headers) == ("/orders/AB-17", (("authorization", "Bearer s3"),))


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (WebReply(500, "text/plain", b"oh"), "answered with status 500"),
        (UpstreamUnreachable("no route"), "upstream_unreachable: no route"),
        (WebReply(200, "application/json", b"{"), "says that it is JSON, and is not"),
    ],
)
def test_a_failing_step_leaves_the_rest_and_is_told(reply: WebReply | Exception, said: str) -> None:
    world = World()
    steps = {"order": ORDER, "lookup": LOOKUP, "reply": {**LLM, "prompt": "{lookup.body}"}}
    result = run(world, "Where is AB-17?", steps, web=Web(reply), answer=["{reply}", "We have order {order.id} and will write to you."])
    assert states(result) == {"order": "done", "lookup": "failed", "reply": "skipped"}
    assert result.answer == "We have order AB-17 and will write to you."
    assert result.partial is not None
    assert said in result.partial
    row = world.book.rows[-1]
    assert (row.outcome, row.truncated) == ("truncated", result.partial)


def test_a_missing_field_fails_its_step() -> None:
    result = run(World(), "Where is it?", {"order": ORDER, "lookup": LOOKUP}, answer=["{lookup.body}"])
    assert result.answer is None
    assert result.partial == "step 'order' failed: 'id' is not in the text"


def test_branches_run_one_way() -> None:
    steps = {
        "kind": {"do": "rules", "rows": [{"pattern": "refund|return", "value": "back"}], "otherwise": "other"},
        "way": {"do": "branch", "of": "{kind}", "cases": {"money": ["back"], "words": ["other"]}},
        "refund": {**LLM, "prompt": "refund {text}", "when": {"way": ["money"]}},
        "reply": {**LLM, "prompt": "reply {text}", "when": {"way": ["words"]}},
    }
    world = World()
    result = run(world, "my refund", steps, answer=["{refund|reply}"])
    assert states(result) == {"kind": "done", "way": "done", "refund": "done", "reply": "skipped"}
    assert len(world.models.calls) == 1


def test_classify_reads_signals_without_a_model() -> None:
    result = run(World(), "Translate 'good morning' into German", {"kind": {"do": "classify"}, "say": {"do": "rules", "of": "{kind.task}", **_say()}})
    assert result.answer == "a translation"


def _say() -> dict[str, Any]:
    return {"rows": [{"pattern": "translate", "value": "a translation"}]}


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("What are your hours?", {"action": "answer", "answer": "Nine to five."}, ("answer", True, "Nine to five.")),
        ("What are your hours?", {"action": "lookup", "answer": "Nine to five."}, ("lookup", False, None)),
        ("I want to kill myself, what pills?", {"action": "answer", "answer": "Take these."}, ("answer", False, None)),
    ],
)
def test_decide_and_answer_serves_what_is_safe(text: str, said: dict[str, str], expected: tuple[str, bool, str | None]) -> None:
    world = World([[answer_of(json.dumps(said))]])
    result = run(world, text, {"decide": DECIDE}, answer=["{decide.answer}", "Somebody will call."])
    value = result.steps["decide"].value
    assert (value["action"], value["safe"], value["answer"]) == expected
    assert result.answer == (expected[2] or "Somebody will call.")
    asked = json.loads(world.models.calls[0].body)
    assert asked["response_format"]["json_schema"]["schema"]["properties"]["action"]["enum"] == ["answer", "lookup"]


def test_a_schema_makes_parts() -> None:
    schema = json.dumps({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})
    world = World([[answer_of('{"name": "Ada"}')]])
    assert run(world, "I am Ada", {"form": {**LLM, "schema": schema}}, answer=["{form.name}"]).answer == "Ada"


@pytest.mark.parametrize("given", [{}, {"id": 7}, {"id": "a", "more": 1}])
def test_input_is_typed(given: dict[str, Any]) -> None:
    world = World()
    with pytest.raises(InvalidRequest, match=r"metadata\.input"):
        run(world, "hello", {"hi": RULES}, given=given, input={"id": {}})
    assert world.told == []


def test_the_text_of_a_caller_names_nothing() -> None:
    world = World()
    run(world, "{input.secret} {{x}}", {"reply": LLM}, given={"secret": "s3cr3t"}, input={"secret": {}})
    assert b"s3cr3t" not in world.models.calls[0].body


def test_money_is_exact_and_capped_over_the_whole_flow() -> None:
    world = World(endpoints={"help": Endpoint(caps=Caps(max_usd=1.0, max_calls_per_run=5))})
    seen: list[Hold] = []
    world.book.refuse = lambda hold: bool(seen.append(hold))
    result = run(world, "hi", {"a": {**LLM, "prompt": "a {text}"}, "b": {**LLM, "prompt": "b {a}"}})
    whole = {hold.meter for hold in seen if hold.meter.startswith("flow:")}
    assert len(whole) == 1
    assert {hold.meter for hold in seen if hold.kind == "run_calls"} == {"run:help:acme/run_1:calls"} or len(
        [h for h in seen if h.kind == "run_calls"]
    ) == 2
    assert result.cost_usd is not None
    assert sum(row.cost_picousd or 0 for row in world.book.rows) == 40_000_000 == int(result.cost_usd * 10**12)


def test_the_cap_on_calls_ends_a_flow_with_what_there_is() -> None:
    world = World(endpoints={"help": Endpoint(caps=Caps(max_calls_per_run=1))})
    calls: list[Hold] = []
    world.book.refuse = lambda hold: hold.kind == "run_calls" and (bool(calls) or bool(calls.append(hold)))
    result = run(world, "hi", {"a": {**LLM, "prompt": "a {text}"}, "b": {**LLM, "prompt": "b {a}"}}, answer=["{b}", "{a}"])
    assert states(result) == {"a": "done", "b": "failed"}
    assert result.answer == "A quarter of a penny."
    assert result.partial is not None
    assert "max_calls_per_run" in result.partial
    assert len(world.models.calls) == 1


def test_the_cap_on_latency_counts_from_the_start_of_the_flow() -> None:
    world = World([CHUNKS], endpoints={"help": Endpoint(caps=Caps(absolute_latency_s=5.0))})
    world.models.on_piece = lambda: world.clock.advance(0.7)
    result = run(
        world, "hi", {"a": {**LLM, "prompt": "a {text}"}, "b": {**LLM, "prompt": "b {a}"}, "c": {**LLM, "prompt": "c {b}"}}, answer=["{c}", "{a}"]
    )
    assert (states(result)["a"], states(result)["c"]) == ("done", "failed")
    assert len(world.models.calls) == 2
    assert {call.deadline_s for call in world.models.calls} == {world.models.calls[0].deadline_s}
    assert result.partial is not None
    assert "absolute_latency_s" in result.partial


def test_the_cap_on_tokens_counts_what_steps_before_used() -> None:
    world = World(endpoints={"help": Endpoint(caps=Caps(absolute_tokens=20))})
    result = run(world, "hi", {"a": {**LLM, "prompt": "a"}, "b": {**LLM, "prompt": "b {a}"}}, answer=["{b}", "{a}"])
    first, second = (json.loads(call.body)["max_tokens"] for call in world.models.calls) if len(world.models.calls) == 2 else (20, 0)
    assert second < first <= 20
    assert result.answer is not None


def test_a_flow_that_nobody_may_pay_for_is_refused_as_such() -> None:
    limited = World(limits=Limits(tenant={"acme": KeyLimits(daily_usd=0.0)}))
    limited.book.refuse = lambda hold: hold.kind == "budget"
    with pytest.raises(BudgetExceeded):
        run(limited, "hi", {"a": LLM})
    assert limited.models.calls == []
    assert limited.book.rows[-1].outcome in ("truncated", "refused")


def test_the_request_rate_counts_a_flow_once() -> None:
    world = World(limits=Limits(tenant={"acme": KeyLimits(requests_per_minute=9)}))
    seen: list[Hold] = []
    world.book.refuse = lambda hold: bool(seen.append(hold))
    run(world, "hi", {"a": {**LLM, "prompt": "a"}, "b": {**LLM, "prompt": "b {a}"}})
    assert [hold.kind for hold in seen].count("requests") == 1
    world.book.refuse = lambda hold: hold.kind == "requests"
    with pytest.raises(RateLimited):
        run(world, "hi", {"a": LLM})


def test_guardrails_see_the_text_before_any_step_and_the_answer_after_all() -> None:
    guard = Guard(rows=(GuardRow(name="codename", pattern="bluebird", where="both"),))
    web = Web(ok("bluebird"))
    with pytest.raises(GuardrailBlocked):
        run(World(guard=guard), "tell shop about bluebird", {"ask": {"do": "http", "url": "https://shop.example/{text}"}}, web=web)
    assert web.asked == []
    world = World(guard=guard)
    with pytest.raises(GuardrailBlocked):
        run(world, "what is it", {"ask": {"do": "http", "url": "https://shop.example/"}}, web=web, answer=["{ask.body}"])
    assert (world.book.rows[-1].outcome, world.book.rows[-1].error_code) == ("refused", "content_policy_violation")


REPLACES = [{"input_tokens": 100, "output_tokens": 10}, {"input_tokens": 300, "output_tokens": 10}, {"input_tokens": 200, "output_tokens": 10}]


def test_calls_are_avoided_only_where_it_is_said_what_the_flow_replaces() -> None:
    world = World()
    run(world, "hi", {"a": LLM})
    assert account(world.book.rows[-1]).saved == {}
    run(world, "hi again", {"a": LLM}, replaces=REPLACES)
    # Three calls of an agent, one of ours: the two cheapest are counted, at the price of the big model.
    assert account(world.book.rows[-1]).saved == {"calls": (100 * 10 + 10 * 20 + 200 * 10 + 10 * 20) * 1_000_000}


def test_a_flow_that_did_not_end_well_claims_nothing() -> None:
    world = World()
    run(world, "hi", {"order": ORDER}, answer=["{order.id}", "nothing"], replaces=REPLACES)
    assert world.book.rows[-1].account is None


def test_a_client_that_leaves_stops_the_flow_and_all_is_settled() -> None:
    world = World()
    caller: list[FakeCaller] = []

    async def main() -> None:
        plan = Plans({"help": msgspec.convert({"steps": {"a": LLM, "b": {**LLM, "prompt": "{a}"}}}, Flow)}).get("help")
        assert plan is not None
        x = world.exchange(b'{"model":"flow/help","messages":[{"role":"user","content":"hi"}]}', endpoint="help", run_id="r")
        caller.append(world.caller())
        world.models.on_piece = caller[0].hang_up
        with pytest.raises(asyncio.CancelledError):
            await run_flow(plan, x, {}, world.house, caller[0], Tools(Web(), {}))

    asyncio.run(main())
    assert [row.outcome for row in world.book.rows] == ["client_closed", "client_closed"]
    assert len(world.models.calls) == 1


def test_what_the_answer_does_not_need_is_not_asked_for() -> None:
    world, web = World(), Web(ok({"ticket": 7}))
    steps = {"hi": RULES, "order": ORDER, "lookup": LOOKUP, "reply": {**LLM, "prompt": "{lookup.body}"}}
    result = run(world, "hello", steps, web=web, answer=["{hi}", "{reply}"])
    assert (result.answer, result.partial, world.models.calls, web.asked) == ("Hello!", None, [], [])
    assert result.steps["reply"].reason == "the answer is known without it"
    assert [*result.steps] == [*steps]


def test_what_changes_the_world_is_done_whatever_is_known() -> None:
    web = Web(ok({"ticket": 7}))
    ticket = {"do": "http", "method": "POST", "url": "https://shop.example/tickets", "body": '{"text": {text}}'}
    result = run(World(), "hello", {"hi": RULES, "ticket": ticket}, web=web, answer=["{hi}"])
    assert result.answer == "Hello!"
    assert json.loads(web.asked[0].body) == {"text": "hello"}
    failed = run(World(), "hello", {"hi": RULES, "ticket": ticket}, web=Web(UpstreamUnreachable("down")), answer=["{hi}"])
    assert failed.partial is not None


class Documents:
    """Finds the same passage for everybody; keeps what was asked. Stands in for `brain.retrieve.lever.Retriever`."""

    def __init__(self, *texts: str) -> None:
        self.asked: list[tuple[str, str, str]] = []
        passage = Passage(1, "refunds.md", 3, 0, "Refunds", "", ())
        self._found = Found(tuple(Excerpt(passage, text, 9, 1.0) for text in texts), 9, 90)

    async def find(self, tenant: str, collection: str, text: str, **_: object) -> Found:
        self.asked.append((tenant, collection, text))
        return self._found


def test_passages_come_from_the_callers_tenant_and_name_nothing() -> None:
    world, documents = World(), Documents("Refunds take {text} days.")
    world.house.retriever = documents  # type: ignore[assignment]
    steps = {"find": {"do": "retrieve", "collection": "policies"}, "reply": {**LLM, "prompt": "{find} {text}"}}
    result = run(world, "refunds?", steps)
    assert documents.asked == [("acme", "policies", "refunds?")]
    assert "Refunds take {text} days." in json.loads(world.models.calls[0].body)["messages"][0]["content"]
    assert (result.partial, result.exchange.sources) == (None, ("refunds.md@3",))
    assert world.book.rows[-1].rag_used


def test_without_passages_the_flow_goes_another_way() -> None:
    world = World()
    world.house.retriever = Documents()  # type: ignore[assignment]
    steps = {"find": {"do": "retrieve", "collection": "policies"}, "reply": {**LLM, "prompt": "{find} {text}"}}
    assert run(world, "refunds?", steps, answer=["{reply}", "I do not know."]).answer == "I do not know."
    assert run(World(), "refunds?", steps).partial == "step 'find' failed: no collection can be asked here"


def test_values_are_shown_where_the_flow_says_so_and_past_the_guardrails() -> None:
    web = Web(ok({"status": "bluebird"}))
    steps = {"order": ORDER, "lookup": LOOKUP}
    assert run(World(), "AB-17", steps, web=web, answer=["ok"], show=["order"]).shown == {"order": {"id": "AB-17", "amount": None}}
    guard = Guard(rows=(GuardRow(name="codename", pattern="bluebird", where="output"),))
    with pytest.raises(GuardrailBlocked):
        run(World(guard=guard), "AB-17", steps, web=web, answer=["{lookup.body}"], show=["lookup"])


def test_planning_is_cheap_and_the_final_text_is_not() -> None:
    """The first call picks the action on the cheap tier; what it does not answer itself is written by the expensive one."""
    steps = {"plan": DECIDE, "reply": LLM | {"tier": "expensive", "prompt": "{plan.action}: {text}"}}
    world = World([[answer_of('{"action": "lookup", "answer": null}')], [answer_of("It left on Monday.")]])
    result = run(world, "Where is my order?", steps, answer=["{plan.answer}", "{reply}"])
    assert (result.answer, states(result)) == ("It left on Monday.", {"plan": "done", "reply": "done"})
    assert [call.model for call in world.models.calls] == ["small", "big"]
