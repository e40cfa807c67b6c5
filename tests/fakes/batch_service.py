"""A provider with batches: OpenAI's /files and /batches beside the models of `FakeUpstream`. Nothing is done before `work_off`."""

import json
from email import message_from_bytes
from typing import Any

from tests.fakes import openai_service
from tests.fakes.loopback import Received, Responder
from tests.fakes.script import plan
from tests.fakes.upstream import FakeUpstream, read_ask, whole_of


class FakeBatchProvider(FakeUpstream):
    """`refuses`: answers every order with 429. `loses_order`: takes the order and hangs up before it says so, once. `mute`: never answers a
    cancellation.
    """

    def __init__(self, key: str | None = None) -> None:
        super().__init__(key)
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.refuses = False
        self.loses_order = False
        self.mute = False

    async def _handle(self, received: Received, out: Responder) -> None:
        if not received.path.startswith(("/v1/files", "/v1/batches")) or not self._admits(received):
            await super()._handle(received, out)
            return
        what, _, rest = received.path.removeprefix("/v1/").partition("/")
        if what == "files":
            self._files(received, rest, out)
        else:
            self._batches(received, rest, out)

    def _files(self, received: Received, rest: str, out: Responder) -> None:
        if received.method == "POST":
            form = message_from_bytes(f"content-type: {received.header('content-type')}\r\n\r\n".encode() + received.body)
            fields = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in form.get_payload()}
            assert fields["purpose"] == b"batch"
            name = f"file-{len(self.files)}"
            self.files[name] = fields["file"]
            _json(out, {"id": name, "object": "file", "bytes": len(fields["file"]), "purpose": "batch"})
        elif rest.endswith("/content"):
            out.whole(200, self.files[rest.removesuffix("/content")], {"content-type": "application/octet-stream"})

    def _batches(self, received: Received, rest: str, out: Responder) -> None:
        if received.method == "GET":
            if rest:
                _json(out, self.batches[rest]) if rest in self.batches else out.whole(404, openai_service.error(404, "No such batch"))
            else:
                _json(out, {"object": "list", "data": [*self.batches.values()]})
        elif rest.endswith("/cancel"):
            order = self.batches[rest.removesuffix("/cancel")]
            order["status"] = "cancelling"
            if not self.mute:
                _json(out, order)
        elif self.refuses:
            out.whole(429, openai_service.error(429, "Enqueued token limit reached"))
        else:
            name = f"batch_{len(self.batches)}"
            order = {**received.fields, "id": name, "object": "batch", "status": "in_progress", "output_file_id": None, "error_file_id": None}
            self.batches[name] = order
            if self.loses_order:
                self.loses_order = False
                out.abort()
            else:
                _json(out, order)

    def orders(self) -> list[dict[str, Any]]:
        with self.changed:
            return [dict(batch) for batch in self.batches.values()]

    def requests_of(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[self.batches[name]["input_file_id"]].splitlines()]

    def work_off(self, name: str, *, leave: int = 0, status: str = "completed") -> None:
        """Answer all requests of a batch but the last `leave`."""
        good, bad = [], []
        asked = self.requests_of(name)
        for number, one in enumerate(asked[: len(asked) - leave]):
            ask = read_ask(one["url"], one["body"])
            planned = plan(ask)
            if planned.fail:
                body = json.loads(openai_service.error(planned.fail, f"scripted {planned.fail}"))
                bad.append(_line(number, one, planned.fail, body))
            else:
                good.append(_line(number, one, 200, json.loads(whole_of(one["url"], ask, planned, one["body"], number))))
        with self.changed:
            for kind, lines in (("output", good), ("error", bad)):
                if lines:
                    self.files[f"{kind}-{name}"] = "\n".join(map(json.dumps, lines)).encode()
                    self.batches[name][f"{kind}_file_id"] = f"{kind}-{name}"
            self.batches[name]["status"] = status


def _line(number: int, asked: dict[str, Any], status: int, body: Any) -> dict[str, Any]:
    response = {"status_code": status, "request_id": f"req_{number}", "body": body}
    return {"id": f"batch_req_{number}", "custom_id": asked["custom_id"], "response": response, "error": None}


def _json(out: Responder, value: Any) -> None:
    out.whole(200, json.dumps(value).encode())
