"""From an upstream's bytes to the caller's: one interface, whether an answer is streamed or whole, native or translated.

`feed` takes the upstream's bytes and gives what may go to the caller now. The end of an answer is held back until `finish`, so that
the ledger is written before the last byte leaves. Live answers, shared flights and cached entries all come through here.
"""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Protocol

import msgspec

from farthing.core.conversation import Answer, Event, Finish
from farthing.core.errors import FarthingError, UpstreamBroken
from farthing.core.request import Dialect, Inbound
from farthing.core.usage import Usage
from farthing.wire.dialects import LANGUAGES, Collector, answer_events
from farthing.wire.tap import Tap, TextCount
from farthing.wire.whole import read_account


class Outlet(Protocol):
    """What the flow needs of an answer on its way out."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def finish_reason(self) -> str | None: ...

    @property
    def text_bytes(self) -> int:
        """Bytes of the answer so far."""
        ...

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> None:
        """The upstream has ended. Raises `UpstreamBroken` when the answer is not whole or not an answer."""
        ...

    def finish(self, cost_usd: Decimal | None, truncated: str | None = None) -> bytes:
        """The rest, after the ledger is written; `truncated` says which limit of ours the answer ended at."""
        ...

    def cut(self, reason: str) -> bytes:
        """A truthful early end with what there is."""
        ...

    def answer(self) -> Answer | None:
        """The answer as nouns, where the outlet gathered it."""
        ...


class PassStream:
    """Native streams: bytes pass untouched, with one eye on usage and the end."""

    def __init__(self, inbound: Inbound) -> None:
        self._tap = Tap(inbound.dialect, wants_usage=inbound.peek.wants_usage, choices=inbound.peek.n)
        self.feed = self._tap.feed
        self.finish = self._tap.finish
        self.cut = self._tap.cut
        self.answer = self._tap.answer

    @property
    def usage(self) -> Usage | None:
        return self._tap.usage

    @property
    def finish_reason(self) -> str | None:
        return self._tap.finish_reason

    @property
    def text_bytes(self) -> int:
        return self._tap.text_bytes

    def end(self) -> None:
        self._tap.end()
        if self._tap.failed is not None:
            raise self._tap.failed
        if not self._tap.complete:
            raise UpstreamBroken("The upstream's stream ended in the middle of the answer.")


class TranslatedStream:
    """A stream in another dialect than the caller's, translated event by event."""

    def __init__(self, source: Dialect, inbound: Inbound) -> None:
        self._reader = LANGUAGES[source].reader()
        self._writer = LANGUAGES[inbound.dialect].writer(inbound.request_id, int(inbound.received_at), wants_usage=inbound.peek.wants_usage)
        self._collector = Collector()

    def feed(self, data: bytes) -> bytes:
        return self._write(self._reader.feed(data))

    def _write(self, events: Sequence[Event]) -> bytes:
        for event in events:
            self._collector.feed(event)
        return b"".join(map(self._writer.feed, events))

    @property
    def usage(self) -> Usage | None:
        return self._collector.usage

    @property
    def finish_reason(self) -> str | None:
        return self._collector.finish

    @property
    def text_bytes(self) -> int:
        return self._collector.text_bytes

    def answer(self) -> Answer:
        return self._collector.answer()

    def end(self) -> None:
        self._write(self._reader.end())
        if self._collector.failed is not None:
            raise self._collector.failed
        if not self._reader.ended:
            raise UpstreamBroken("The upstream's stream ended in the middle of the answer.")

    def finish(self, cost_usd: Decimal | None, truncated: str | None = None) -> bytes:
        return self._writer.end(self.usage, self.finish_reason, cost_usd, truncated)

    def cut(self, reason: str) -> bytes:
        return self._writer.end(self.usage, "length", None, reason)


