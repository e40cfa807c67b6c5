"""Events to an answer, and an answer to events: streaming and whole are one path.

Guarantees: `Collector` over `answer_events(answer)` gives the answer back.
"""

from farthing.core.conversation import (
    Answer,
    Counted,
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Started,
    Stopped,
    TextDelta,
    Thinking,
    ToolArgsDelta,
    ToolCall,
    ToolCallStarted,
)
from farthing.core.errors import FarthingError
from farthing.core.usage import Usage


def answer_events(answer: Answer) -> list[Event]:
    """A complete answer as a stream of one."""
    events: list[Event] = [Started(answer.id, answer.model)]
    events += [ReasoningDelta(note.text, note.signature, note.redacted) for note in answer.reasoning]
    if answer.text:
        events.append(TextDelta(answer.text))
    if answer.refusal:
        events.append(RefusalDelta(answer.refusal))
    for index, call in enumerate(answer.tool_calls):
        events += (ToolCallStarted(index, call.id, call.name), ToolArgsDelta(index, call.arguments))
    if answer.finish is not None:
        events.append(Stopped(answer.finish))
    if answer.usage is not None:
        events.append(Counted(answer.usage))
    return events


class Collector:
    """Gathers the events of one answer. What it knows so far can be read at any time."""

    def __init__(self) -> None:
        self.id = ""
        self.model: str | None = None
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self.failed: FarthingError | None = None
        self.text_bytes = 0  # of text, notes and tool arguments
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._notes: list[Thinking] = []
        self._open_note: list[str] = []
        self._calls: list[tuple[str, str, list[str]]] = []

    def feed(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                self._text.append(self._sized(text))
            case ToolArgsDelta(index, arguments):
                self._calls[index][2].append(self._sized(arguments))
            case ToolCallStarted(_, call_id, name):
                self._calls.append((call_id, name, []))
            case ReasoningDelta():
                self._note(event)
            case RefusalDelta(text):
                self._refusal.append(self._sized(text))
            case Started(answer_id, model):
                self.id, self.model = answer_id, model
            case Stopped(finish):
                self.finish = finish
            case Counted(usage):
                self.usage = usage
            case Failed(error):
                self.failed = error

    def answer(self) -> Answer:
        """The answer as far as it has come."""
        notes = (*self._notes, Thinking("".join(self._open_note))) if self._open_note else tuple(self._notes)
        return Answer(
            id=self.id,
            model=self.model or "",
            text="".join(self._text),
            reasoning=notes,
            tool_calls=tuple(ToolCall(call_id, name, "".join(pieces)) for call_id, name, pieces in self._calls),
            refusal="".join(self._refusal) or None,
            finish=self.finish,
            usage=self.usage,
        )

    def _note(self, event: ReasoningDelta) -> None:
        if event.text:
            self._open_note.append(self._sized(event.text))
        if event.signature is not None:
            self._notes.append(Thinking("".join(self._open_note), event.signature, event.redacted))
            self._open_note = []

    def _sized(self, text: str) -> str:
        self.text_bytes += len(text) if text.isascii() else len(text.encode())
        return text
