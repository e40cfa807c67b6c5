"""The end of an OpenAI responses stream: `response.completed`, `.incomplete` or `.failed`, which repeat the whole answer."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from farthing.core.usage import Usage
from farthing.wire.sse import EventSplitter, encode, event_data
from farthing.wire.tap.base import encode_json, mark

_ENDS = ("response.completed", "response.incomplete", "response.failed", "error")
_MARKS = tuple(f'"{name}"'.encode() for name in _ENDS)


class _Typed(msgspec.Struct, gc=False):
    type: str = ""
    sequence_number: int = -1
    delta: Any = None
    response: dict[str, Any] | None = None


def may_end(ready: bytes) -> bool:
    return any(found in ready for found in _MARKS)


def _typed(event: bytes) -> _Typed:
    payload = event_data(event)
    if payload is None:
        return _Typed()
    try:
        return msgspec.json.decode(payload, type=_Typed)
    except (ValueError, RecursionError):
        return _Typed()


def finishes(event: bytes) -> int:
    del event
    return 0


def ends(event: bytes) -> bool:
    return _typed(event).type in _ENDS


def head(pieces: Sequence[bytes]) -> bytes:
    del pieces
    return b""


def tail(held: bytes, *, wants_usage: bool, cost_usd: Decimal | None) -> bytes:
    del wants_usage, cost_usd
    return held


def cut(stream: bytes, reason: str, usage: Usage | None) -> bytes:
    del usage
    last, text = -1, ""
    response: dict[str, Any] = {"id": "resp_cut", "object": "response", "output": []}
    for event in EventSplitter().feed(stream):
        typed = _typed(event)
        last = max(last, typed.sequence_number)
        if typed.response is not None:
            response = typed.response
        if typed.type == "response.output_text.delta" and isinstance(typed.delta, str):
            text += typed.delta
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "id": f"msg_{response['id']}", "role": "assistant", "status": "incomplete", "content": content}
    ended = response | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [message], "farthing": mark(reason)}
    return encode(encode_json({"type": "response.incomplete", "sequence_number": last + 1, "response": ended}), "response.incomplete")
