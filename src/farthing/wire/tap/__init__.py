"""A stream on its way through, untouched, with one eye on its end.

Guarantees: what goes out is what came in, byte for byte and event by event, but for the chunk of usage that the caller did not ask for and the cost
that is put into the usage it did ask for. From the event that ends the answer on, everything is held back until `finish`.
Costs: 12 us for a burst of 30 chunks, 1.3 us for one chunk, 25 us for the end (bench/wire.py): no JSON is decoded before the
end comes in sight.
"""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

from farthing.core.conversation import Answer
from farthing.core.errors import FarthingError, Upstream, UpstreamBroken
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.collect import Collector
from farthing.wire.dialects import LANGUAGES
from farthing.wire.sse import MAX_EVENT_BYTES, EventSplitter
from farthing.wire.tap import chat, messages, responses
from farthing.wire.tap.base import Ending

_ENDINGS: dict[Dialect, Ending] = {Dialect.CHAT: chat, Dialect.MESSAGES: messages, Dialect.RESPONSES: responses}


class TextCount:
    """How much of a growing stream is answer text. Looks at what has come since it was last asked."""

    def __init__(self, dialect: Dialect) -> None:
        self._text = _ENDINGS[dialect].TEXT
        self._bytes = 0
        self._looked_at = 0  # pieces whose text is counted
        self._uncounted = b""

    def of(self, pieces: Sequence[bytes]) -> int:
        """Bytes, JSON escapes included. `pieces` are those of the last time and what has come since."""
        fresh = b"".join((self._uncounted, *pieces[self._looked_at :]))
        self._looked_at = len(pieces)
        lines = fresh.rfind(b"\n") + 1  # an event's payload is one line
        self._uncounted = fresh[lines:]
        self._bytes += sum(map(len, self._text.findall(fresh, 0, lines)))
        return self._bytes


class TextReader:
    """The answer text of a stream as it comes: the content of its JSON strings, escapes and all."""

    def __init__(self, dialect: Dialect) -> None:
        self._text = _ENDINGS[dialect].TEXT
        self._rest = b""

    def take(self, data: bytes) -> bytes:
        """The text of the lines that are whole by now."""
        data = self._rest + data
        lines = data.rfind(b"\n") + 1
        self._rest = data[lines:]
        return b"".join(self._text.findall(data, 0, lines))


class Tap:
    """One native stream. `choices` is how many answers it carries."""

    def __init__(self, dialect: Dialect, *, wants_usage: bool, choices: int = 1) -> None:
        self._dialect = dialect
        self._ending = _ENDINGS[dialect]
        self._wants_usage = wants_usage
        self._choices = choices
        self._finishes = 0
        self._pieces: list[bytes] = []
        self._rest = b""
        self._held: list[bytes] | None = None
        self._summary: Collector | None = None
        self._text = TextCount(dialect)
        self.complete = False

    def feed(self, data: bytes) -> bytes:
        """What may go to the caller now."""
        self._pieces.append(data)
        if self._held is not None:
            self._held.append(data)
            return b""
        ready, self._rest = _split(self._rest + data if self._rest else data)
        if not ready or not self._ending.may_end(ready):
            return ready
        return self._hold_from_end(ready)

    def _hold_from_end(self, ready: bytes) -> bytes:
        position = self._first_suspect(ready)
        for event in EventSplitter().feed(ready[position:]):
            self._finishes += self._ending.finishes(event)
            if self._ending.ends(event) or self._finishes >= self._choices:
                self._held = [ready[position:], self._rest]
                self._rest = b""
                return ready[:position]
            position += len(event)
        return ready

    def _first_suspect(self, ready: bytes) -> int:
        """Where the event with the first sign of an end begins: those before it need no look. Where lines end in CR they all get one."""
        before = -1 if b"\r" in ready else ready.rfind(b"\n\n", 0, self._ending.first_mark(ready))
        return 0 if before < 0 else before + 2

    def end(self) -> None:
        """The upstream has closed: read what the end says. Sets `complete`. Raises `UpstreamBroken` when the end is garbage."""
        self._summary = collector = Collector()
        reader = LANGUAGES[self._dialect].reader()
        held = b"".join(self._held or ())
        source = self._ending.head(self._pieces) + held if self._held is not None else b"".join(self._pieces)
        for event in (*reader.feed(source), *reader.end()):
            collector.feed(event)
        self.complete = reader.ended or (self._held is not None and collector.finish is not None)

    @property
    def _read(self) -> Collector:
        if self._summary is None:
            # A stream that is broken was reported as such; what it said until then still counts.
            with suppress(Upstream):
                self.end()
        assert self._summary is not None
        return self._summary

    @property
    def usage(self) -> Usage | None:
        return self._read.usage

    @property
    def finish_reason(self) -> str | None:
        finish = self._read.finish
        return None if finish is None else finish.value

    @property
    def model(self) -> str | None:
        return self._read.model

    @property
    def failed(self) -> FarthingError | None:
        return self._read.failed

    @property
    def text_bytes(self) -> int:
        """Bytes of answer text so far, JSON escapes included."""
        return self._text.of(self._pieces)

    def answer(self) -> Answer | None:
        """The answer as far as it has come; `None` when the stream carries several, or things that no other dialect has."""
        collector, reader = Collector(), LANGUAGES[self._dialect].reader()
        try:
            for event in reader.feed(b"".join(self._pieces)):
                collector.feed(event)
        except Upstream:
            return None
        return collector.answer() if self._choices == 1 else None

    def finish(self, cost_usd: Decimal | None, truncated: str | None = None) -> bytes:
        """The end that was held back, once the ledger has its row."""
        held = b"".join(self._held or ()) + self._rest
        return self._ending.tail(held, wants_usage=self._wants_usage, cost_usd=cost_usd, truncated=truncated)

    def cut(self, reason: str, usage: Usage | None = None) -> bytes:
        """A truthful ending with what there is, in place of whatever would have come."""
        self._held, self._rest = None, b""
        return self._ending.cut(b"".join(self._pieces), reason, usage if self._wants_usage else None)


def _split(buffer: bytes) -> tuple[bytes, bytes]:
    """Whole events, and the beginning of the next one."""
    if b"\r" in buffer:
        splitter = EventSplitter()
        return b"".join(splitter.feed(buffer)), splitter.rest
    end = buffer.rfind(b"\n\n") + 2
    if end == 1:
        if len(buffer) > MAX_EVENT_BYTES:
            raise UpstreamBroken(f"The stream holds an event of more than {MAX_EVENT_BYTES:,} bytes. Raise `services.<name>.max_answer_bytes`.")
        return b"", buffer
    return (buffer, b"") if end == len(buffer) else (buffer[:end], buffer[end:])
