"""A provider with Anthropic's Message Batches beside its messages. Nothing is done before `work_off`."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.fakes import anthropic_service
from tests.fakes.loopback import Received, Responder
from tests.fakes.script import plan
from tests.fakes.upstream import FakeUpstream, read_ask

PATH = "/v1/messages/batches"


class FakeMessageBatches(FakeUpstream):
    """`refuses`: answers every order with 429. `loses_order`: takes the order and hangs up before it says so, once."""

    def __init__(self, key: str | None = None) -> None:
        super().__init__(key)
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, list[dict[str, Any]]] = {}
        self.results: dict[str, bytes] = {}
        self.refuses = False
        self.loses_order = False

    async def _handle(self, received: Received, out: Responder) -> None:
        if not received.path.startswith(PATH) or not self._admits(received):
            await super()._handle(received, out)
        elif received.header("anthropic-version") is None:
            out.whole(400, anthropic_service.error(400, "anthropic-version: header is required"))
        elif received.method == "POST":
            self._post(received, received.path.removeprefix(PATH).strip("/"), out)
        else:
            self._get(received.path.removeprefix(PATH).strip("/"), out)

    def _post(self, received: Received, rest: str, out: Responder) -> None:
        if rest.endswith("/cancel"):
            self.batches[rest.removesuffix("/cancel")]["processing_status"] = "canceling"
            _json(out, self.batches[rest.removesuffix("/cancel")])
        elif self.refuses:
            out.whole(429, anthropic_service.error(429, "Too many batches in processing"))
        else:
            requests = received.fields["requests"]
            assert len({one["custom_id"] for one in requests}) == len(requests)
            assert all(0 < len(one["custom_id"]) <= 64 for one in requests)
            name = f"msgbatch_{len(self.batches)}"
            self.asked[name] = requests
            now = datetime.now(UTC).isoformat()
            self.batches[name] = {"id": name, "type": "message_batch", "processing_status": "in_progress", "created_at": now, "results_url": None}
            if self.loses_order:
                self.loses_order = False
                out.abort()
            else:
                _json(out, self.batches[name])

    def _get(self, rest: str, out: Responder) -> None:
        name, _, results = rest.partition("/")
        if not name:
            _json(out, {"data": [*self.batches.values()], "has_more": False})
        elif name not in self.batches:
            out.whole(404, anthropic_service.error(404, "Not found"))
        elif results:
            out.whole(200, self.results[name], {"content-type": "application/x-jsonl"})
        else:
            _json(out, self.batches[name])

    def orders(self) -> list[dict[str, Any]]:
        with self.changed:
            return [dict(batch) for batch in self.batches.values()]

    def work_off(self, name: str, *, leave: int = 0, left: str = "expired") -> None:
        """Answer all requests of a batch but the last `leave`."""
        asked = self.asked[name]
        lines = [_line(one["custom_id"], _result(one["params"], number)) for number, one in enumerate(asked[: len(asked) - leave])]
        lines += [_line(one["custom_id"], {"type": left}) for one in asked[len(asked) - leave :]]
        with self.changed:
            self.results[name] = "\n".join(reversed(lines)).encode()  # results come in any order
            self.batches[name] |= {"processing_status": "ended", "results_url": f"http://elsewhere.invalid{PATH}/{name}/results"}


def _result(params: dict[str, Any], number: int) -> dict[str, Any]:
    complaint = anthropic_service.complaint(params)
    ask = read_ask("/v1/messages", params)
    planned = plan(ask)
    if complaint is not None or planned.fail:
        return {"type": "errored", "error": json.loads(complaint or anthropic_service.error(planned.fail or 500, "scripted"))}
    return {"type": "succeeded", "message": json.loads(anthropic_service.whole_message(ask, planned, number))}


def _line(custom_id: str, result: dict[str, Any]) -> str:
    return json.dumps({"custom_id": custom_id, "result": result})


def _json(out: Responder, value: Any) -> None:
    out.whole(200, json.dumps(value).encode())
