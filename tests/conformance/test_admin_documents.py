"""Documents over HTTP, against a running gateway: brought, found, changed, taken out; and what is refused in words."""

import asyncio
import base64
import json
from collections.abc import Iterator

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import Answer, Connection
from tests.fakes.upstream import FakeUpstream

ENDPOINTS = """
[endpoints.policies]
collection = "policies"
temperature = 0.0

[retrieve]
max_file_mb = 0.5
"""
RETURNS = "# Returns\n\nGoods may be returned within 30 days of purchase. The customer pays for the parcel."
SHIPPING = "# Shipping\n\nParcels leave the warehouse on Mondays."


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    with Gateway(upstream_config(upstream.base_url, ENDPOINTS), env=UPSTREAM_ENV) as started:
        yield started


def call(gateway: Gateway, method: str, path: str, **fields: object) -> Answer:
    async def run() -> Answer:
        async with Connection(gateway.port) as connection:
            await connection.send(method, path, json.dumps(fields).encode() if fields else b"")
            return await connection.answer()

    return asyncio.run(run())


def bring(gateway: Gateway, **texts: str) -> dict[str, object]:
    documents = [{"name": f"{name}.md", "text": text} for name, text in texts.items()]
    return call(gateway, "POST", "/admin/documents", collection="policies", documents=documents).fields


def ask(gateway: Gateway, text: str) -> dict[str, object]:
    return call(gateway, "POST", "/v1/ask", user_id="u", text=text, metadata={"endpoint": "policies"}).fields


def test_a_document_is_brought_found_changed_and_taken_out(gateway: Gateway) -> None:
    assert bring(gateway, returns=RETURNS, shipping=SHIPPING)["added"] == 2
    asked = ("who pays for a parcel that goes back?", "on which day do parcels leave the warehouse?")
    before = [ask(gateway, question) for question in asked]
    assert "policies/returns.md@1" in before[0]["sources"]
    changed = bring(gateway, returns=RETURNS.replace("30", "60"), shipping=SHIPPING)
    assert (changed["changed"], changed["unchanged"]) == (1, 1)
    after = [ask(gateway, question) for question in asked]
    assert [one["cache"] for one in after] == ["miss" if "policies/returns.md@1" in one["sources"] else "exact" for one in before]
    assert "policies/returns.md@2" in after[0]["sources"]
    found = call(gateway, "POST", "/admin/documents/search", collection="policies", question="within how many days may goods be returned?").fields
    assert found["excerpts"][0]["source"] == "policies/returns.md@2"
    assert "60 days" in found["excerpts"][0]["text"]
    listed = call(gateway, "GET", "/admin/documents?collection=policies").fields["data"]
    assert {one["name"]: one["version"] for one in listed} == {"returns.md": 2, "shipping.md": 1}
    assert call(gateway, "POST", "/admin/documents/reindex", collection="policies").fields["embedded"] == 2
    assert call(gateway, "DELETE", "/admin/documents", collection="policies", names=["shipping.md"]).fields == {"removed": 1}
    assert call(gateway, "GET", "/admin/documents").fields["data"][0]["documents"] == 1
    assert ask(gateway, asked[1])["sources"] != before[1]["sources"]


def test_what_cannot_be_used_is_named_and_the_rest_taken_in(gateway: Gateway) -> None:
    documents = [
        {"name": "good.md", "text": "The office is open from nine to five."},
        {"name": "latin.txt", "base64": base64.b64encode("Grüße".encode("latin-1")).decode()},
        {"name": "empty.md", "text": ""},
        {"name": "tool.exe", "text": "MZ"},
        {"name": "huge.md", "text": "x" * 600_000},
    ]
    urls = ["http://127.0.0.1/secret", "file:///etc/passwd"]
    told = call(gateway, "POST", "/admin/documents", collection="mixed", documents=documents, urls=urls).fields
    assert told["added"] == 1
    assert dict(told["problems"]).keys() == {"latin.txt", "empty.md", "tool.exe", "huge.md", *urls}


@pytest.mark.parametrize(
    ("method", "path", "fields", "status", "said"),
    [
        ("POST", "/admin/documents", {"collection": "c"}, 400, "Bring 'documents'"),
        ("POST", "/admin/documents", {"collection": "c", "documents": [{"name": "a.md"}]}, 400, "either 'text' or 'base64'"),
        ("POST", "/admin/documents", {"collection": "c", "documents": [{"name": "a.md", "base64": "!"}]}, 400, "is none"),
        ("POST", "/admin/documents", {"colection": "c"}, 400, "does not fit"),
        ("POST", "/admin/documents", {"collection": "a/b", "documents": [{"name": "a.md", "text": "x"}]}, 409, "cannot name a collection"),
        ("DELETE", "/admin/documents", {"collection": "c"}, 400, "'names'"),
        ("DELETE", "/admin/documents", {"collection": "absent", "all": True}, 404, "has no collection 'absent'"),
        ("POST", "/admin/documents/search", {"collection": "absent", "question": "q"}, 404, "has no collection 'absent'"),
        ("POST", "/admin/documents/reindex", {"collection": "absent"}, 404, "has no collection 'absent'"),
        ("GET", "/admin/documents?collection=absent", {}, 404, "has no collection 'absent'"),
    ],
)
def test_what_is_wrong_is_said(gateway: Gateway, method: str, path: str, fields: dict[str, object], status: int, said: str) -> None:
    answer = call(gateway, method, path, **fields)
    assert answer.status == status
    assert said in answer.fields["error"]["message"]
