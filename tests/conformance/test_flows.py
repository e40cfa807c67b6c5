"""Flows at /v1/ask, from the outside, on a gateway of their own."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, sse_events, upstream_config
from tests.fakes.http_client import Answer, post
from tests.fakes.upstream import FakeUpstream

FLOWS = """
[flows.help]
show = ["found"]
answer = ["{canned}", "{reply}", "Order {found.id} is noted."]
replaces = [{ input_tokens = 500, output_tokens = 50 }, { input_tokens = 800, output_tokens = 90 }]
hosts = ["localhost:9"]
input = { language = { required = false } }

[flows.help.steps.canned]
do = "rules"
rows = [{ pattern = "(?i)opening hours", value = "From nine to five." }]

[flows.help.steps.found]
do = "extract"
fields.id = { pattern = "[A-Z]{2}-[0-9]+" }

[flows.help.steps.lookup]
do = "http"
when = { canned = [] }
url = "http://localhost:9/{found.id}"

[flows.help.steps.reply]
do = "llm"
tier = "cheap"
prompt = "{text}"

[flows.probe.steps.inside]
do = "http"
url = "http://localhost:9/{text}"

[flows.probe]
hosts = ["localhost:9"]
answer = ["{inside.body}", "nothing from inside"]
"""


@pytest.fixture(scope="module")
def flows(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url, FLOWS), env=UPSTREAM_ENV) as gateway:
        yield gateway


def ask(gateway: Gateway, text: str, flow: str = "help", **fields: object) -> Answer:
    metadata = {"flow": flow, "input": fields.pop("input", {})}
    return asyncio.run(post(gateway.port, "/v1/ask", {"user_id": "u", "text": text, "metadata": metadata, **fields}))


def test_no_call_is_made_where_none_is_needed(flows: Gateway, upstream: FakeUpstream) -> None:
    upstream.forget()
    answer = ask(flows, "What are your opening hours?")
    assert (answer.status, answer.fields["answer"], answer.fields["calls"], answer.fields["cost_usd"]) == (200, "From nine to five.", 0, 0)
    assert upstream.calls() == []
    row = flows.rows(request_id=answer.fields["request_id"])[0]
    saved = json.loads(row["account"])["saved"]
    assert saved == {"calls": row["baseline_cost_picousd"]}
    assert row["baseline_cost_picousd"] > 0 == row["cost_picousd"]


def test_a_model_call_is_under_the_run_of_its_flow(flows: Gateway) -> None:
    answer = ask(flows, "tell me about farthings")
    assert answer.fields["answer"] == "echo: tell me about farthings"
    assert "value" not in answer.fields["steps"]["reply"]
    assert answer.fields["steps"]["found"]["value"] == {"id": None}
    with closing(sqlite3.connect(flows.store)) as store:
        rows = store.execute("SELECT requested_model, cost_picousd FROM requests WHERE run_id = ? ORDER BY 1", (answer.fields["run_id"],)).fetchall()
    assert [name for name, _ in rows] == ["farthing/cheap", "flow/help"]
    assert sum(cost for _, cost in rows) == round(answer.fields["cost_usd"] * 10**12)


def test_streams_end_with_the_whole_account(flows: Gateway) -> None:
    answer = ask(flows, "opening hours", stream=True)
    events = [json.loads(data) for _, data in sse_events(answer.body)]
    assert events[0] == {"delta": "From nine to five."}
    assert events[-1]["flow"] == "help"


def test_what_does_not_exist_is_said(flows: Gateway) -> None:
    assert (ask(flows, "x", flow="hlep").status, ask(flows, "x", input={"colour": "red"}).status) == (404, 400)
    assert "Known: help, probe" in ask(flows, "x", flow="hlep").fields["error"]["message"]


def test_a_host_with_an_address_inside_is_not_asked(flows: Gateway) -> None:
    answer = ask(flows, "secrets", flow="probe")
    assert answer.fields["answer"] == "nothing from inside"
    assert "address_refused" in answer.fields["partial"]
    assert answer.fields["truncated"] is True
