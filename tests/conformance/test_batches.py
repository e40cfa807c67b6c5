"""OpenAI's SDK brings a file, orders a batch, waits, and reads the answers, as its documentation shows."""

import json
import time
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import Batch

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll, upstream_config
from tests.fakes.upstream import FakeUpstream


def line(custom_id: str, text: str, **change: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **change}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in lines).encode()


def order(client: OpenAI, lines: list[dict[str, Any]], **change: Any) -> Batch:
    file = client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    return client.batches.create(**{"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **change})


def ended(client: OpenAI, batch: Batch, timeout_s: float = 15.0) -> Batch:
    poll(lambda: client.batches.retrieve(batch.id).status in ("completed", "failed", "expired", "cancelled"), timeout_s, "the end of the batch")
    return client.batches.retrieve(batch.id)


def answers(client: OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    return {one["custom_id"]: one for one in map(json.loads, client.files.content(file_id).text.splitlines())}


def test_a_batch_from_file_to_answers(gateway: Gateway, openai_client: OpenAI) -> None:
    lines = [line(f"q{number}", f"question {number}") for number in range(12)]
    batch = order(openai_client, lines, metadata={"for": "test"})
    assert (batch.object, batch.endpoint, batch.completion_window, batch.metadata) == ("batch", "/v1/chat/completions", "24h", {"for": "test"})
    done = ended(openai_client, batch)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (12, 12, 0)
    assert done.error_file_id is None
    found = answers(openai_client, done.output_file_id)
    assert [found[f"q{n}"]["response"]["body"]["choices"][0]["message"]["content"] for n in range(12)] == [f"echo: question {n}" for n in range(12)]
    assert {one["response"]["status_code"] for one in found.values()} == {200}
    assert {one["error"] for one in found.values()} == {None}
    rows = {row["request_id"]: row for row in gateway.rows(lane="background")}
    assert {one["response"]["request_id"] for one in found.values()} <= rows.keys()
    file = openai_client.files.retrieve(done.output_file_id or "")
    assert file.bytes == len(openai_client.files.content(file.id).content)
    assert file.purpose == "batch_output"


def test_files_are_listed_and_deleted(openai_client: OpenAI, gateway: Gateway) -> None:
    content = jsonl([line("a", "x")]) * 20_000  # several parts
    file = openai_client.files.create(file=("big.jsonl", content), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600})
    assert (file.object, file.filename, file.bytes, file.purpose, file.status) == ("file", "big.jsonl", len(content), "batch", "processed")
    assert file.expires_at == file.created_at + 3600
    assert openai_client.files.content(file.id).content == content
    assert file.id in [one.id for one in openai_client.files.list(purpose="batch", limit=2)]
    assert openai_client.files.delete(file.id).deleted
    with pytest.raises(NotFoundError):
        openai_client.files.retrieve(file.id)
    with pytest.raises(NotFoundError):
        openai_client.files.content(file.id)
    assert gateway.query("SELECT count(*) AS n FROM file_parts WHERE file = ?", file.id) == [{"n": 0}]


def test_what_cannot_be_answered_is_in_the_errors_file(openai_client: OpenAI) -> None:
    batch = order(openai_client, [line("good", "fine"), line("bad", "fail:400"), line("nomodel", "x", model="nonesuch")])
    done = ended(openai_client, batch)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert (done.request_counts.completed, done.request_counts.failed) == (1, 2)
    assert answers(openai_client, done.output_file_id).keys() == {"good"}
    errors = answers(openai_client, done.error_file_id)
    assert {name: one["response"]["status_code"] for name, one in errors.items()} == {"bad": 400, "nomodel": 404}
    assert errors["nomodel"]["response"]["body"]["error"]["code"] == "model_not_found"


def test_a_file_with_mistakes_runs_not_at_all(openai_client: OpenAI, upstream: FakeUpstream) -> None:
    lines = [line("same", "one"), line("same", "two"), line("stream", "x", stream=True), line("url", "x") | {"url": "/v1/embeddings"}]
    done = ended(openai_client, order(openai_client, lines))
    assert done.status == "failed"
    assert done.errors is not None
    found = [(problem.line, problem.code, problem.param) for problem in done.errors.data or ()]
    assert found == [
        (2, "duplicate_custom_id", "custom_id"),
        (3, "invalid_request", "body.stream"),
        (4, "mismatched_url", "url"),
    ]
    assert upstream.calls() == []


@pytest.mark.parametrize(
    ("content", "code"), [(b"\n", "empty_file"), (b"{}\n", "invalid_json_line"), (b"{", "invalid_json_line"), (b"\xff", "invalid_json_line")]
)
def test_a_file_that_holds_no_requests(openai_client: OpenAI, content: bytes, code: str) -> None:
    file = openai_client.files.create(file=("in.jsonl", content), purpose="batch")
    done = ended(openai_client, openai_client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"))
    assert done.errors is not None
    assert [problem.code for problem in done.errors.data or ()] == [code]


def test_the_same_request_is_made_once_and_answers_all(openai_client: OpenAI, upstream: FakeUpstream, gateway: Gateway) -> None:
    lines = [line(f"twin{number}", "the same words:3") for number in range(5)] + [
        line(f"hot{number}", "hot words:2", temperature=1.0) for number in range(3)
    ]
    done = ended(openai_client, order(openai_client, lines))
    found = answers(openai_client, done.output_file_id)
    assert len({json.dumps(found[f"twin{number}"]["response"]["body"]) for number in range(5)}) == 1
    assert len(upstream.calls()) == 1 + 3
    rows = [gateway.rows(request_id=found[f"twin{number}"]["response"]["request_id"])[0] for number in range(5)]
    assert sorted(row["cache"] for row in rows) == ["bypass", *["coalesced"] * 4]
    assert [row["cost_picousd"] for row in rows if row["cache"] == "coalesced"] == [0] * 4
    assert all(row["baseline_cost_picousd"] > 0 for row in rows)


def test_a_batch_is_cancelled(openai_client: OpenAI) -> None:
    batch = order(openai_client, [line(f"q{number}", f"hold:400 {number}") for number in range(200)])
    poll(lambda: openai_client.batches.retrieve(batch.id).status == "in_progress", 5, "the batch to begin")
    assert openai_client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    done = ended(openai_client, batch)
    assert done.status == "cancelled"
    with pytest.raises(BadRequestError, match="has ended already"):
        openai_client.batches.cancel(batch.id)
    errors = answers(openai_client, done.error_file_id)
    assert {one["error"]["code"] for one in errors.values()} == {"batch_cancelled"}
    finished = answers(openai_client, done.output_file_id) if done.output_file_id else {}
    assert len(errors) + len(finished) == 200


def test_lists_go_page_by_page(openai_client: OpenAI) -> None:
    made = [order(openai_client, [line("a", f"page {number}")]).id for number in range(3)]
    first = openai_client.batches.list(limit=2)
    assert [one.id for one in first.data] == made[:0:-1]
    assert first.has_more
    assert openai_client.batches.list(limit=2, after=made[1]).data[0].id == made[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": "/v1/images"}, "batches are made of"),
        ({"completion_window": "48h"}, "longer than 24 h"),
        ({"completion_window": "soon"}, "expected something like"),
    ],
)
def test_orders_that_are_refused(openai_client: OpenAI, change: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        order(openai_client, [line("a", "x")], **change)


def test_other_paths(openai_client: OpenAI) -> None:
    for path, body in (
        ("/v1/responses", {"model": "gpt-4o-mini", "input": "hello"}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hello"}),
        ("/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}),
    ):
        file = openai_client.files.create(
            file=("in.jsonl", jsonl([{"custom_id": "a", "method": "POST", "url": path, "body": body}])), purpose="batch"
        )
        done = ended(openai_client, openai_client.batches.create(input_file_id=file.id, endpoint=path, completion_window="24h"))  # type: ignore[arg-type]
        assert answers(openai_client, done.output_file_id)["a"]["response"]["status_code"] == 200, path


def test_an_upload_that_is_no_form(gateway: Gateway, openai_client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="purpose"):
        openai_client.files.create(file=("in.jsonl", b"{}"), purpose="fine-tune")
    status, body = gateway.get("/v1/files/file_nonesuch/content")
    assert (status, json.loads(body)["error"]["code"]) == (404, "not_found")


def test_tenants_do_not_see_each_other_and_limits_hold() -> None:
    with FakeUpstream(UPSTREAM_ENV["FAKE_OPENAI_KEY"]) as upstream, Gateway(upstream_config(upstream.base_url), env=UPSTREAM_ENV) as gateway:
        ours = OpenAI(base_url=gateway.base_url + "/v1", api_key=gateway.new_key("--tenant", "ours", "--rpm", "3"), max_retries=0)
        theirs = OpenAI(base_url=gateway.base_url + "/v1", api_key=gateway.new_key("--tenant", "theirs"), max_retries=0)
        batch = order(ours, [line(f"q{number}", f"question {number}") for number in range(5)])
        for call in (
            lambda: theirs.batches.retrieve(batch.id),
            lambda: theirs.batches.cancel(batch.id),
            lambda: theirs.files.content(batch.input_file_id),
        ):
            with pytest.raises(NotFoundError):
                call()
        assert theirs.files.list().data == theirs.batches.list().data == []
        poll(lambda: (ours.batches.retrieve(batch.id).model_extra or {})["farthing"]["waits_until"] is not None, 10, "the rate limit")
        counts = ours.batches.retrieve(batch.id).request_counts
        assert counts is not None
        assert (counts.completed, counts.failed) == (3, 0)
        assert (ours.batches.retrieve(batch.id).model_extra or {})["farthing"]["waits_until"] <= time.time() + 61
        assert len(upstream.calls()) == 3
        ours.close()
        theirs.close()
