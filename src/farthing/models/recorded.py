"""A model service that answers from recorded exchanges: nothing is made up, nothing is sent.

Guarantees: only recorded answers; `max_tokens` cuts them and says so (`finish_reason: length`). Usage that was not recorded is
counted offline. A prompt without a recording is a typed error that names the files and the model. Embeddings are refused: a
vector that no model made would look like one.
Playback: `instant`, or `timed` with each line's own `first_token_s` and `per_token_s`; a line that has none comes at once.
Costs: 0.15 ms for a whole answer of 150 tokens, 0.4 ms for it streamed; memory and files as in `recordings.py`.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal

from farthing.config import Service
from farthing.core.call import Call
from farthing.core.clock import Clock
from farthing.core.errors import RecordedAnswerMissing, UnsupportedFeature, UpstreamTimeout
from farthing.core.request import Dialect
from farthing.models import recorded_chat, recorded_parquet
from farthing.models.recorded_chat import Asked, Told
from farthing.models.recordings import RecordedUsage, Recording, Recordings
from farthing.models.tokens import TokenCounter

# What OpenAI's chat format adds, by its own guide to counting: around each message, and before the answer.
MESSAGE_TOKENS = 4
CHAT_TOKENS = 3

Pause = Callable[[float], Awaitable[None]]
Timed = tuple[bytes, float]  # what to send, and how long to wait before it


class RecordedReply:
    """A `core.call.Reply` out of pieces that are ready, each after its pause."""

    attempts = 1
    queue_s = 0.0
    price_factor: Decimal | None = None
    service_request_id: str | None

    def __init__(self, content_type: str, service_request_id: str, pieces: list[Timed], pause: Pause) -> None:
        self.content_type = content_type
        self.service_request_id = service_request_id
        self._pieces = pieces
        self._pause = pause
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece, after_s in self._pieces:
            if after_s > 0:
                await self._pause(after_s)
            if self._closed:
                return
            yield piece

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self])

    def close(self) -> None:
        self._closed = True


class RecordedBackend:
    """One service made of files."""

    def __init__(self, service: Service, *, clock: Clock, tokens: TokenCounter | None = None, pause: Pause = asyncio.sleep) -> None:
        self._paths = service.recordings
        self._timed = service.playback == "timed"
        self._clock = clock
        self._tokens = tokens or TokenCounter()
        self._pause = pause
        self._recordings: Recordings | None = None
        self._opening = asyncio.Lock()

    def dialects(self) -> frozenset[Dialect]:
        return frozenset({Dialect.CHAT})

    async def warm(self) -> None:
        """Open and index the files. Raises the `Upstream` branch for what cannot be read."""
        await self._opened()

    async def close(self) -> None:
        self._recordings = None

    async def find(self, model: str, system: str, prompt: str) -> Recording | None:
        """The exchange that would answer, for those who compare."""
        return (await self._opened()).find(model, system, prompt)

    async def send(self, call: Call) -> RecordedReply:
        """The recorded answer. Raises `RecordedAnswerMissing`."""
        if call.dialect is not Dialect.CHAT:
            raise UnsupportedFeature(f"Recordings hold chat answers, not {call.dialect.value}. Name a model of another service.", param="model")
        asked = recorded_chat.read(call.body)
        recordings = await self._opened()
        recording = recordings.find(call.model, asked.system, asked.prompt, asked.before)
        if recording is None:
            raise RecordedAnswerMissing(self._missing(call.model, asked, recordings))
        told = self._told(call, asked, recording)
        if not call.stream:
            return RecordedReply("application/json", told.id, self._whole(told, recording), self._within(call))
        return RecordedReply("text/event-stream; charset=utf-8", told.id, self._events(told, asked, recording), self._within(call))

    def _whole(self, told: Told, recording: Recording) -> list[Timed]:
        first_s, each_s = self._pace(recording)
        return [(recorded_chat.whole(told), first_s + each_s * told.usage.output_tokens)]

    def _events(self, told: Told, asked: Asked, recording: Recording) -> list[Timed]:
        first_s, each_s = self._pace(recording)
        events = recorded_chat.events(told, asked.stream_options is not None and asked.stream_options.include_usage)
        return _paced(events, first_s, each_s) if first_s or each_s else _at_once(events)

    def _within(self, call: Call) -> Pause:
        """Pauses that end at the call's deadline, with an error."""

        async def pause(seconds: float) -> None:
            left_s = call.deadline_s - self._clock.monotonic()
            await self._pause(max(0.0, min(seconds, left_s)))
            if seconds > left_s:
                raise UpstreamTimeout(f"The recorded answer of {call.model} took longer than the request may. Raise `resilience.deadline_s`.")

        return pause

    def _told(self, call: Call, asked: Asked, recording: Recording) -> Told:
        """The answer within the caller's limit."""
        usage = recording.usage or RecordedUsage(
            input_tokens=CHAT_TOKENS + sum(MESSAGE_TOKENS + self._tokens.count(message.text, recording.model) for message in asked.messages),
            output_tokens=self._tokens.count(recording.answer, recording.model),
        )
        fits = asked.most_tokens is None or usage.output_tokens <= asked.most_tokens
        if fits and not call.stream:
            pieces = ((recording.answer, usage.output_tokens),)
        else:
            pieces = tuple(self._tokens.pieces(recording.answer, recording.model))
        kept, output_tokens = recorded_chat.limit(pieces, usage.output_tokens, asked.most_tokens)
        cut = len(kept) < len(pieces)
        return Told(
            id=f"chatcmpl-{call.request_id}",
            created=int(self._clock.now()),
            model=recording.model,
            pieces=kept,
            finish="length" if cut else recording.finish,
            usage=RecordedUsage(usage.input_tokens, output_tokens, usage.cached_tokens, None if cut else usage.reasoning_tokens),
        )

    def _pace(self, recording: Recording) -> tuple[float, float]:
        return (recording.first_token_s or 0.0, recording.per_token_s or 0.0) if self._timed else (0.0, 0.0)

    def _missing(self, model: str, asked: Asked, recordings: Recordings) -> str:
        # Callers read this: they learn the name of a file, not where this machine keeps it.
        where = ", ".join(os.path.basename(path) for path in self._paths)
        if others := list(recordings.models_with(asked.system, asked.prompt)):
            return f"'{model}' has no recorded answer to this prompt in {where}; recorded for it: {', '.join(others)}. Name one of these."
        return (
            f"No recorded answer of '{model}' to this prompt in {where} ({recordings.lines:,} exchanges of {', '.join(sorted(recordings.models))}). "
            "Ask a recorded prompt, add the exchange to the file, or configure a service that can answer."
        )

    async def _opened(self) -> Recordings:
        if self._recordings is None:
            async with self._opening:
                if self._recordings is None:
                    self._recordings = await asyncio.to_thread(_open, self._paths)
        return self._recordings


def _open(paths: tuple[str, ...]) -> Recordings:
    recordings = Recordings()
    packed = [path for path in paths if path.endswith(recorded_parquet.SUFFIX)]
    for path in paths:
        if path not in packed:
            recordings.add_path(path)
    if packed:
        with tempfile.TemporaryFile() as file:
            recorded_parquet.write_json_lines(packed, file)
            recordings.add(file, ", ".join(packed))
    return recordings


def _paced(events: Iterator[tuple[bytes, int]], first_s: float, each_s: float) -> list[Timed]:
    """Every event after its tokens' time, the first after the time to the first token."""
    pieces = [(event, tokens * each_s) for event, tokens in events]
    event, _ = pieces[0]
    return [(event, first_s), *pieces[1:]]


def _at_once(events: Iterator[tuple[bytes, int]]) -> list[Timed]:
    """The first event alone, so that it is seen as the first, then all the others in one piece."""
    first, _ = next(events)
    return [(first, 0.0), (b"".join(event for event, _ in events), 0.0)]
