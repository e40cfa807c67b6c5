"""Every language in one table, and translation between any two of them."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from farthing.core.conversation import Answer, Conversation, Event
from farthing.core.errors import UnsupportedFeature
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire import anthropic_messages, openai_chat, openai_responses
from farthing.wire.collect import Collector, answer_events

__all__ = ["LANGUAGES", "Collector", "Language", "Reader", "Writer", "answer_events", "translate_request"]


class Reader(Protocol):
    """An upstream's stream to events."""

    ended: bool  # a proper end was seen: [DONE], message_stop, response.completed
    choices: int  # how many answers the stream holds side by side; events tell the first

    def feed(self, data: bytes) -> list[Event]: ...

    def end(self) -> list[Event]: ...


class Writer(Protocol):
    """Events to a client's stream."""

    def feed(self, event: Event) -> bytes: ...

    def end(self, usage: Usage | None, finish: str | None, cost_usd: Decimal | None, truncated: str | None) -> bytes: ...


class RenderRequest(Protocol):
    def __call__(self, conversation: Conversation, *, model: str, stream: bool) -> bytes: ...


class RenderAnswer(Protocol):
    def __call__(self, answer: Answer, *, request_id: str, created: int) -> bytes: ...


class MakeWriter(Protocol):
    def __call__(self, request_id: str, created: int, *, wants_usage: bool = True) -> Writer: ...


class Language(msgspec.Struct, frozen=True):
    """What it takes to speak one dialect."""

    parse_request: Callable[[bytes], Conversation]
    render_request: RenderRequest
    parse_answer: Callable[[bytes], Answer]
    render_answer: RenderAnswer
    reader: Callable[[], Reader]
    writer: MakeWriter


LANGUAGES: Mapping[Dialect, Language] = {
    dialect: Language(room.parse_request, room.render_request, room.parse_answer, room.render_answer, room.Reader, room.Writer)
    for dialect, room in (
        (Dialect.CHAT, openai_chat),
        (Dialect.RESPONSES, openai_responses),
        (Dialect.MESSAGES, anthropic_messages),
    )
}


def translate_request(source: Dialect, target: Dialect, body: bytes, *, model: str, stream: bool) -> bytes:
    """The same request in another dialect. Raises `UnsupportedFeature`, naming the field, where it cannot be said there."""
    if source not in LANGUAGES or target not in LANGUAGES:
        raise UnsupportedFeature(f"A {source} request cannot be translated to {target}. Choose a model that speaks {source}.", param="model")
    return LANGUAGES[target].render_request(LANGUAGES[source].parse_request(body), model=model, stream=stream)
