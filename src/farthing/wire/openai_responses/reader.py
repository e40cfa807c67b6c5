"""A responses stream as events.

Costs: 3.5 us an event.
"""

from typing import Any

import msgspec

from farthing.core.conversation import (
    Counted,
    Event,
    Failed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    Stopped,
    TextDelta,
    ToolArgsDelta,
    ToolCallStarted,
)
from farthing.wire.broken import broken, refused
from farthing.wire.openai_responses.answer import Incomplete, Item, parse_finish
from farthing.wire.sse import MAX_EVENT_BYTES, EventSplitter, event_data
from farthing.wire.usages import ResponsesUsage


class _Untyped(msgspec.Struct, gc=False):
    type: str


class Head(msgspec.Struct, gc=False):
    """The response as far as a stream's reader needs it: its output has come in pieces already."""

    id: str = ""
    model: str = ""
    status: str | None = None
    error: Any = None
    incomplete_details: Incomplete | None = None
    output: list[_Untyped] | None = None
    usage: ResponsesUsage | None = None


class StreamEvent(msgspec.Struct, gc=False):
    type: str
    delta: str | None = None
    output_index: int = 0
    item: Item | None = None
    response: Head | None = None


EVENT = msgspec.json.Decoder(StreamEvent)
TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


_UNTYPED = msgspec.json.Decoder(_Untyped)
_TEXT_ITEMS = frozenset({"message", "reasoning", "function_call"})


class Reader:
    """Feed it bytes cut anywhere. Raises `UpstreamBroken` for what is no event of this dialect."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._splitter = EventSplitter(max_event_bytes)
        self._calls: dict[int, int] = {}  # output index -> number of the call
        self._bare: set[int] = set()  # calls without arguments so far
        self._started = False
        self.ended = False
        self.choices = 1

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for raw in self._splitter.feed(data):
            payload = event_data(raw)
            if payload and not self.ended and payload != b"[DONE]":
                self._read(payload, events)
        return events

    def end(self) -> list[Event]:
        """The upstream closed. Some leave out the empty line after the last event."""
        return self.feed(b"\n\n") if not self.ended and b'"response.completed"' in self._splitter.rest else []

    def _read(self, payload: bytes, events: list[Event]) -> None:
        try:
            event = EVENT.decode(payload)
        except (ValueError, RecursionError):
            self._unread(payload)
            return
        match event.type:
            case "response.output_text.delta":
                events.append(TextDelta(event.delta or ""))
            case "response.function_call_arguments.delta":
                self._arguments(event.output_index, event.delta, events)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                events.append(ReasoningDelta(event.delta or ""))
            case "response.refusal.delta":
                events.append(RefusalDelta(event.delta or ""))
            case "response.output_item.added":
                self._added(event, payload, events)
            case "response.output_item.done":
                self._done(event, events)
            case "response.created":
                head = event.response or Head()
                self._started = True
                events.append(Started(head.id, head.model))
            case "error":
                events.append(Failed(refused(payload) or broken(payload)))
            case kind if kind in TERMINAL:
                self._terminal(event, payload, events)
            case _:  # progress and "done" events repeat what the deltas said
                pass

    def _unread(self, payload: bytes) -> None:
        """Events of kinds that we do not read may hold anything, as long as they are events."""
        try:
            if not _UNTYPED.decode(payload).type.startswith(("response.output_", "response.function_", "response.c")):
                return
        except (ValueError, RecursionError):
            pass
        raise refused(payload) or broken(payload, "an event of the responses dialect")

    def _arguments(self, output_index: int, delta: str | None, events: list[Event]) -> None:
        if delta and output_index in self._calls:
            self._bare.discard(output_index)
            events.append(ToolArgsDelta(self._calls[output_index], delta))

    def _added(self, event: StreamEvent, payload: bytes, events: list[Event]) -> None:
        item = event.item or Item("")
        if item.type not in _TEXT_ITEMS:
            raise broken(payload, f"a translatable answer (it holds an item of type '{item.type}')")
        if item.type == "function_call":
            self._calls[event.output_index] = len(self._calls)
            self._bare.add(event.output_index)
            events.append(ToolCallStarted(self._calls[event.output_index], item.call_id or item.id or "", item.name or ""))
            self._arguments(event.output_index, item.arguments, events)

    def _done(self, event: StreamEvent, events: list[Event]) -> None:
        item = event.item or Item("")
        if item.type == "function_call" and event.output_index in self._bare:
            self._arguments(event.output_index, item.arguments, events)
        elif item.type == "reasoning" and item.encrypted_content:
            events.append(ReasoningDelta("", item.encrypted_content))

    def _terminal(self, event: StreamEvent, payload: bytes, events: list[Event]) -> None:
        head = event.response or Head()
        if event.type == "response.failed":
            events.append(Failed(refused(msgspec.json.encode({"error": head.error})) or broken(payload)))
            return
        has_calls = bool(self._calls) or any(item.type == "function_call" for item in head.output or ())
        finish = parse_finish(event.type.removeprefix("response."), head.incomplete_details, has_calls)
        if finish is not None:
            events.append(Stopped(finish))
        if not self._started:
            events.insert(0, Started(head.id, head.model))
        if head.usage is not None and (usage := head.usage.neutral()) is not None:
            events.append(Counted(usage))
        self.ended = True
