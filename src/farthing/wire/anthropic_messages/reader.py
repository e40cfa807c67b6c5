"""An Anthropic messages stream as events.

Costs: 2.5 us an event.
"""

import msgspec

from farthing.core.conversation import Counted, Event, Failed, ReasoningDelta, Started, Stopped, TextDelta, ToolArgsDelta, ToolCallStarted
from farthing.wire.anthropic_messages.answer import Block, parse_finish
from farthing.wire.broken import broken, refused
from farthing.wire.sse import MAX_EVENT_BYTES, EventSplitter, event_data
from farthing.wire.usages import MessagesUsage


class Head(msgspec.Struct, gc=False):
    id: str = ""
    model: str = ""
    usage: MessagesUsage | None = None


class Delta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class StreamEvent(msgspec.Struct, gc=False):
    type: str
    index: int = 0
    message: Head | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: MessagesUsage | None = None


EVENT = msgspec.json.Decoder(StreamEvent)


class Reader:
    """Feed it bytes cut anywhere. Raises `UpstreamBroken` for what is no event of this dialect."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._splitter = EventSplitter(max_event_bytes)
        self._usage: MessagesUsage | None = None
        self._calls = 0
        self._bare = False  # the open block is a tool call without arguments so far
        self.ended = False
        self.choices = 1

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for raw in self._splitter.feed(data):
            payload = event_data(raw)
            if payload and not self.ended:
                self._read(payload, events)
        return events

    def end(self) -> list[Event]:
        """The upstream closed. Some leave out the empty line after the last event."""
        if not self.ended and b'"message_stop"' in self._splitter.rest:
            return self.feed(b"\n\n")
        return []

    def _read(self, payload: bytes, events: list[Event]) -> None:
        try:
            event = EVENT.decode(payload)
        except (ValueError, RecursionError):
            raise refused(payload) or broken(payload, "an event of the messages dialect") from None
        match event.type:
            case "content_block_delta":
                self._delta(event.delta or Delta(), events)
            case "content_block_start":
                self._block(event.content_block or Block(""), payload, events)
            case "content_block_stop":
                if self._bare:
                    events.append(ToolArgsDelta(self._calls - 1, "{}"))
                self._bare = False
            case "message_start":
                message = event.message or Head()
                events.append(Started(message.id, message.model))
                self._usage = message.usage
            case "message_delta":
                self._stopping(event, events)
            case "message_stop":
                self.ended = True
            case "error":
                events.append(Failed(refused(payload) or broken(payload)))
            case _:  # ping, and events that are not invented yet
                pass

    def _block(self, block: Block, payload: bytes, events: list[Event]) -> None:
        match block.type:
            case "tool_use":
                events.append(ToolCallStarted(self._calls, block.id or "", block.name or ""))
                self._calls += 1
                self._bare = (given := bytes(block.input)) in (b"{}", b"")
                if not self._bare:
                    events.append(ToolArgsDelta(self._calls - 1, given.decode()))
            case "text":
                if block.text:
                    events.append(TextDelta(block.text))
            case "thinking":
                if block.thinking:
                    events.append(ReasoningDelta(block.thinking))
            case "redacted_thinking":
                events.append(ReasoningDelta("", block.data or "", redacted=True))
            case _:
                raise broken(payload, f"a translatable answer (it holds a block of type '{block.type}')")

    def _delta(self, delta: Delta, events: list[Event]) -> None:
        if delta.text:
            events.append(TextDelta(delta.text))
        elif delta.partial_json:
            self._bare = False
            events.append(ToolArgsDelta(self._calls - 1, delta.partial_json))
        elif delta.thinking:
            events.append(ReasoningDelta(delta.thinking))
        elif delta.signature:
            events.append(ReasoningDelta("", delta.signature))

    def _stopping(self, event: StreamEvent, events: list[Event]) -> None:
        finish = parse_finish(event.delta.stop_reason if event.delta else None)
        if finish is not None:
            events.append(Stopped(finish))
        if event.usage is not None:
            self._usage = event.usage.over(self._usage)
            if (usage := self._usage.neutral()) is not None:
                events.append(Counted(usage))