class Gathered:
    """An answer that is read to its end before the first byte goes out: whole answers, and streams that a check must see first."""

    def __init__(self, source: Dialect, source_stream: bool, inbound: Inbound) -> None:
        self._source, self._source_stream, self._inbound = source, source_stream, inbound
        self._pieces: list[bytes] = []
        self._answer: Answer | None = None
        self._changed = False
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self._text = TextCount(source) if source_stream else None

    @property
    def text_bytes(self) -> int:
        """Of a stream its text so far, of a whole answer its text: what the upstream will bill, not how it was packed."""
        if self._text is not None:
            return self._text.of(self._pieces)
        if self._source not in LANGUAGES:
            return 0
        with suppress(FarthingError):
            answer = self.answer()
            return len(answer.text.encode("utf-8", "replace")) + sum(len(call.arguments) for call in answer.tool_calls)
        return len(self.body)

    @property
    def _native(self) -> bool:
        return self._source is self._inbound.dialect and self._source_stream == self._inbound.peek.stream and not self._changed

    @property
    def body(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def feed(self, data: bytes) -> bytes:
        self._pieces.append(data)
        return b""

    def end(self) -> None:
        if self._source_stream:
            self._read_stream(partial=False)
        else:
            self.usage, self.finish_reason, _ = read_account(self._source, self.body)
            if not self._native:
                # What cannot be translated must be known before the ledger is written, not while it is rendered.
                self.answer()

    def _read_stream(self, *, partial: bool) -> None:
        reader, collector = LANGUAGES[self._source].reader(), Collector()
        for event in (*reader.feed(self.body), *reader.end()):
            collector.feed(event)
        if not partial:
            if collector.failed is not None:
                raise collector.failed
            if not reader.ended:
                raise UpstreamBroken("The upstream's stream ended in the middle of the answer.")
        self._answer = collector.answer()
        self.usage, self.finish_reason = collector.usage, collector.finish

    def answer(self) -> Answer:
        if self._answer is None:
            if self._source_stream:
                self._read_stream(partial=False)
            else:
                self._answer = LANGUAGES[self._source].parse_answer(self.body)
        assert self._answer is not None
        return self._answer

    def replace(self, answer: Answer) -> None:
        """A check changed the answer; what goes out is this one."""
        self._answer, self._changed = answer, True

    def finish(self, cost_usd: Decimal | None, truncated: str | None = None) -> bytes:
        if self._native:
            if not self._source_stream:
                return mark_truncated(self.body, truncated) if truncated else self.body
            tap = Tap(self._source, wants_usage=self._inbound.peek.wants_usage, choices=self._inbound.peek.n)
            return tap.feed(self.body) + tap.finish(cost_usd, truncated)
        return self._render(cost_usd, truncated)

    def so_far(self) -> Answer:
        """What has come of an answer that is cut here."""
        if not self._changed:
            self._read_stream(partial=True)
        return self.answer()

    def cut(self, reason: str) -> bytes:
        self.so_far()
        self._answer = msgspec.structs.replace(self.answer(), finish=Finish.LENGTH)
        return self._render(None, reason)

    def _render(self, cost_usd: Decimal | None, truncated: str | None) -> bytes:
        answer, inbound = self.answer(), self._inbound
        language = LANGUAGES[inbound.dialect]
        if not inbound.peek.stream:
            body = language.render_answer(answer, request_id=inbound.request_id, created=int(inbound.received_at))
            return mark_truncated(body, truncated) if truncated else body
        writer = language.writer(inbound.request_id, int(inbound.received_at), wants_usage=inbound.peek.wants_usage)
        head = b"".join(map(writer.feed, answer_events(answer)))
        return head + writer.end(answer.usage, "length" if truncated else self.finish_reason, cost_usd, truncated)


def mark_truncated(body: bytes, reason: str) -> bytes:
    """Add `"farthing": {"truncated": true, "reason": ...}` to a JSON object."""
    mark = msgspec.json.encode({"truncated": True, "reason": reason})
    return body.rstrip()[:-1] + b',"farthing":' + mark + b"}"


def open_outlet(source: Dialect, source_stream: bool, inbound: Inbound, *, gather: bool) -> Outlet:
    """The outlet that fits; `gather` when a check must see the whole answer first."""
    if gather or not source_stream or not inbound.peek.stream:
        return Gathered(source, source_stream, inbound)
    if source is inbound.dialect:
        return PassStream(inbound)
    return TranslatedStream(source, inbound)
