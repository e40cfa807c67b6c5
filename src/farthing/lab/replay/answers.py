"""The model services of a replay: they say what the log has, at the time it took, and nothing else.

In this order: the answer that the log holds for this very call (same model); a recorded answer of the chosen model to the same prompt; else a
call whose length and time are drawn from what that model did elsewhere in the log, and whose text nobody has; else, for a model that the log never
saw, one as long as the logged answer. Only the first two have a quality. What nobody has is not checked against a schema, and cannot be mended.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Literal

import msgspec

from farthing.core.call import Call, Reply
from farthing.core.conversation import Answer, Finish, ToolCall
from farthing.core.errors import RecordedAnswerMissing, UpstreamRefused, UpstreamTimeout
from farthing.core.exchange import Exchange, Target
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.lab.replay.asked import Asked
from farthing.lab.replay.fit import Fit, Lengths, failed, same_model, turned_away, was_reused
from farthing.lab.replay.virtual import VirtualLoop
from farthing.models.tokens import TokenCounter
from farthing.wire.dialects import LANGUAGES, answer_events
from farthing.wire.peek import peek

Origin = Literal["logged", "recorded", "fitted", "borrowed", "failed"]

_FINISHES = {
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "incomplete": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "tool_use": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
    "refusal": Finish.CONTENT_FILTER,
}
_BYTES_PER_TOKEN = 4
_SERVER_ERROR = 500


class Guess(msgspec.Struct, frozen=True, gc=False):
    """Where the output of a call is estimated: from which answers, within which limit, and what was drawn for the brain to count with."""

    lengths: Lengths
    limit: int | None
    target: Target
    usage: Usage


class Told(msgspec.Struct, gc=False):
    """What a service says to one call."""

    origin: Origin
    usage: Usage | None
    latency_s: float | None = None
    first_s: float | None = None
    text: str | None = None  # None: nobody has it
    tool_calls: tuple[str, ...] = ()
    finish: Finish = Finish.STOP
    score: float | None = None
    guess: Guess | None = None


class Step(msgspec.Struct):
    """One call of the log on its way through one configuration."""

    asked: Asked
    x: Exchange
    told: Told | None = None
    unchecked: bool = False  # a schema that the unknown answer was not held to
    dieted: bool = False  # the prompt that was sent is shorter than the logged one
    unmended: bool = False  # a repair or escalation that the log cannot tell


class LoggedModels:
    """Implements `brain.ports.Models`. `steps` are the requests under way, by id."""

    def __init__(self, fit: Fit, tokens: TokenCounter, loop: VirtualLoop, dialects: dict[str, frozenset[Dialect]]) -> None:
        self.steps: dict[str, Step] = {}
        self._fit = fit
        self._tokens = tokens
        self._loop = loop
        self._dialects = dialects

    def dialects(self, service: str) -> frozenset[Dialect]:
        return self._dialects.get(service, _EVERY)

    def crowd(self, target: Target) -> float:
        """A log knows no queues."""
        del target
        return 0.0

    def healthy(self, target: Target) -> bool:
        del target
        return True

    async def send(self, call: Call) -> Reply:
        """What the log has. Raises what the log says the service raised."""
        step = self.steps[call.request_id]
        if step.told is not None and step.told.origin != "failed":
            step.unmended = True
            raise RecordedAnswerMissing("The log does not hold what a repair or an escalation would have given.")
        told = step.told = self._told(step, call)
        if told.origin == "failed":
            await self._loop.until(self._loop.time() + (told.latency_s or 0.0))
            status = step.asked.call.status or _SERVER_ERROR
            raise UpstreamRefused(f"The logged call failed with status {status}.", status=status, body=b"")
        if told.text is None and step.x.inbound.peek.answer_schema is not None:
            step.x.inbound.peek = msgspec.structs.replace(step.x.inbound.peek, answer_schema=None)
            step.unchecked = True
        return LoggedReply(told, call, self._loop)

    def logged_usage(self, asked: Asked) -> Usage | None:
        """Tokens of the logged call, counted from its text where the log does not say; `None` where it holds neither."""
        call = asked.call
        written = self._fit.written(call)
        if written is None or (call.tokens_in is None and asked.prompt is None):
            return None
        given = self._input(asked, call.model or "")
        return Usage(given, written, call.tokens_cached, call.tokens_cache_write, call.tokens_reasoning, call.tokens_out is None)

    def _told(self, step: Step, call: Call) -> Told:
        asked, target = step.asked, step.x.target or Target(call.service, call.model)
        ours = self._our_limit(step, call)
        limit = step.x.inbound.peek.max_output_tokens if ours is None else ours
        logged = asked.call
        told = None
        if logged.model is not None and same_model(logged.model, call.model):
            told = self._logged(asked, ours)
        if told is None and asked.prompt is not None:
            told = self._recorded(asked, call.model, limit)
        return _on_diet(told or self._estimated(asked, target, limit), step)

    def _our_limit(self, step: Step, call: Call) -> int | None:
        """The output limit that the configuration put into the body; the caller's own one, the logged answer has kept already."""
        if any(decision.action == "output_limit" for decision in step.x.decisions):
            return peek(call.dialect, call.body, json_depth=512, max_messages=1_000_000).max_output_tokens
        return None

    def _logged(self, asked: Asked, limit: int | None) -> Told | None:
        """The logged answer itself; `None` where the log does not say how long it was."""
        call = asked.call
        if turned_away(call):
            return None
        if failed(call):
            return Told("failed", None, call.latency_s)
        usage = self.logged_usage(asked)
        if usage is None:
            return None
        finish = _FINISHES.get((call.finish or "").lower(), Finish.STOP)
        told = Told("logged", usage, call.latency_s, call.first_token_s, call.answer, call.tool_calls, finish, call.score)
        if was_reused(call):
            lengths = self._fit.lengths(asked.endpoint, call.model or "")
            _, told.latency_s, told.first_s = lengths.like(asked.id) if lengths else (0, None, None)
        return _cut(told, limit)

    def _recorded(self, asked: Asked, model: str, limit: int | None) -> Told | None:
        known = self._fit.recorded(asked.prompt or b"", model)
        if known is None:
            return None
        given = known.tokens_in if known.tokens_in is not None else self._input(asked, model)
        told = Told("recorded", Usage(given, known.tokens_out), known.latency_s, known.first_s, score=known.score)
        return _cut(told, limit)

    def _estimated(self, asked: Asked, target: Target, limit: int | None) -> Told:
        given = self._input(asked, target.model)
        lengths = self._fit.lengths(asked.endpoint, target.model)
        if asked.call.dialect is Dialect.EMBEDDINGS:
            return Told("borrowed", Usage(given, 0, estimated=True))
        if lengths is None or not len(lengths):
            written = self._fit.written(asked.call)
            usage = None if written is None else Usage(given, _within(written, limit), estimated=True)
            return Told("borrowed", usage)
        written, latency_s, first_s = lengths.like(f"{target.model}\0{asked.id}")
        usage = Usage(given, _within(written, limit), estimated=True)
        return Told("fitted", usage, latency_s, first_s, guess=Guess(lengths, limit, target, usage))

    def _input(self, asked: Asked, model: str) -> int:
        """Input tokens of this prompt for that model: as logged for the model that had it, in proportion for one that counts otherwise."""
        found = asked.inputs.get(model)
        if found is None:
            found = asked.inputs[model] = self._recounted(asked, model)
        return found

    def _recounted(self, asked: Asked, model: str) -> int:
        call = asked.call
        turns = asked.view.turns
        if call.tokens_in is None:
            return sum(self._tokens.count(turn.text, model) for turn in turns) + _PER_TURN * len(turns) + _PER_CALL
        ratio = self._tokens.ratio(model, call.model or "")
        if ratio is None:
            text = "\n".join(turn.text for turn in turns)
            own = self._tokens.count(text, call.model or "")
            ratio = self._tokens.count(text, model) / own if own else 1.0
        return round(call.tokens_in * ratio)


