"""The end of an OpenAI responses stream: `response.completed`, `.incomplete` or `.failed`, which repeat the whole answer."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from farthing.core.usage import Usage
from farthing.wire.openai_responses.answer import render_usage, text_part
from farthing.wire.openai_responses.writer import Writer
from farthing.wire.patch import patch
from farthing.wire.sse import EventSplitter, encode, event_data
from farthing.wire.tap.base import EndEvents, cost_patch, encode_json, mark, mark_patch, no_choice_ends, text_fields

TEXT = text_fields("delta")


class _Typed(msgspec.Struct, gc=False):
    type: str = ""
    sequence_number: int = -1
    output_index: int = 0
    content_index: int = 0
    delta: Any = None
    item: dict[str, Any] | None = None
    response: dict[str, Any] | None = None


_END = EndEvents(_Typed, "response.completed", "response.incomplete", "response.failed", "error")
may_end, first_mark, finishes, _typed = _END.may_end, _END.first_mark, no_choice_ends, _END.read


def ends(event: bytes) -> bool:
    return _typed(event).type in _END.types


def head(pieces: Sequence[bytes]) -> bytes:
    del pieces
    return b""


def tail(held: bytes, *, wants_usage: bool, cost_usd: Decimal | None, truncated: str | None) -> bytes:
    del wants_usage  # this dialect always says it
    if cost_usd is None and truncated is None:
        return held
    splitter = EventSplitter()
    events = splitter.feed(held)
    return b"".join(_told(event, cost_usd, truncated) for event in events) + splitter.rest


class _Whole(msgspec.Struct, gc=False):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw()


def _told(event: bytes, cost_usd: Decimal | None, truncated: str | None) -> bytes:
    """The event with the cost in its usage, and why the answer is cut."""
    kind = _typed(event).type
    payload = event_data(event)
    if payload is None or not kind.startswith("response."):
        return event
    response = bytes(msgspec.json.decode(payload, type=_Whole).response)
    if not response.startswith(b"{"):
        return event
    response = response if cost_usd is None else cost_patch(response, cost_usd)
    response = response if truncated is None else mark_patch(response, truncated)
    return encode(patch(payload, {"response": response}), kind)


class _Seen:
    """What went out before the cut: the response as it began, its finished items, and the message in the making."""

    def __init__(self, stream: bytes) -> None:
        self.sequence = 0
        self.response: dict[str, Any] | None = None
        self.items: list[dict[str, Any]] = []
        self.open: dict[str, Any] | None = None
        self.output_index = 0
        self.content_index: int | None = None
        self.text = ""
        for event in EventSplitter().feed(stream):
            self._see(_typed(event))

    def _see(self, event: _Typed) -> None:
        self.sequence = max(self.sequence, event.sequence_number + 1)
        if event.response is not None:
            self.response = event.response
        match event.type:
            case "response.output_item.added":
                self.open, self.output_index, self.content_index, self.text = event.item, event.output_index, None, ""
            case "response.content_part.added":
                self.content_index, self.text = event.content_index, ""
            case "response.output_text.delta" if isinstance(event.delta, str):
                self.text += event.delta
            case "response.output_item.done" if event.item is not None:
                self.items.append(event.item)
                self.open = None
            case _:
                pass


def cut(stream: bytes, reason: str, usage: Usage | None) -> bytes:
    """Close the message in the making, then `response.incomplete`. A tool call in the making is left out: nobody could run half of one."""
    seen = _Seen(stream)
    if seen.response is None:
        return Writer("cut", 0).end(usage, "length", None, reason)
    out = _closing(seen)
    ended: dict[str, Any] = seen.response | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "farthing": mark(reason)}
    ended |= {"output": seen.items} | ({} if usage is None else {"usage": render_usage(usage)})
    return out + _event(seen, "response.incomplete", response=ended)


def _closing(seen: _Seen) -> bytes:
    item = seen.open
    if item is None or item.get("type") != "message" or seen.content_index is None:
        return b""
    part = text_part(seen.text)
    place = {"item_id": item.get("id", ""), "output_index": seen.output_index, "content_index": seen.content_index}
    out = _event(seen, "response.output_text.done", **place, text=seen.text, logprobs=())
    out += _event(seen, "response.content_part.done", **place, part=part)
    whole = item | {"status": "incomplete", "content": [part]}
    seen.items.append(whole)
    return out + _event(seen, "response.output_item.done", output_index=seen.output_index, item=whole)


def _event(seen: _Seen, kind: str, **fields: Any) -> bytes:
    seen.sequence += 1
    return encode(encode_json({"type": kind, "sequence_number": seen.sequence - 1} | fields), kind)
