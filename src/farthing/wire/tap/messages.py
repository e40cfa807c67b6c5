"""The end of an Anthropic messages stream: `message_delta` with stop reason and usage, `message_stop`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from farthing.core.usage import Usage
from farthing.wire.sse import EventSplitter, encode, event_data
from farthing.wire.tap.base import EndEvents, cost_patch, encode_json, mark, mark_patch, no_choice_ends, text_fields

TEXT = text_fields("text", "partial_json", "thinking")

_HEAD_EVENTS = 3


class _Typed(msgspec.Struct, gc=False):
    type: str = ""
    index: int | None = None


_END = EndEvents(_Typed, "message_delta", "message_stop", "error")
may_end, first_mark, finishes, _typed = _END.may_end, _END.first_mark, no_choice_ends, _END.read


def ends(event: bytes) -> bool:
    return _typed(event).type in _END.types


def head(pieces: Sequence[bytes]) -> bytes:
    """`message_start`, which alone holds the input tokens; a ping may stand before it."""
    splitter = EventSplitter()
    events: list[bytes] = []
    for piece in pieces:
        events += splitter.feed(piece)
        if len(events) >= _HEAD_EVENTS:
            break
    return b"".join(event for event in events[:_HEAD_EVENTS] if _typed(event).type == "message_start")


def tail(held: bytes, *, wants_usage: bool, cost_usd: Decimal | None, truncated: str | None) -> bytes:
    del wants_usage  # this dialect always says it
    events = EventSplitter().feed(held)
    kinds = [_typed(event).type for event in events]
    if "message_delta" in kinds and not (cost_usd is None and truncated is None):
        at = len(kinds) - 1 - kinds[::-1].index("message_delta")
        payload = event_data(events[at]) or b""
        payload = payload if cost_usd is None else cost_patch(payload, cost_usd)
        events[at] = encode(payload if truncated is None else mark_patch(payload, truncated), "message_delta")
    if "message_delta" in kinds and "message_stop" not in kinds and "error" not in kinds:
        events.append(_event("message_stop"))
    return b"".join(events)


def cut(stream: bytes, reason: str, usage: Usage | None) -> bytes:
    open_block: int | None = None
    started = False
    for event in EventSplitter().feed(stream):
        typed = _typed(event)
        started = started or typed.type == "message_start"
        if typed.type == "content_block_start":
            open_block = typed.index
        elif typed.type == "content_block_stop":
            open_block = None
    out = b"" if started else _event("message_start", message=_empty_message())
    if open_block is not None:
        out += _event("content_block_stop", index=open_block)
    counted = {"output_tokens": usage.output_tokens if usage is not None else 0}
    out += _event("message_delta", delta={"stop_reason": "max_tokens", "stop_sequence": None}, usage=counted, farthing=mark(reason))
    return out + _event("message_stop")


def _empty_message() -> dict[str, Any]:
    usage = {"input_tokens": 0, "output_tokens": 0}
    return {"id": "msg_cut", "type": "message", "role": "assistant", "model": "", "content": [], "stop_reason": None, "usage": usage}


def _event(name: str, **fields: Any) -> bytes:
    return encode(encode_json({"type": name} | fields), name)
