"""Write down what models answer, as lines that `recordings.py` plays back.

Guarantees: what goes through is what would have gone without it, piece by piece; a line is written once an answer has come whole, and only where the
format can hold it: chat, one choice, words that were not refused. What is not written is counted. Times are what the caller waited: of a whole answer
the time in all, shared out over its tokens, of a stream that to its first piece and from there on.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Protocol

from farthing.core.call import Call, Reply
from farthing.core.clock import Clock
from farthing.core.conversation import Answer, Finish
from farthing.core.errors import FarthingError, UpstreamBroken
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.models import recorded_chat
from farthing.models.recordings import RecordedUsage, Recording
from farthing.wire.dialects import LANGUAGES, Collector


class Asked(Protocol):
    """What stands in front of the services: the hub, or what takes its place."""

    async def send(self, call: Call) -> Reply: ...

    def dialects(self, service: str) -> frozenset[Dialect]: ...

    def crowd(self, target: Target) -> float: ...

    def healthy(self, target: Target) -> bool: ...


class Recorder:
    """Stands where the hub stands. `write` gets each line as its answer ends; `source` is put on all of them."""

    def __init__(self, models: Asked, clock: Clock, write: Callable[[Recording], None], *, source: str | None = None) -> None:
        self._models, self._clock, self._write, self._source = models, clock, write, source
        self.unwritten = 0

    async def send(self, call: Call) -> Reply:
        began_s = self._clock.monotonic()
        reply = await self._models.send(call)
        return _Heard(reply, self._clock, lambda body, first_s, whole_s: self._note(call, body, first_s - began_s, whole_s - began_s))

    def dialects(self, service: str) -> frozenset[Dialect]:
        return self._models.dialects(service)

    def crowd(self, target: Target) -> float:
        return self._models.crowd(target)

    def healthy(self, target: Target) -> bool:
        return self._models.healthy(target)

    def _note(self, call: Call, body: bytes, first_s: float, whole_s: float) -> None:
        line = None
        with suppress(FarthingError):  # no answer, half of one, or several
            if call.dialect is Dialect.CHAT:
                line = _line(call, _answer(call, body), first_s if call.stream else None, whole_s, self._source)
        if line is None:
            self.unwritten += 1
        else:
            self._write(line)


class _Heard:
    """A reply as it is, with somebody listening."""

    def __init__(self, reply: Reply, clock: Clock, ended: Callable[[bytes, float, float], None]) -> None:
        self.content_type, self.service_request_id = reply.content_type, reply.service_request_id
        self.attempts, self.queue_s = reply.attempts, reply.queue_s
        self.price_factor: Decimal | None = reply.price_factor
        self._reply, self._clock, self._ended = reply, clock, ended

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body, first_s = bytearray(), None
        async for piece in self._reply:
            first_s = self._clock.monotonic() if first_s is None else first_s
            body += piece
            yield piece
        now_s = self._clock.monotonic()
        self._ended(bytes(body), now_s if first_s is None else first_s, now_s)

    async def read(self) -> bytes:
        body = await self._reply.read()
        now_s = self._clock.monotonic()
        self._ended(body, now_s, now_s)
        return body

    def close(self) -> None:
        self._reply.close()


def _answer(call: Call, body: bytes) -> Answer:
    language = LANGUAGES[call.dialect]
    if not call.stream:
        return language.parse_answer(body)
    reader, heard = language.reader(), Collector()
    for event in (*reader.feed(body), *reader.end()):
        heard.feed(event)
    if heard.failed is not None or not reader.ended:
        raise heard.failed or UpstreamBroken("The stream ended before its answer did.")
    return heard.answer()


def _line(call: Call, answer: Answer, first_s: float | None, whole_s: float, source: str | None) -> Recording | None:
    if not answer.text or answer.tool_calls or answer.refusal:
        return None
    asked, used = recorded_chat.read(call.body), answer.usage
    usage = None if used is None else RecordedUsage(used.input_tokens, used.output_tokens, used.cached_tokens, used.reasoning_tokens)
    return Recording(
        prompt=asked.prompt,
        model=answer.model or call.model,
        answer=answer.text,
        system=asked.system,
        before=asked.before,
        usage=usage,
        first_token_s=None if first_s is None else round(first_s, 4),
        per_token_s=None if usage is None else round((whole_s - (first_s or 0.0)) / max(1, usage.output_tokens), 6),
        finish="length" if answer.finish is Finish.LENGTH else "content_filter" if answer.finish is Finish.CONTENT_FILTER else "stop",
        source=source,
    )
