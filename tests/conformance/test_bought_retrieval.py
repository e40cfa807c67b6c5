"""What retrieval may buy, from the outside: a hosted reranker and a question written out by the cheap tier, both in the request's cost."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, upstream_config
from tests.fakes.http_client import chat, post
from tests.fakes.upstream import FakeUpstream

BOUGHT = """
[services.judge]
base_url = "http://127.0.0.1:{port}/v2"

[endpoints.policies]
collection = "policies"
temperature = 0.0
collection_tokens = 40

[retrieve]
rewrite = true
rerank = "judge/one"
rerank_usd = 0.002
"""
TEXTS = {"returns": "# Returns\n\nGoods may be returned within 30 days.", "plums": "# Plums\n\nPlums may be returned within 2 days of purchase."}


class Judge(BaseHTTPRequestHandler):
    """Prefers plums; fails when told so."""

    broken = False

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        results = [{"index": place, "relevance_score": 0.9 if "Plums" in text else 0.1} for place, text in enumerate(asked["documents"])]
        body = json.dumps({"results": results}).encode()
        self.send_response(500 if self.broken else 200)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written down."""


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[Gateway]:
    judge = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    thread = threading.Thread(target=judge.serve_forever)
    thread.start()
    config = upstream_config(upstream.base_url, BOUGHT.format(port=judge.server_port))
    try:
        with Gateway(config, env=UPSTREAM_ENV) as started:
            documents = [{"name": f"{name}.md", "text": text} for name, text in TEXTS.items()]
            assert asyncio.run(post(started.port, "/admin/documents", {"collection": "policies", "documents": documents})).status == 200
            yield started
    finally:
        judge.shutdown()
        thread.join()
        judge.server_close()


def ask(gateway: Gateway, *said: str) -> dict[str, object]:
    """The row of a conversation's last question; what the assistant said stands between what the user did."""
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    answer = asyncio.run(post(gateway.port, "/v1/chat/completions", chat("") | {"messages": messages}, {"x-farthing-endpoint": "policies"}))
    assert answer.status == 200
    return gateway.rows(request_id=answer.headers["x-request-id"])[0]


def decisions(row: dict[str, object]) -> list[str]:
    return [one["action"] for one in json.loads(str(row["decisions"])) if one["lever"] == "retrieve"]


def purposes(row: dict[str, object]) -> list[str]:
    return [one["purpose"] for one in json.loads(str(row["attempts"]))]


def test_a_hosted_reranker_decides_and_its_call_is_paid_for(gateway: Gateway) -> None:
    row = ask(gateway, "within how many days may things be returned?")
    assert json.loads(str(row["sources"]))[0].startswith("policies/plums.md")
    assert purposes(row) == ["rerank", "answer"]
    assert json.loads(str(row["account"]))["extra"]["rerank"] == 2_000_000_000
    assert row["cost_picousd"] > 2_000_000_000  # type: ignore[operator]


def test_where_it_fails_the_local_ranking_holds(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "broken", True)
    row = ask(gateway, "within how many days may goods be brought back and returned?")
    assert decisions(row)[0] == "not_reranked"
    assert "rerank" not in json.loads(str(row["account"])).get("extra", {})


def test_the_last_question_of_a_conversation_is_written_out_by_the_cheap_tier(gateway: Gateway, upstream: FakeUpstream) -> None:
    upstream.forget()
    row = ask(gateway, "may plums be returned?", "They may.", "and until when at the latest?")
    assert purposes(row) == ["rewrite", "rerank", "answer"]
    assert b"stands alone" in upstream.calls()[0].body
    assert decisions(row)[0] == "rewritten"
    assert json.loads(str(row["account"]))["extra"]["rewrite"] > 0
