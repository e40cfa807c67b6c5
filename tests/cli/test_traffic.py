"""Sample traffic against a small HTTP server: everything is sent once, failures are counted by code."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from farthing.cli.traffic import Sample, samples, send_all

ERRORS = {"refuse": (429, {"error": {"code": "budget_exceeded"}}), "garble": (500, "no json"), "nameless": (503, {"error": {}})}


class Listener(ThreadingHTTPServer):
    """Answers 200, or what the content of the message asks for; keeps what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, str], Any]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        status, answer = ERRORS.get(body["messages"][0]["content"], (200, {"choices": []}))
        text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _asking(content: str, **headers: str) -> Sample:
    body = {"model": "farthing/auto", "messages": [{"role": "user", "content": content}]}
    return Sample(body=msgspec.Raw(json.dumps(body).encode()), headers=headers)


def test_each_request_is_sent_once_as_it_stands(listener: Listener) -> None:
    requests = [_asking(f"question {number}", **{"x-farthing-run": f"run_{number}"}) for number in range(50)]
    sent = send_all(listener.server_address[1], requests, callers=4, console=Console(file=io.StringIO()))
    assert (sent.answered, dict(sent.failed)) == (50, {})
    assert sorted(body["messages"][0]["content"] for _, _, body in listener.got) == sorted(f"question {number}" for number in range(50))
    path, headers, _ = listener.got[0]
    assert path == "/v1/chat/completions"
    assert (headers["content-type"], headers["authorization"]) == ("application/json", "Bearer unused")
    assert headers["x-farthing-run"].startswith("run_")


def test_failures_are_counted_by_code(listener: Listener) -> None:
    requests = [_asking(content) for content in ("refuse", "refuse", "garble", "nameless", "fine")]
    sent = send_all(listener.server_address[1], requests, callers=2, console=Console(file=io.StringIO()))
    assert (sent.answered, dict(sent.failed)) == (1, {"budget_exceeded": 2, "500": 1, "503": 1})


def test_nobody_there_is_a_failure_not_a_hang() -> None:
    sent = send_all(9, [_asking("hello")], callers=1, console=Console(file=io.StringIO()))
    assert (sent.answered, dict(sent.failed)) == (0, {"ConnectionRefusedError": 1})


def test_samples_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    path.write_text('{"body": {"model": "a"}}\n\n{"body": {"model": "b"}, "headers": {"x-farthing-endpoint": "faq"}, "path": "/v1/responses"}\n')
    first, second = samples(path)
    assert (bytes(first.body), first.headers, first.path) == (b'{"model": "a"}', {}, "/v1/chat/completions")
    assert (second.headers, second.path) == ({"x-farthing-endpoint": "faq"}, "/v1/responses")
