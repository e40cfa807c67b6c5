"""From a line of a log to what the brain is asked: the request, who sent it and when.

Where the log holds no body, one is written from its turns. Where it holds no text at all, nothing can be looked up, classified or routed: such
a call keeps the model that it had, and only its price, its budgets and its caps are replayed.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import msgspec

from farthing.config import Config
from farthing.core.errors import FarthingError, InvalidRequest
from farthing.core.exchange import Signals
from farthing.core.request import Dialect, Inbound, Peek, Principal
from farthing.lab.logs.base import LoggedCall
from farthing.wire.peek import peek

_UNREADABLE_SHOWN = 5
_DEPTH, _MOST_MESSAGES = 512, 1_000_000  # what was served once is read again, whatever it holds
_ROLES = {"human": "user", "ai": "assistant", "model": "assistant"}
_NOTHING_SAID = [{"role": "user", "content": ""}]
_UNNAMED = "unnamed"
_ABOVE = ("system", "developer")
# What a gateway's cache looked up was cool enough to be looked up, also where the log does not say how cool.
_ADMITTED = frozenset({"miss", "exact", "normalised", "semantic", "coalesced"})
# What a prompt says is the same in every dialect of a conversation.
_KINDS = {dialect: b"embed" if dialect is Dialect.EMBEDDINGS else b"talk" for dialect in Dialect}
_encode = msgspec.json.Encoder().encode


class Asked(msgspec.Struct):
    """One logged call, read once for all configurations. `prompt` stands for its turns: two calls that ask the same share it."""

    call: LoggedCall
    number: int
    id: str
    run: str
    endpoint: str
    tenant: str
    at_s: float
    view: Peek
    body: bytes
    prompt: bytes | None  # None: the log holds no text
    inputs: dict[str, int] = {}  # input tokens by model, as far as somebody asked


class Intake:
    """Logged calls to `Asked`, in log order. Counts what it could not read and what it had to assume."""

    def __init__(self) -> None:
        self.calls = 0
        self.unreadable = 0
        self.examples: list[str] = []
        self.textless = 0
        self.untimed = 0
        self.late = 0
        self.without_usage = 0  # tokens counted from the text, because the log does not say them
        self.first_s: float | None = None
        self.last_s: float | None = None
        self.notes: list[str] = []  # of who read the files

    def read(self, logs: Iterable[LoggedCall]) -> Iterator[Asked]:
        """Every call that says what it asked, at its own time. The clock never goes back; a call without a time follows the one before."""
        now_s, free_s = 0.0, 0.0
        for call in logs:
            self.calls += 1
            try:
                asked = _asked(call, self.calls)
            except FarthingError as error:
                self._cannot(call, error.message)
                continue
            if call.received_at is None:
                self.untimed += 1
                now_s = max(now_s, free_s)
            elif call.received_at < now_s:
                self.late += 1
            else:
                now_s = call.received_at
            free_s = now_s + (call.latency_s or 0.0)
            asked.at_s = now_s
            if (at_s := call.received_at) is not None:
                self.first_s = at_s if self.first_s is None or at_s < self.first_s else self.first_s
                self.last_s = at_s if self.last_s is None or at_s > self.last_s else self.last_s
            self.textless += asked.prompt is None
            self.without_usage += call.tokens_in is None or (call.tokens_out is None and call.answer is not None)
            yield asked

    def merge(self, other: "Intake") -> None:
        """Add the counts of another part of the log."""
        self.calls += other.calls
        self.unreadable += other.unreadable
        self.examples = [*self.examples, *other.examples][:_UNREADABLE_SHOWN]
        self.notes += other.notes
        self.textless += other.textless
        self.untimed += other.untimed
        self.late += other.late
        self.without_usage += other.without_usage
        firsts = [first for first in (self.first_s, other.first_s) if first is not None]
        lasts = [last for last in (self.last_s, other.last_s) if last is not None]
        self.first_s, self.last_s = min(firsts, default=None), max(lasts, default=None)

    def _cannot(self, call: LoggedCall, reason: str) -> None:
        self.unreadable += 1
        if len(self.examples) < _UNREADABLE_SHOWN:
            self.examples.append(f"{call.source}: {reason}")


def prompt_digest(dialect: Dialect, view: Peek) -> bytes | None:
    """16 bytes that stand for all turns of a prompt; `None` when there is no text."""
    turns = view.turns
    if not any(turn.text for turn in turns):
        return None
    digest = blake2b(_KINDS[dialect], digest_size=16)
    for turn in turns:
        digest.update(f"\0{turn.role}\1{turn.text}".encode("utf-8", "surrogatepass"))
    return digest.digest()


def _asked(call: LoggedCall, number: int) -> Asked:
    body, view = _read(call)
    if call.has_tools and not view.has_tools:
        view = msgspec.structs.replace(view, has_tools=True)
    if view.temperature is None and (call.cache or "").lower() in _ADMITTED:
        view = msgspec.structs.replace(view, temperature=0.0)
    prompt = prompt_digest(call.dialect, view)
    if prompt is None and not call.model:
        raise InvalidRequest("it names no model and holds no text")
    name = call.request_id or call.source
    endpoint, tenant = call.endpoint or "default", call.tenant or "default"
    return Asked(call, number, name, call.run_id or name, endpoint, tenant, 0.0, view, body, prompt)


def _read(call: LoggedCall) -> tuple[bytes, Peek]:
    """The body as it was sent, where it can be read; else one that says what the turns say."""
    if call.body:
        try:
            return call.body, _peek(call.dialect, call.body)
        except FarthingError:
            if not call.turns:
                raise
    body = _written(call)
    return body, _peek(call.dialect, body)


def _peek(dialect: Dialect, body: bytes) -> Peek:
    return peek(dialect, body, json_depth=_DEPTH, max_messages=_MOST_MESSAGES)


def _written(call: LoggedCall) -> bytes:
    """A body in the dialect of the call for what the log says was asked."""
    fields: dict[str, Any] = {"model": call.model or _UNNAMED, "temperature": call.temperature, "stream": call.stream or None}
    turns = [{"role": _ROLES.get(turn.role, turn.role), "content": turn.text} for turn in call.turns] or _NOTHING_SAID
    match call.dialect:
        case Dialect.EMBEDDINGS:
            fields = {"model": call.model or _UNNAMED, "input": [turn["content"] for turn in turns]}
        case Dialect.RESPONSES:
            fields |= {"input": turns, "max_output_tokens": call.max_output_tokens}
        case Dialect.MESSAGES:
            said = [turn for turn in turns if turn["role"] not in _ABOVE]
            system = "\n".join(turn["content"] for turn in turns if turn["role"] in _ABOVE)
            fields |= {"system": system or None, "messages": said or _NOTHING_SAID, "max_tokens": call.max_output_tokens}
        case _:
            fields |= {"messages": turns, "max_tokens": call.max_output_tokens}
    return _encode({name: value for name, value in fields.items() if value is not None})


def inbound_of(asked: Asked, request_id: str, model: str, config: Config, *, now_s: float) -> Inbound:
    """The request as the gateway's door would have read it."""
    call = asked.call
    view = asked.view if asked.view.model == model else msgspec.structs.replace(asked.view, model=model)
    return Inbound(
        request_id=request_id,
        dialect=call.dialect,
        body=asked.body,
        peek=view,
        principal=Principal(None, asked.tenant),
        started_s=now_s,
        received_at=now_s,
        endpoint=asked.endpoint,
        run_id=asked.run,
        tenant=asked.tenant,
        user_hash=call.user or view.end_user,
        session=call.session or view.session,
        levers_off=_TEXTLESS_OFF if asked.prompt is None else frozenset(),
        tenant_tier=config.tenant_tiers.get(asked.tenant),
    )


_TEXTLESS_OFF = frozenset({"cache", "route", "diet", "check"})


def unread_signals(asked: Asked) -> Signals:
    """Of a call without text: its size is known, nothing else."""
    size = asked.call.tokens_in or 0
    return Signals("chat", 1.0, "high", True, None, size, size, None, 0.0)
