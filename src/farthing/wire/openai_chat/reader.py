"""A chat completions stream as events.

Reads choice 0. Tool calls are numbered in order of appearance, because some services give every call index 0 or none.
Costs: 2 us a chunk.
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
from farthing.wire.openai_chat.answer import parse_finish
from farthing.wire.sse import MAX_EVENT_BYTES, EventSplitter, event_data
from farthing.wire.usages import ChatUsage, Timings


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class CallDelta(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[CallDelta] | None = None


class Choice(msgspec.Struct, gc=False):
    delta: Delta | None = None
    finish_reason: str | None = None
    index: int = 0


class Chunk(msgspec.Struct, gc=False):
    choices: list[Choice] | None = None
    id: str | None = None
    model: str | None = None
    usage: ChatUsage | None = None
    timings: Timings | None = None
    error: Any = None


CHUNK = msgspec.json.Decoder(Chunk)


class Reader:
    """Feed it bytes cut anywhere. Raises `UpstreamBroken` for what is no chunk."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._splitter = EventSplitter(max_event_bytes)
        self._started = False
        self._calls: list[tuple[int, str | None]] = []  # index and id as the upstream gave them
        self._timings: Timings | None = None
        self.ended = False
        self.choices = 0  # the highest number of choices seen

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for raw in self._splitter.feed(data):
            payload = event_data(raw)
            if payload and not self.ended:
                self._read(payload, events)
        return events

    def end(self) -> list[Event]:
        """The upstream closed. Some leave out the empty line after the last event."""
        if self._splitter.rest.strip() == b"data: [DONE]":
            self.ended = True
        return []

    def _read(self, payload: bytes, events: list[Event]) -> None:
        if payload.startswith(b"[DONE]"):
            self.ended = True
            return
        try:
            chunk = CHUNK.decode(payload)
        except (ValueError, RecursionError):
            raise refused(payload) or broken(payload, "a chat completion chunk") from None
        if chunk.error is not None and (error := refused(payload)) is not None:
            events.append(Failed(error))
            return
        if not self._started and (chunk.id or chunk.choices):
            self._started = True
            events.append(Started(chunk.id or "", chunk.model or ""))
        for choice in chunk.choices or ():
            self.choices = max(self.choices, choice.index + 1)
            if choice.index == 0:
                self._choice(choice, events)
        self._timings = chunk.timings or self._timings
        if chunk.usage is not None and (usage := chunk.usage.neutral(self._timings)) is not None:
            events.append(Counted(usage))

    def _choice(self, choice: Choice, events: list[Event]) -> None:
        delta = choice.delta
        if delta is not None:
            if notes := delta.reasoning_content or delta.reasoning:
                events.append(ReasoningDelta(notes))
            if delta.content:
                events.append(TextDelta(delta.content))
            if delta.refusal:
                events.append(RefusalDelta(delta.refusal))
            for call in delta.tool_calls or ():
                self._call(call, events)
        if (finish := parse_finish(choice.finish_reason)) is not None:
            events.append(Stopped(finish))

    def _call(self, call: CallDelta, events: list[Event]) -> None:
        function = call.function or Function()
        at = self._position(call)
        if at is None:
            at = len(self._calls)
            self._calls.append((call.index or 0, call.id))
            events.append(ToolCallStarted(at, call.id or f"call_{at}", function.name or ""))
        if function.arguments:
            events.append(ToolArgsDelta(at, function.arguments))

    def _position(self, call: CallDelta) -> int | None:
        """Which call of ours this goes on with; `None` when it is a new one."""
        for at in range(len(self._calls) - 1, -1, -1):
            index, call_id = self._calls[at]
            if index == (call.index or 0) and (not call.id or call.id == call_id):
                return at
        return None
