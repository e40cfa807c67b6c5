"""The end of a chat completions stream: a chunk with a finish reason, a chunk of usage, `[DONE]`."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from farthing.core.money import format_usd
from farthing.core.usage import Usage
from farthing.wire.openai_chat.answer import render_usage
from farthing.wire.openai_chat.reader import CHUNK, Chunk
from farthing.wire.sse import EventSplitter, encode, event_data
from farthing.wire.tap.base import cost_patch, encode_json, mark, mark_patch, text_fields

TEXT = text_fields("content", "reasoning_content", "reasoning", "refusal", "arguments")

_FINISH = re.compile(rb'"finish_reason":\s*+(?!null)')
_USAGE = re.compile(rb'"usage":\s*+(?!null)')
_DONE = b"data: [DONE]\n\n"
_OPEN_USAGE = b'"usage":{'


class _Identity(msgspec.Struct, gc=False):
    id: str = ""
    created: int = 0
    model: str = ""


def may_end(ready: bytes) -> bool:
    """Inside a JSON string a quote is escaped, so these marks only match field names."""
    if b"[DONE]" in ready or b'"error"' in ready:
        return True
    return _set(ready, b'"finish_reason"', b'"finish_reason":null', b'"finish_reason": null') or _set(
        ready, b'"usage"', b'"usage":null', b'"usage": null'
    )


def first_mark(ready: bytes) -> int:
    places = [ready.find(mark) for mark in (b"[DONE]", b'"error"')]
    if _compact(ready):
        places += (ready.find(b'"finish_reason":"'), ready.find(b'"usage":{'))
    else:
        places += [-1 if found is None else found.start() for found in (_FINISH.search(ready), _USAGE.search(ready))]
    return min((place for place in places if place >= 0), default=0)


def _compact(ready: bytes) -> bool:
    """No white space after the colons of these fields: a plain search finds their values, ten times faster than an expression."""
    finishes = ready.count(b'"finish_reason":null') + ready.count(b'"finish_reason":"')
    usages = ready.count(b'"usage":null') + ready.count(b'"usage":{')
    return finishes == ready.count(b'"finish_reason"') and usages == ready.count(b'"usage"')


def _set(ready: bytes, field: bytes, null: bytes, spaced_null: bytes) -> bool:
    """The field occurs with a value other than null."""
    found = ready.count(field)
    return found > 0 and found != ready.count(null) and found != ready.count(null) + ready.count(spaced_null)


def _chunk(event: bytes) -> Chunk | None:
    payload = event_data(event)
    if payload is None or payload.startswith(b"[DONE]"):
        return None
    try:
        return CHUNK.decode(payload)
    except (ValueError, RecursionError):
        return None


def finishes(event: bytes) -> int:
    chunk = _chunk(event)
    return 0 if chunk is None else sum(choice.finish_reason is not None for choice in chunk.choices or ())


def ends(event: bytes) -> bool:
    """Usage beside a choice is no end: some services count with every chunk."""
    if not event_data(event):
        return False
    chunk = _chunk(event)
    return chunk is None or chunk.error is not None or (chunk.usage is not None and not chunk.choices)


def head(pieces: Sequence[bytes]) -> bytes:
    del pieces
    return b""


def tail(held: bytes, *, wants_usage: bool, cost_usd: Decimal | None, truncated: str | None) -> bytes:
    events = EventSplitter().feed(held)
    if truncated is not None and (last := max((at for at, event in enumerate(events) if finishes(event)), default=None)) is not None:
        events[last] = encode(mark_patch(event_data(events[last]) or b"", truncated))
    if not wants_usage:
        events = [event for event in events if not _only_usage(event)]
    elif cost_usd is not None:
        last = max((at for at, event in enumerate(events) if _counts(event)), default=None)
        if last is not None:
            events[last] = _with_cost(events[last], cost_usd)
    if not any(event.startswith(b"data: [DONE]") for event in events):
        # Some services end without the mark, or without the empty line after it.
        events.append(_DONE)
    return b"".join(events)


def _with_cost(event: bytes, cost_usd: Decimal) -> bytes:
    """The cost first in the usage object where there is just one to be seen, else by the general patch."""
    if event.count(_OPEN_USAGE) == 1 and b'"usage":{}' not in event and b'"cost"' not in event:
        return event.replace(_OPEN_USAGE, _OPEN_USAGE + b'"cost":' + format_usd(cost_usd).encode() + b",")
    return encode(cost_patch(event_data(event) or b"", cost_usd))


def _counts(event: bytes) -> bool:
    chunk = _chunk(event) if b'"usage"' in event else None
    return chunk is not None and chunk.usage is not None


def _only_usage(event: bytes) -> bool:
    chunk = _chunk(event) if b'"usage"' in event else None
    return chunk is not None and chunk.usage is not None and not chunk.choices


def cut(stream: bytes, reason: str, usage: Usage | None) -> bytes:
    identity = _identity(stream)
    out = b""
    if identity is None:
        identity = _Identity("chatcmpl-cut")
        out = _event(identity, [_choice({"role": "assistant", "content": ""}, None)])
    out += _event(identity, [_choice({}, "length")], farthing=mark(reason))
    if usage is not None:
        out += _event(identity, [], usage=render_usage(usage))
    return out + _DONE


def _identity(stream: bytes) -> _Identity | None:
    """Id, date and model of the chunks that went out; `None` when none did."""
    for event in EventSplitter().feed(stream):
        if payload := event_data(event):
            try:
                return msgspec.json.decode(payload, type=_Identity)
            except (ValueError, RecursionError):
                return None
    return None


def _choice(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _event(identity: _Identity, choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {"id": identity.id, "object": "chat.completion.chunk", "created": identity.created, "model": identity.model, "choices": choices}
    return encode(encode_json(chunk | more))