_EVERY = frozenset(Dialect)
_PER_TURN, _PER_CALL = 4, 3  # what a chat format adds around messages, as in models/recorded.py


class LoggedReply:
    """A `core.call.Reply` that comes when the logged one came, or breaks off at the deadline of the request."""

    attempts = 1
    queue_s = 0.0
    price_factor: Decimal | None = None
    service_request_id: str | None = None

    def __init__(self, told: Told, call: Call, loop: VirtualLoop) -> None:
        self.content_type = "text/event-stream" if call.stream else "application/json"
        self._told, self._call, self._loop = told, call, loop
        self._sent_s = loop.time()
        self._ends_s = self._sent_s + (told.latency_s or 0.0)

    async def read(self) -> bytes:
        if self._call.stream:
            return b"".join([piece async for piece in self])
        await self._until(self._ends_s)
        return _whole(self._told, self._call, int(self._sent_s))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        told, call = self._told, self._call
        if not call.stream:
            yield await self.read()
            return
        first_s = min(self._sent_s + (told.first_s if told.first_s is not None else told.latency_s or 0.0), self._ends_s)
        answer = _answer(told, call)
        writer = LANGUAGES[call.dialect].writer(call.request_id, int(self._sent_s), wants_usage=True)
        head, *rest = answer_events(answer)
        await self._until(first_s)
        yield writer.feed(head)
        if self._ends_s > call.deadline_s:
            # What had come when time was up, at an even pace.
            share = (call.deadline_s - first_s) / (self._ends_s - first_s)
            text = answer.text[: int(len(answer.text) * share)]
            await self._loop.until(call.deadline_s)
            yield b"".join(map(writer.feed, answer_events(msgspec.structs.replace(answer, text=text, finish=None, usage=None, tool_calls=()))[1:]))
            raise _too_late()
        await self._until(self._ends_s)
        yield b"".join(map(writer.feed, rest)) + writer.end(told.usage, answer.finish, None, None)

    def close(self) -> None:
        """Nothing is open."""

    async def _until(self, when_s: float) -> None:
        await self._loop.until(min(when_s, self._call.deadline_s))
        if when_s > self._call.deadline_s:
            raise _too_late()


