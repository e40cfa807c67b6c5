"""Events as an Anthropic messages stream: `message_start`, blocks one after the other, `message_delta`, `message_stop`.

The input count is known only at the end in other dialects: `message_start` says 0, and `message_delta` says what was counted, which SDKs take over.
Costs: 1.2 us a text delta.
"""

from decimal import Decimal
from typing import Any

import msgspec

from farthing.core.conversation import Event, Finish, ReasoningDelta, RefusalDelta, Started, TextDelta, ToolArgsDelta, ToolCallStarted
from farthing.core.errors import UpstreamBroken
from farthing.core.usage import Usage
from farthing.wire.anthropic_messages.answer import render_usage, stop_reason
from farthing.wire.sse import encode

_ENCODE = msgspec.json.Encoder().encode
_EMPTY: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}


class Writer:
    """One answer to one client. `created` and `wants_usage` are other dialects' concerns: this one always says its usage and never its date."""

    def __init__(self, request_id: str, created: int, *, wants_usage: bool = True) -> None:
        del created, wants_usage
        self._id = f"msg_{request_id}"
        self._started = False
        self._index = -1  # of the newest block
        self._open: str | None = None  # its type while it is open
        self._call = -1  # the tool call that the newest block holds
        self._refused = False

    def feed(self, event: Event) -> bytes:
        match event:
            case TextDelta(text):
                return self._into("text") + self._delta({"type": "text_delta", "text": text})
            case ToolArgsDelta(index, arguments):
                if self._open != "tool_use" or index != self._call:
                    raise UpstreamBroken("The upstream went on with a tool call that it had left already.")
                return self._delta({"type": "input_json_delta", "partial_json": arguments})
            case ToolCallStarted(index, call_id, name):
                self._call = index
                return self._begin({"type": "tool_use", "id": call_id, "name": name, "input": {}})
            case ReasoningDelta():
                return self._note(event)
            case RefusalDelta(text):
                self._refused = True
                return self._into("text") + self._delta({"type": "text_delta", "text": text})
            case Started(_, model):
                return self._start(model)
            case _:  # the end is told by `end`, a failure by the caller
                return b""

    def end(self, usage: Usage | None, finish: str | None, cost_usd: Decimal | None, truncated: str | None) -> bytes:
        """Close the open block, say why and how much, stop."""
        head = self._start("") + self._close()
        reason = stop_reason(Finish.CONTENT_FILTER if self._refused else finish, self._call >= 0)
        fields: dict[str, Any] = {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": render_usage(usage, cost_usd),
        }
        if truncated is not None:
            fields["farthing"] = {"truncated": True, "reason": truncated}
        return head + encode(_ENCODE(fields), "message_delta") + encode(b'{"type":"message_stop"}', "message_stop")

    def _start(self, model: str) -> bytes:
        if self._started:
            return b""
        self._started = True
        message = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": (),
            "stop_reason": None,
            "stop_sequence": None,
            "usage": render_usage(None),
        }
        return encode(_ENCODE({"type": "message_start", "message": message}), "message_start")

    def _note(self, event: ReasoningDelta) -> bytes:
        if event.redacted:
            return self._begin({"type": "redacted_thinking", "data": event.signature or ""}) + self._close()
        written = b""
        if event.text:
            written = self._into("thinking") + self._delta({"type": "thinking_delta", "thinking": event.text})
        if event.signature is not None:
            written += self._into("thinking") + self._delta({"type": "signature_delta", "signature": event.signature}) + self._close()
        return written

    def _into(self, kind: str) -> bytes:
        return b"" if self._open == kind else self._begin(_EMPTY[kind])

    def _begin(self, block: dict[str, Any]) -> bytes:
        head = self._start("") + self._close()
        self._index += 1
        self._open = block["type"]
        return head + encode(_ENCODE({"type": "content_block_start", "index": self._index, "content_block": block}), "content_block_start")

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return encode(_ENCODE({"type": "content_block_stop", "index": self._index}), "content_block_stop")

    def _delta(self, delta: dict[str, str]) -> bytes:
        return encode(_ENCODE({"type": "content_block_delta", "index": self._index, "delta": delta}), "content_block_delta")
