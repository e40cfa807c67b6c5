"""Events as a chat completions stream, by the rules that clients check.

Role chunk first with empty content (LangChain.js drops tool calls otherwise); one id, created and model throughout; `choices: []` on the usage chunk,
which goes only to clients that asked; `[DONE]` last.
Costs: 0.5 us a text chunk.
"""

from decimal import Decimal
from typing import Any

import msgspec

from farthing.core.conversation import Event, Finish, ReasoningDelta, RefusalDelta, Started, TextDelta, ToolArgsDelta, ToolCallStarted
from farthing.core.usage import Usage
from farthing.wire.openai_chat.answer import render_usage
from farthing.wire.sse import encode
from farthing.wire.usages import cost_number

_ENCODE = msgspec.json.Encoder().encode
DONE = b"data: [DONE]\n\n"


class Writer:
    """One answer to one client."""

    def __init__(self, request_id: str, created: int, *, wants_usage: bool = True) -> None:
        self._id = f"chatcmpl-{request_id}"
        self._created = created
        self._wants_usage = wants_usage
        self._head = b""
        self._calls = 0

    def feed(self, event: Event) -> bytes:
        match event:
            case TextDelta(text):
                return self._delta(b'{"content":' + _ENCODE(text) + b"}")
            case ToolArgsDelta(index, arguments):
                return self._call({"index": index, "function": {"arguments": arguments}})
            case ToolCallStarted(index, call_id, name):
                self._calls += 1
                return self._call({"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}})
            case ReasoningDelta(text):
                return self._delta(b'{"reasoning_content":' + _ENCODE(text) + b"}") if text else b""
            case RefusalDelta(text):
                return self._delta(b'{"refusal":' + _ENCODE(text) + b"}")
            case Started(_, model):
                return self._start(model)
            case _:  # the end is told by `end`, a failure by the caller
                return b""

    def end(self, usage: Usage | None, finish: str | None, cost_usd: Decimal | None, truncated: str | None) -> bytes:
        """Finish chunk, usage chunk where wanted, `[DONE]`."""
        head = b"" if self._head else self._start("")
        reason = finish or (Finish.TOOL_CALLS if self._calls else Finish.STOP)
        note = b"" if truncated is None else b',"farthing":' + _ENCODE({"truncated": True, "reason": truncated})
        last = self._head + b'"choices":[{"index":0,"delta":{},"finish_reason":' + _ENCODE(reason) + b"}]" + note + b"}"
        return head + encode(last) + self._usage(usage, cost_usd) + DONE

    def _usage(self, usage: Usage | None, cost_usd: Decimal | None) -> bytes:
        if usage is None or not self._wants_usage:
            return b""
        fields = render_usage(usage)
        if cost_usd is not None:
            fields["cost"] = cost_number(cost_usd)
        return encode(self._head + b'"choices":[],"usage":' + _ENCODE(fields) + b"}")

    def _start(self, model: str) -> bytes:
        if self._head:
            return b""
        head = _ENCODE({"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": model})
        self._head = head[:-1] + b","
        return self._delta(b'{"role":"assistant","content":""}')

    def _call(self, call: dict[str, Any]) -> bytes:
        return self._delta(b'{"tool_calls":[' + _ENCODE(call) + b"]}")

    def _delta(self, delta: bytes) -> bytes:
        head = b"" if self._head else self._start("")
        return head + b"data: " + self._head + b'"choices":[{"index":0,"delta":' + delta + b',"finish_reason":null}]}\n\n'