def _too_late() -> UpstreamTimeout:
    return UpstreamTimeout("The logged answer took longer than this request may.")


def _on_diet(told: Told, step: Step) -> Told:
    """Fewer tokens went in, as the levers counted them. What the model would have made of that prompt, nobody has graded."""
    saved = sum(effect.input_tokens for effect in step.x.effects)
    if not saved or told.usage is None:
        return told
    step.dieted = True
    given = max(1, told.usage.input_tokens - saved)
    cached = None if told.usage.cached_tokens is None else min(told.usage.cached_tokens, given)
    told.usage = msgspec.structs.replace(told.usage, input_tokens=given, cached_tokens=cached)
    told.score = None
    if told.guess is not None:
        told.guess = msgspec.structs.replace(told.guess, usage=told.usage)
    return told


def _within(tokens: int, limit: int | None) -> int:
    return tokens if limit is None or tokens <= limit else limit


def _cut(told: Told, limit: int | None) -> Told:
    """An answer that was longer than it may be here: as much of it as fits, of unknown quality."""
    usage = told.usage
    if usage is None or limit is None or usage.output_tokens <= limit:
        return told
    if told.text is not None:
        told.text = told.text[: len(told.text) * limit // usage.output_tokens]
    told.usage = msgspec.structs.replace(usage, output_tokens=limit, reasoning_tokens=None)
    told.finish, told.score = Finish.LENGTH, None
    return told


def _answer(told: Told, call: Call) -> Answer:
    """As nouns. An unknown text is blank, of about its size, so that a cache fills as it would."""
    tokens = told.usage.output_tokens if told.usage is not None else 0
    text = " " * (tokens * _BYTES_PER_TOKEN) if told.text is None else told.text
    calls = tuple(ToolCall(f"call_{at}", name, "{}") for at, name in enumerate(told.tool_calls))
    return Answer(f"logged-{call.request_id}", call.model, text, finish=told.finish, usage=told.usage, tool_calls=calls)


def _whole(told: Told, call: Call, created: int) -> bytes:
    if call.dialect is Dialect.EMBEDDINGS:
        tokens = told.usage.input_tokens if told.usage is not None else 0
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return msgspec.json.encode({"object": "list", "data": [], "model": call.model, "usage": usage})
    return LANGUAGES[call.dialect].render_answer(_answer(told, call), request_id=call.request_id, created=created)
